//! `[market]`: the made-up tape.

use serde::Deserialize;

use crate::config::{Count, Layers, Rate, Span};
use crate::market::Market;

#[derive(Deserialize)]
pub(super) struct MarketSection {
    seed: Count,
    symbols: Count,
    pub rate: Rate,
    length: Span,
}

impl MarketSection {
    /// The market that was asked for.
    pub fn market(&self, layers: &mut Layers) -> Market {
        let ticks = self.rate.0 * self.length.0.as_secs_f64();
        // A tick takes 64 bytes in memory, and as much again while the tape is made.
        if ticks > 200e6 {
            let help = format!("{ticks:.0} ticks are too many to hold: lower market.rate or market.length");
            layers.problem("market.length", "a tape that does not fit into memory", &help);
        }
        if !(1..=1_000_000).contains(&self.symbols.0) {
            layers.problem("market.symbols", "not a number of symbols", "write a number from 1 to 1000000");
        }
        Market {
            seed: self.seed.0,
            symbols: self.symbols.0.clamp(1, 1_000_000) as u32,
            per_second: self.rate.0,
            ticks: ticks.min(200e6) as u64,
        }
    }
}
