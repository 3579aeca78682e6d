use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::Address;
use super::door::{Bringer, Door, Piece};
use crate::error::{Doing as _, Error, Result, say};
use crate::threads;

const CHUNK: usize = 1 << 16;

/// A connection, of whatever kind.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<C: AsyncRead + AsyncWrite + Unpin + Send> Connection for C {}

/// The runtime of one thread's I/O.
///
/// # Errors
/// When the system has no room for it.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().doing(|| "starting the network's I/O")
}

/// Grows from 10 ms to 2 s: the time to wait before trying again.
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub fn new() -> Self {
        Backoff(Duration::from_millis(10))
    }

    /// The next wait.
    pub fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(Duration::from_secs(2));
        wait
    }
}

/// Connects to an address.
///
/// # Errors
/// As the system says.
pub(crate) async fn connect(address: &Address) -> std::io::Result<Box<dyn Connection>> {
    match address {
        Address::Unix { path, .. } => Ok(Box::new(UnixStream::connect(path).await?)),
        Address::Tcp { at, .. } => {
            let stream = TcpStream::connect(at).await?;
            // Where nobody listens, the system may give us the very port that we ask for, and connect us with ourselves.
            if stream.local_addr()? == stream.peer_addr()? {
                return Err(ErrorKind::ConnectionRefused.into());
            }
            stream.set_nodelay(true)?;
            Ok(Box::new(stream))
        }
        _ => Err(std::io::Error::new(ErrorKind::Unsupported, format!("{address} is no socket"))),
    }
}

/// A socket that waits to be connected to.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, std::path::PathBuf),
}

impl Listener {
    /// Listens, and says where. A socket that nobody listens to any more is replaced.
    ///
    /// # Errors
    /// When somebody else listens there, or the system refuses.
    pub async fn open(address: &Address) -> Result<Listener> {
        let doing = || format!("listening on {address}");
        let listener = match address {
            Address::Unix { path, .. } => {
                let listener = bind(path).and_then(|listener| {
                    listener.set_nonblocking(true)?;
                    UnixListener::from_std(listener)
                });
                Listener::Unix(listener.doing(doing)?, path.clone())
            }
            Address::Tcp { at, .. } => Listener::Tcp(TcpListener::bind(at).await.doing(doing)?),
            _ => return Err(Error::Usage(format!("{address} is no socket"))),
        };
        match &listener {
            Listener::Tcp(tcp) => say(&format!("listening on tcp://{}", tcp.local_addr().doing(doing)?)),
            Listener::Unix(_, path) => say(&format!("listening on unix://{}", path.display())),
        }
        Ok(listener)
    }

    /// The next connection, and who it is.
    ///
    /// # Errors
    /// As the system says.
    pub async fn accept(&self) -> std::io::Result<(Box<dyn Connection>, String)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Box::new(stream), format!("tcp://{peer}")))
            }
            Listener::Unix(listener, path) => {
                let (stream, _) = listener.accept().await?;
                Ok((Box::new(stream), format!("unix://{}", path.display())))
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            // What is left of it is replaced by the next one.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Opens a Unix socket, in the place of one at which nobody answers any more.
///
/// # Errors
/// When somebody answers there, something that is no socket has the name, or the system refuses.
pub(crate) fn bind(path: &Path) -> std::io::Result<std::os::unix::net::UnixListener> {
    // Connecting to a plain file is refused as well, and it is not ours to remove.
    if std::fs::metadata(path).is_ok_and(|found| !found.file_type().is_socket()) {
        let text = "a file of this name is there and is no socket: give another name, or move it away";
        return Err(std::io::Error::new(ErrorKind::AlreadyExists, text));
    }
    let answer = std::os::unix::net::UnixStream::connect(path);
    if answer.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
        std::fs::remove_file(path)?;
    }
    std::os::unix::net::UnixListener::bind(path)
}

/// Brings the connections of an address, each of which is a partition. The input ends when all have ended, unless it
/// is `endless`.
///
/// # Errors
/// When nothing can be opened there.
pub(super) fn bring(address: &Address, endless: bool) -> Result<impl FnOnce(Door) + Send + 'static> {
    let runtime = runtime()?;
    let listener = match address {
        Address::Tcp { listens: true, .. } | Address::Unix { listens: true, .. } => {
            Some(runtime.block_on(Listener::open(address))?)
        }
        _ => None,
    };
    let address = address.clone();
    Ok(move |door: Door| {
        threads::spawn("sockets", move || {
            runtime.block_on(async {
                match listener {
                    Some(listener) => take_in(&listener, door, endless).await,
                    None => go_to(&address, &door, endless).await,
                }
            });
        });
    })
}

/// Connects, and again where that fails, where the connection breaks off, and, if endless, where it ends.
async fn go_to(address: &Address, door: &Door, endless: bool) {
    let (mut backoff, mut is_told, mut times) = (Backoff::new(), false, 0);
    loop {
        let ended = match connect(address).await {
            Ok(stream) => {
                if is_told {
                    say(&format!("connected to {address}"));
                }
                times += 1;
                let name = if times == 1 { address.to_string() } else { format!("{address} ({times})") };
                (backoff, is_told) = (Backoff::new(), false);
                let (_, ended) = read(stream, &door.partition(name, None), door).await;
                match ended {
                    Ok(()) if !endless => return,
                    Ok(()) => "the other side has closed it".to_owned(),
                    Err(error) => error.to_string(),
                }
            }
            Err(error) => error.to_string(),
        };
        if door.is_over() {
            return;
        }
        if !is_told {
            is_told = true;
            say(&format!("waiting for {address}: {ended} (trying again; Ctrl-C ends this)"));
        }
        if !door.sleep(backoff.next()).await {
            return;
        }
    }
}

/// Takes connections in as they come.
async fn take_in(listener: &Listener, door: Door, endless: bool) {
    let (open, door, mut count, mut is_told) = (Arc::new(AtomicUsize::new(0)), Arc::new(door), 0u64, false);
    // A look whether the port is open is no sender.
    let has_come = Arc::new(AtomicBool::new(false));
    loop {
        let accepted = tokio::time::timeout(Duration::from_millis(20), listener.accept()).await;
        if door.is_over() {
            return;
        }
        match accepted {
            Ok(Ok((stream, name))) => {
                count += 1;
                open.fetch_add(1, Ordering::AcqRel);
                let (open, has_come, door) = (open.clone(), has_come.clone(), door.clone());
                let partition = door.partition(format!("{name} ({count})"), None);
                tokio::spawn(async move {
                    let (brought, ended) = read(stream, &partition, &door).await;
                    has_come.fetch_or(brought, Ordering::AcqRel);
                    if let Err(error) = ended {
                        say(&format!("{name} broke off: {error}"));
                    }
                    open.fetch_sub(1, Ordering::AcqRel);
                });
            }
            // Whoever wanted to connect has gone, or there are too many: the next one may fare better.
            Ok(Err(error)) => {
                if !std::mem::replace(&mut is_told, true) {
                    say(&format!("a connection could not be taken in: {error} (going on with others)"));
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(_) => {
                if has_come.load(Ordering::Acquire) && !endless && open.load(Ordering::Acquire) == 0 {
                    return;
                }
            }
        }
    }
}

/// Brings what comes through a connection, to its end; says whether anything came, and how it ended.
async fn read(mut stream: Box<dyn Connection>, partition: &Bringer, door: &Door) -> (bool, std::io::Result<()>) {
    const CUT: &str = "the connection ended in the middle of this line";
    let (mut bytes, mut has_come) = (Vec::with_capacity(CHUNK), false);
    loop {
        let read = match tokio::time::timeout(Duration::from_millis(100), stream.read_buf(&mut bytes)).await {
            Err(_) if door.is_over() => return (has_come, Ok(())),
            Err(_) => continue,
            Ok(read) => read,
        };
        if !matches!(read, Ok(n) if n > 0) {
            partition.bring(Piece::End(CUT)).await;
            return (has_come, read.map(drop));
        }
        has_come = true;
        let full = std::mem::replace(&mut bytes, Vec::with_capacity(CHUNK));
        if !partition.bring(Piece::Bytes(full)).await {
            return (has_come, Ok(()));
        }
    }
}
