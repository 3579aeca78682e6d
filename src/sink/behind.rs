use std::io::{self, Write};
use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

/// So many bytes are written at once.
const PART_BYTES: usize = 1 << 18;

/// So many parts may wait to be written.
const WAITING: usize = 4;

/// Writes what `make` gives it to `out`, in a thread of its own, so that making and writing go on side by side.
///
/// # Errors
/// When it cannot be written; `make` is told so at one of its next writes.
pub fn write_behind<T>(out: impl Write + Send, make: impl FnOnce(&mut Behind) -> T) -> (T, io::Result<()>) {
    let ((to, parts), (give_back, back)) = (sync_channel(WAITING), channel());
    thread::scope(|scope| {
        let writer = scope.spawn(move || write_all(out, parts, |part| _ = give_back.send(part)));
        let mut behind = Behind { part: Vec::with_capacity(PART_BYTES), to, back };
        let made = make(&mut behind);
        // Who writes has ended only where it failed, which it says itself.
        let _ = behind.flush();
        drop(behind);
        let written = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (made, written)
    })
}

fn write_all(mut out: impl Write, parts: Receiver<Vec<u8>>, give_back: impl Fn(Vec<u8>)) -> io::Result<()> {
    for mut part in parts {
        out.write_all(&part)?;
        part.clear();
        give_back(part);
    }
    out.flush()
}

/// Where bytes are given to the thread that writes them.
pub struct Behind {
    part: Vec<u8>,
    to: SyncSender<Vec<u8>>,
    back: Receiver<Vec<u8>>,
}

impl Write for Behind {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.part.len() + bytes.len() > PART_BYTES {
            self.flush()?;
        }
        self.part.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Hands over what there is.
    fn flush(&mut self) -> io::Result<()> {
        let empty = self.back.try_recv().unwrap_or_else(|_| Vec::with_capacity(PART_BYTES));
        self.to.send(mem::replace(&mut self.part, empty)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, and no more.
    struct Small(Vec<u8>, usize);

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.len() + bytes.len() > self.1 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_is_written_in_order_and_whoever_makes_more_than_there_is_room_for_is_stopped() {
        let line = |i: usize| format!("{i} {}\n", "-".repeat(i % 90));
        let make = |behind: &mut Behind| (0..100_000).try_for_each(|i| behind.write_all(line(i).as_bytes()));
        let mut all = Small(Vec::new(), usize::MAX);
        let (made, written) = write_behind(&mut all, make);
        assert!(made.is_ok() && written.is_ok());
        assert_eq!(String::from_utf8(all.0).unwrap(), (0..100_000).map(line).collect::<String>());

        let (made, written) = write_behind(Small(Vec::new(), PART_BYTES), make);
        assert_eq!(made.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::StorageFull);
        // Even the last of it is heard of.
        let (_, written) = write_behind(Small(Vec::new(), 1), |behind| behind.write_all(b"ab"));
        assert!(written.is_err());
    }
}
