use super::Sink;
use crate::error::Result;
use crate::row::{Row, Texts};

/// Keeps nothing; rows are counted and digested all the same.
pub struct Discard;

impl<R: Row> Sink<R> for Discard {
    fn change(&mut self, _row: &R, _texts: &Texts, _diff: isize) -> Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
