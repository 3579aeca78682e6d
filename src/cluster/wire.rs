use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Lines of JSON that another process tells.
pub struct Lines(pub(super) BufReader<TcpStream>);

impl Lines {
    /// The next one; none when the connection has ended, however it did, or is not understood.
    pub fn read<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut line = String::new();
        self.0.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }
}

/// Writes a line of JSON.
pub fn write(to: &mut impl Write, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// The longest greeting: a pipeline's settings are a few kilobytes.
const LONGEST: usize = 1 << 20;

/// Reads a line of JSON and not a byte behind it, for what follows may not be JSON.
pub fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while line.len() < LONGEST {
        from.read_exact(&mut byte)?;
        if byte == *b"\n" {
            return Ok(serde_json::from_slice(&line)?);
        }
        line.extend(byte);
    }
    Err(io::ErrorKind::InvalidData.into())
}
