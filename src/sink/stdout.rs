use std::io::{self, Write};

use super::Sink;
use crate::error::{Doing as _, Error, Result};
use crate::row::{Encoding, Row, Texts};

/// Standard output, live: a row is printed when its window closes, and printed again when it is amended, so the
/// last line about a window holds.
pub struct Stdout {
    encoding: Encoding,
    columns: Vec<&'static str>,
    buffer: Vec<u8>,
}

impl Stdout {
    /// One worker's end; the worker that is told to prints the header.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn new<R: Row>(encoding: Encoding, header: bool) -> Result<Self> {
        let columns = R::columns();
        let buffer = if header { encoding.header(&columns).into_bytes() } else { Vec::new() };
        let mut stdout = Stdout { encoding, columns, buffer };
        stdout.print()?;
        Ok(stdout)
    }

    fn print(&mut self) -> Result<()> {
        let mut out = io::stdout().lock();
        let printed = out.write_all(&self.buffer).and_then(|()| out.flush());
        self.buffer.clear();
        match printed {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(Error::ClosedPipe),
            other => other.doing(|| "writing to standard output"),
        }
    }
}

impl<R: Row> Sink<R> for Stdout {
    fn change(&mut self, row: &R, texts: &Texts, diff: isize) -> Result<()> {
        if diff > 0 {
            self.encoding.write(row, texts, &self.columns, &mut self.buffer);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.print()
    }
}
