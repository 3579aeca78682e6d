//! What is kept of a symbol's prints within the horizon, so that a cancel, a correction or a late print can
//! still change the windows that it touches.

mod chunks;
mod log;
mod packed;
mod story;

pub use log::PrintLog;
pub use story::{Change, Stories, Story, StoryKey, Word};
