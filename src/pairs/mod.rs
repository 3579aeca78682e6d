//! Pairs of symbols: their values side by side on one grid of windows, and the exact moments of each pair.

mod best;
mod grid;
mod matrix;
mod moments;
mod pair;
mod reports;

pub use best::{Best, Report};
pub use grid::{Grid, Measure, NONE};
pub use matrix::Matrix;
pub use moments::{Centre, Moments, Relation, Sums};
pub use pair::{Correlation, Pair, Told};
pub use reports::{Reports, Touched};
