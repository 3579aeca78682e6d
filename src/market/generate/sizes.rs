use crate::random::Random;

/// The tail of sizes of trades (Plerou and Stanley, Physical Review E 76, 2007: below 2).
const TAIL: f64 = 1.6;

/// Of 100 trades so many are of whole hundreds.
const ROUND: u64 = 30;

/// The largest trade outside an auction, in terms of the day's volume.
const LARGEST: f64 = 0.01;

/// Shares of 1,000 that change hands in the opening auction and in the closing one.
const AUCTIONS: [u64; 2] = [15, 80];

/// Sizes of `count` trades that sum up to `volume`, exactly. With `auctions` the first and the last are those of the
/// opening and closing ones. A trade of no size is among them only if there are fewer shares than trades.
pub(super) fn sizes(random: &mut Random, count: usize, volume: u64, auctions: bool) -> Vec<u32> {
    let [opening, closing] = if auctions { AUCTIONS.map(|part| volume * part / 1000) } else { [0, 0] };
    let between = count.saturating_sub(if auctions { 2 } else { 0 });
    // The mean of the law is tail / (tail - 1) times its least size.
    let largest = (LARGEST * count as f64 * TAIL / (TAIL - 1.0)).max(20.0);
    let drawn: Vec<f64> = (0..between).map(|_| random.pareto(TAIL).min(largest)).collect();
    let scale = (volume - opening - closing) as f64 / drawn.iter().sum::<f64>().max(1.0);
    let least = u64::from(volume >= count as u64);
    let (mut left, mut sizes) = (volume, Vec::with_capacity(count));
    // Each takes what it may, so that something is left for each that follows.
    let mut take = |wanted: u64, following: usize| {
        let most = left - (least * following as u64).min(left);
        let size = wanted.clamp(least.min(most), most).min(u32::MAX.into());
        left -= size;
        size as u32
    };
    if auctions && count > 1 {
        sizes.push(take(opening, count - 1));
    }
    // What rounding has given too much or too little is made up for little by little.
    let mut owed = 0.0;
    for drawn in drawn {
        let following = count - sizes.len() - 1;
        if following == 0 {
            break;
        }
        let exact = drawn * scale;
        let is_round = random.below(100) < ROUND;
        let wanted = if is_round { (exact / 100.0).round().max(1.0) * 100.0 } else { (exact + owed / 16.0).round() };
        let size = take(wanted.max(0.0) as u64, following);
        owed += exact - f64::from(size);
        sizes.push(size);
    }
    if count > sizes.len() {
        sizes.push(take(u64::MAX, 0));
    }
    sizes
}
