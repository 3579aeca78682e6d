//! The dataflow: timely operators over ticks, whose results are differential collections. One operator, one file.

mod agenda;
mod bursts;
mod by_time;
mod check_feed;
mod context;
mod correlate;
mod fill;
mod match_quotes;
mod last_quotes;
mod latest;
mod movers;
mod places;
mod reference;
mod settling;
mod standings;
mod window_aggregate;
mod write_to;

pub use bursts::{Burst, bursts};
pub use context::{Context, Counters, Failure, Ticks, stamp_of, watermark_of};
pub use correlate::correlate;
pub use fill::filled;
pub use latest::{Every, Latest, Today};
pub use movers::{Mover, Ranking, movers};
pub use places::{By, Places};
pub use reference::{Reference, labels};
pub use standings::{Boards, Standing, standings};
pub use window_aggregate::{Summary, WindowKind};
pub use write_to::{Written, write_to};

use differential_dataflow::VecCollection;

/// Rows and how they change: a changed row is the old one retracted and the new one inserted. The times are
/// watermarks in milliseconds since the epoch, on which the changes are a function of the tape and of how it is
/// partitioned, and of nothing else.
pub type Changes<'scope, R> = VecCollection<'scope, u64, R, isize>;
