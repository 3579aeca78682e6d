//! What a recorded day is: its formats, the order of its ticks, and its schedule.

mod conditions;
mod controls;
pub mod convert;
mod faults;
pub(crate) mod folder;
pub mod format;
mod halts;
pub mod inspect;
mod leaf;
mod merge;
mod pace;
mod rejects;
mod sequence;

pub use conditions::{Conditions, Table, Unknown};
pub use controls::{Controls, Silences};
pub use faults::{Faults, Part, Strikes, Struck};
pub use folder::{is_unfinished, make_folder};
pub use halts::Silence;
pub use leaf::{Leaf, PartitionRules, Placed};
pub use merge::{Due, Merge, Positions, Ready};
pub use pace::{Burst, Gaps, Pace, Timetable};
pub use rejects::{DeadLetters, Reject, Rejects};
pub use sequence::Sequence;
