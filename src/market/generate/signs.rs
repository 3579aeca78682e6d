use crate::random::Random;

/// Large orders that are worked at the same time.
const WORKED: usize = 6;

/// The tail of their lengths in trades. Trades of one order follow each other on the same side, so signs remember:
/// their correlation falls off with the power of 1 less the tail (Lillo and Farmer, arXiv:cond-mat/0311053).
const TAIL: f64 = 1.6;

/// The longest order in trades.
const LONGEST: f64 = 10_000.0;

/// Who wanted each trade: a buyer or a seller.
pub(super) struct Signs([(u32, bool); WORKED]);

impl Signs {
    /// A market in which some orders are being worked.
    pub fn new(random: &mut Random) -> Self {
        Signs(std::array::from_fn(|_| order(random)))
    }

    /// Whether the next trade is a buyer's.
    pub fn next_is_buy(&mut self, random: &mut Random) -> bool {
        let worked = &mut self.0[random.below(WORKED as u64) as usize];
        if worked.0 == 0 {
            *worked = order(random);
        }
        worked.0 -= 1;
        worked.1
    }
}

fn order(random: &mut Random) -> (u32, bool) {
    (random.pareto(TAIL).min(LONGEST) as u32, random.below(2) == 0)
}
