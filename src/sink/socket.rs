use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;

use super::courier::{Courier, Parcel};
use crate::error::{Error, Result, say};
use crate::row::Texts;
use crate::source::{Address, Backoff, Connection, Listener, connect, runtime};

/// Between two looks whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// So many looks make two seconds, after which whoever stops us is heard though not all was taken.
const PATIENCE: u32 = 100;

/// A connection to whoever reads. When it breaks, it is opened again, and what was being sent is sent again from the
/// beginning of its parcel; what was on the way then may be lost, so the run does not end well.
pub(super) struct Wire {
    address: Address,
    header: Vec<u8>,
    is_stopped: Box<dyn Fn() -> bool + Send>,
    runtime: Runtime,
    listener: Option<Listener>,
    stream: Option<Box<dyn Connection>>,
    breaks: u64,
}

impl Wire {
    /// Opens the connection, and waits until somebody is at its other end.
    pub fn open(address: Address, header: &str, is_stopped: Box<dyn Fn() -> bool + Send>) -> Result<Wire> {
        let runtime = runtime()?;
        let listener = match &address {
            Address::Tcp { listens: true, .. } | Address::Unix { listens: true, .. } => {
                Some(runtime.block_on(Listener::open(&address))?)
            }
            _ => None,
        };
        let header = header.as_bytes().to_vec();
        let mut wire = Wire { address, header, is_stopped, runtime, listener, stream: None, breaks: 0 };
        wire.connect()?;
        Ok(wire)
    }

    /// Sees to it that there is a connection, and that its header is sent.
    fn connect(&mut self) -> Result<()> {
        let (mut backoff, mut is_told) = (Backoff::new(), false);
        let Wire { address, listener, is_stopped, stream: open, .. } = self;
        while open.is_none() {
            if is_stopped() {
                return Err(Error::Input(format!("sending to {address}: nobody reads there")));
            }
            let connected = self.runtime.block_on(async {
                match listener {
                    Some(listener) => match tokio::time::timeout(LOOK_EVERY, listener.accept()).await {
                        Ok(accepted) => accepted.map(|(stream, _)| Some(stream)),
                        Err(_) => Ok(None),
                    },
                    None => connect(address).await.map(Some),
                }
            });
            let greeted = connected.and_then(|stream| {
                let Some(mut stream) = stream else { return Ok(None) };
                self.runtime.block_on(stream.write_all(&self.header)).map(|()| Some(stream))
            });
            match greeted {
                Ok(Some(stream)) => {
                    if is_told {
                        say(&format!("connected to {address}"));
                    }
                    *open = Some(stream);
                }
                Ok(None) => {}
                Err(error) => {
                    if !std::mem::replace(&mut is_told, true) {
                        say(&format!("waiting for {address}: {error} (trying again; Ctrl-C ends this)"));
                    }
                    self.runtime.block_on(async { tokio::time::sleep(backoff.next()).await });
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        self.runtime.block_on(async {
            let (mut rest, mut waited) = (bytes, 0);
            while !rest.is_empty() {
                match tokio::time::timeout(LOOK_EVERY, stream.write(rest)).await {
                    Ok(written) => (rest, waited) = (&rest[written?..], 0),
                    // Whoever stops us while nobody reads does not want to wait for long.
                    Err(_) if waited >= PATIENCE && (self.is_stopped)() => {
                        return Err(std::io::ErrorKind::TimedOut.into());
                    }
                    Err(_) => waited += 1,
                }
            }
            Ok(())
        })
    }
}

impl Courier for Wire {
    fn send(&mut self, parcel: &Parcel, _texts: &Texts) -> Result<()> {
        while let Err(error) = self.write(&parcel.bytes) {
            self.breaks += 1;
            self.stream = None;
            say(&format!("{} broke off: {error}; waiting for it to come back", self.address));
            self.connect()?;
        }
        Ok(())
    }

    /// The other side closes when it has read all: a side that ends before that resets the connection.
    fn finish(&mut self) -> Result<()> {
        let (address, is_stopped) = (&self.address, &self.is_stopped);
        let Some(mut stream) = self.stream.take() else { return Ok(()) };
        let ended = self.runtime.block_on(async {
            stream.shutdown().await?;
            let (mut waited, mut ignored) = (0, [0; 4096]);
            loop {
                match tokio::time::timeout(LOOK_EVERY, stream.read(&mut ignored)).await {
                    Ok(Ok(0)) => return Ok(()),
                    Ok(read) => _ = read?,
                    Err(_) if waited >= PATIENCE && is_stopped() => return Err(std::io::ErrorKind::TimedOut.into()),
                    Err(_) => {
                        waited += 1;
                        if waited == PATIENCE {
                            say(&format!("all is sent: waiting until {address} has read it (Ctrl-C ends this)"));
                        }
                    }
                }
            }
        });
        let ended: std::io::Result<()> = ended;
        match (ended, self.breaks) {
            (Ok(()), 0) => Ok(()),
            (Ok(()), breaks) => Err(Error::Input(format!(
                "sending to {address}: the connection broke off ({breaks} x), and what was on its way then may be \
                 lost"
            ))),
            (Err(error), _) => {
                Err(Error::Input(format!("sending to {address}: the other side has gone before it read all: {error}")))
            }
        }
    }
}
