/// A rate that fails is followed by one so many times lower, one that holds by one so many times higher, until both are
/// known.
const STEP: f64 = 1.5;

/// The highest rate that holds is known well enough when the lowest that fails is no more than this share above.
const CLOSE: f64 = 0.02;

/// Searches for the highest rate that holds: it grows by half until one fails, and then halves what is in doubt.
///
/// A single failure may be the machine's, so a rate has failed when it failed twice, and holds when it held once.
#[derive(Clone, Debug)]
pub struct Search {
    next: f64,
    failed_once: bool,
    least: f64,
    most: f64,
    holds: Option<f64>,
    fails: Option<f64>,
}

/// How a search stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// This rate is to be tried.
    Try(f64),
    /// This is the highest rate that holds, within two hundredths.
    Found(f64),
    /// The highest rate there was to try holds.
    AtLeast(f64),
    /// The lowest rate there was to try fails.
    Nothing,
}

impl Search {
    /// A search that begins with a rate, and tries none below `least` or above `most`.
    pub fn new(first: f64, least: f64, most: f64) -> Self {
        Search { next: first.min(most).max(least), failed_once: false, least, most, holds: None, fails: None }
    }

    /// What is to be done next.
    pub fn step(&self) -> Step {
        match (self.holds, self.fails) {
            (Some(holds), Some(fails)) if fails <= holds * (1.0 + CLOSE) => Step::Found(holds),
            (Some(holds), None) if holds >= self.most => Step::AtLeast(holds),
            (None, Some(fails)) if fails <= self.least => Step::Nothing,
            _ => Step::Try(self.next),
        }
    }

    /// The rate that [`Search::step`] named was tried.
    pub fn tell(&mut self, holds: bool) {
        if !holds && !self.failed_once {
            self.failed_once = true;
            return;
        }
        self.failed_once = false;
        let tried = if holds { &mut self.holds } else { &mut self.fails };
        *tried = Some(self.next);
        self.next = match (self.holds, self.fails) {
            (Some(holds), Some(fails)) => (holds + fails) / 2.0,
            (Some(holds), None) => (holds * STEP).min(self.most),
            (None, Some(fails)) => (fails / STEP).max(self.least),
            (None, None) => self.next,
        };
    }

    /// The lowest rate that failed, if one did.
    pub fn fails(&self) -> Option<f64> {
        self.fails
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches where all rates up to `capacity` hold. Returns the end and the rates that were tried.
    fn search(mut search: Search, mut holds: impl FnMut(f64) -> bool) -> (Step, Vec<f64>) {
        let mut tried = Vec::new();
        loop {
            match search.step() {
                Step::Try(rate) => {
                    tried.push(rate);
                    assert!(tried.len() < 100, "it does not end: {tried:?}");
                    search.tell(holds(rate));
                }
                end => return (end, tried),
            }
        }
    }

    #[test]
    fn it_grows_by_half_and_then_halves_what_is_in_doubt() {
        let (end, tried) = search(Search::new(100.0, 1.0, 1e9), |rate| rate <= 230.0);
        let expected = [100.0, 150.0, 225.0, 337.5, 337.5, 281.25, 281.25, 253.125, 253.125, 239.0625, 239.0625];
        assert_eq!(tried[..11], expected);
        // 225 holds, and 228.5 and more fail.
        assert_eq!(tried[11..], [232.03125, 232.03125, 228.515625]);
        assert_eq!(end, Step::Found(228.515625));
    }

    #[test]
    fn what_is_found_holds_and_is_within_two_hundredths_of_what_fails() {
        for capacity in [1.5, 99.0, 100.0, 12_345.6, 7.7e6] {
            let (end, _) = search(Search::new(1_000.0, 1.0, 1e9), |rate| rate <= capacity);
            let Step::Found(rate) = end else { panic!("{capacity}: {end:?}") };
            assert!(rate <= capacity && capacity < rate * 1.02, "{rate} for {capacity}");
        }
    }

    #[test]
    fn a_failure_that_does_not_repeat_is_the_machines() {
        let mut failures = 0;
        let (end, tried) = search(Search::new(100.0, 1.0, 1e9), |rate| {
            failures += usize::from(rate == 150.0);
            rate <= 230.0 && (rate != 150.0 || failures > 1)
        });
        assert_eq!((end, &tried[..4]), (Step::Found(228.515625), &[100.0, 150.0, 150.0, 225.0][..]));
    }

    #[test]
    fn it_ends_at_its_bounds() {
        assert_eq!(
            search(Search::new(100.0, 50.0, 1e9), |_| false),
            (Step::Nothing, vec![100.0, 100.0, 100.0 / 1.5, 100.0 / 1.5, 50.0, 50.0])
        );
        assert_eq!(search(Search::new(100.0, 1.0, 200.0), |_| true), (Step::AtLeast(200.0), vec![100.0, 150.0, 200.0]));
        assert_eq!(search(Search::new(500.0, 1.0, 200.0), |_| true), (Step::AtLeast(200.0), vec![200.0]));
    }
}
