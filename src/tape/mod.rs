//! What a recorded or generated tape is.

pub mod course;
