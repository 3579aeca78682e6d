use std::io::{BufReader, ErrorKind};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::children::Child;
use super::entrance::Entrance;
use super::hello::{Hello, Use};
use super::wait::{PATIENCE, Wait};
use super::{Cluster, Link, Place, Sockets, names, wire};
use crate::error::{Doing as _, Error, Result, say};
use crate::tick::Names;
use crate::time::Clock;

const INTERRUPTED: Error = Error::Interrupted("while it waited for the other processes");

/// Nothing is longer on its way between two processes that have met.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(5);

/// What the first process answers to a link.
#[derive(Serialize, Deserialize)]
enum Answer {
    Refused(String),
    /// Where all processes listen, and when the run's clock shows zero ([`Clock::zero`]).
    Welcome {
        addresses: Vec<String>,
        zero: i64,
    },
}

impl Cluster {
    /// The first process of a run on this machine, which starts the others: this program with `args`, before which come
    /// `follow ADDRESS I`, and with more environment variables.
    ///
    /// # Errors
    /// When one of them cannot be started, or ends before it has come.
    pub fn spawn(
        processes: usize,
        (args, environment): (&[String], &[(String, String)]),
        names: [Arc<Names>; 2],
        settings: &Value,
        stop: &AtomicBool,
    ) -> Result<Cluster> {
        let entrance = Entrance::open("127.0.0.1:0")?;
        let address = entrance.address()?.to_string();
        let start = |process: usize| {
            let number = process.to_string();
            let first = ["follow", &address, &number].map(str::to_owned);
            Child::start(&[&first, args].concat(), environment)
        };
        let children = (1..processes).map(start).collect::<Result<Vec<_>>>()?;
        meet(&entrance, &vec![String::new(); processes], children, names, settings, stop)
    }

    /// The first process of a run whose processes listen at these addresses, and are started by somebody else.
    ///
    /// # Errors
    /// When it cannot listen, or one of them does not come.
    pub fn lead(hosts: &[String], names: [Arc<Names>; 2], settings: &Value, stop: &AtomicBool) -> Result<Cluster> {
        meet(&Entrance::open(&hosts[0])?, hosts, Vec::new(), names, settings, stop)
    }

    /// Another process of a run whose first one listens at `first`; it listens itself at `own`.
    ///
    /// # Errors
    /// When it cannot listen, the first one does not answer, or turns it away.
    pub fn join(place: Place, first: &str, own: &str, settings: Value, stop: &AtomicBool) -> Result<Cluster> {
        let entrance = Entrance::open(own)?;
        let doing = || format!("joining the run of {first}");
        let mut link = connect(first, stop)?;
        let port = entrance.address()?.port();
        wire::write(&mut link, &Hello { port, settings, ..Hello::new(place, Use::Link) }).doing(doing)?;
        if !is_answered(&link, stop).doing(doing)? {
            return Err(INTERRUPTED);
        }
        let (addresses, zero) = match wire::read(&mut link).doing(doing)? {
            Answer::Welcome { addresses, zero } => (addresses, zero),
            Answer::Refused(why) => {
                return Err(Error::Usage(format!("process {} cannot join: {why}", place.process)));
            }
        };
        let clock = Clock::since(zero);
        let open = |address: &str, is_for| -> Result<TcpStream> {
            let mut stream = connect(address, stop)?;
            wire::write(&mut stream, &Hello::new(place, is_for)).doing(doing)?;
            Ok(stream)
        };
        let [symbols, venues] = names::copies(open(first, Use::Names)?).doing(doing)?;
        let mut sockets = Pairs::new(place.processes);
        for is_for in [Use::Ticks, Use::Data] {
            for (process, address) in addresses.iter().enumerate().take(place.process) {
                sockets.put(open(if process == 0 { first } else { address }, is_for)?, is_for, process);
            }
        }
        let wait = Wait::begin();
        while sockets.lacks(place.process + 1).is_some() {
            if let Some((stream, hello)) = entrance.next()? {
                sockets.put(stream, hello.is_for, hello.process);
            } else if stop.load(Ordering::Relaxed) {
                return Err(INTERRUPTED);
            } else if wait.is_over() {
                return Err(Error::Input(format!("{}: not all processes have connected to it", doing())));
            }
        }
        let (links, children) = (vec![Link::new(link).doing(doing)?], Mutex::default());
        let Pairs { ticks, data } = sockets;
        let (ticks, data) = (Mutex::new(ticks), Mutex::new(data));
        Ok(Cluster { place, clock, symbols, venues, links, ticks, data, children })
    }
}

/// The connections that every two processes have, by the number of the other one.
struct Pairs {
    ticks: Sockets,
    data: Sockets,
}

impl Pairs {
    fn new(processes: usize) -> Pairs {
        let none = || (0..processes).map(|_| None).collect();
        Pairs { ticks: none(), data: none() }
    }

    fn put(&mut self, stream: TcpStream, is_for: Use, process: usize) {
        let sockets = match is_for {
            Use::Ticks => &mut self.ticks,
            Use::Data => &mut self.data,
            Use::Link | Use::Names => return,
        };
        if let Some(slot) = sockets.get_mut(process) {
            *slot = Some(stream);
        }
    }

    /// The first process, from this one on, that has not opened all of its own.
    fn lacks(&self, from: usize) -> Option<usize> {
        (from..self.data.len()).find(|at| self.ticks[*at].is_none() || self.data[*at].is_none())
    }
}

impl Link {
    fn new(stream: TcpStream) -> std::io::Result<Link> {
        let incoming = Mutex::new(Some(BufReader::new(stream.try_clone()?)));
        Ok(Link { out: Mutex::new(stream), incoming })
    }
}

/// Waits until all processes have come, and lets them begin together.
fn meet(
    entrance: &Entrance,
    hosts: &[String],
    mut children: Vec<Child>,
    tables: [Arc<Names>; 2],
    settings: &Value,
    stop: &AtomicBool,
) -> Result<Cluster> {
    let place = Place { process: 0, processes: hosts.len() };
    let (clock, mut wait, mut came) = (Clock::wall(), Wait::begin(), Instant::now());
    let mut links: Sockets = (0..place.processes).map(|_| None).collect();
    let (mut sockets, mut asking) = (Pairs::new(place.processes), 0);
    let (mut addresses, mut turned_away, mut is_welcome) = (hosts.to_vec(), String::new(), false);
    while links[1..].iter().any(Option::is_none) || sockets.lacks(1).is_some() || asking < place.processes - 1 {
        let next = entrance.next()?;
        if next.is_some() {
            came = Instant::now();
        }
        match next {
            Some((mut stream, hello)) if hello.is_for == Use::Link => {
                let is_there = |link: &&TcpStream| is_welcome || !is_gone(link);
                let there = || links[hello.process].as_ref().filter(is_there);
                let twice = || there().map(|_| format!("process {} is there already", hello.process));
                if let Some(why) = hello.objection(place, settings).or_else(twice) {
                    say(&format!("a process was turned away: {why}"));
                    turned_away = format!("; one was turned away: {why}");
                    let _ = wire::write(&mut stream, &Answer::Refused(why));
                    continue;
                }
                if hosts[hello.process].is_empty() {
                    addresses[hello.process] = format!("127.0.0.1:{}", hello.port);
                }
                links[hello.process] = Some(stream);
                // Another one may come in the place of one that has ended.
                links.iter_mut().for_each(|link| _ = link.take_if(|link| !is_welcome && is_gone(link)));
                if links[1..].iter().all(Option::is_some) {
                    let welcome = Answer::Welcome { addresses: addresses.clone(), zero: clock.zero() };
                    // One that is gone already is missed below.
                    links.iter_mut().flatten().for_each(|link| _ = wire::write(link, &welcome));
                    is_welcome = true;
                }
            }
            Some((stream, hello)) if hello.is_for == Use::Names => {
                names::answer(tables.clone(), stream).doing(|| "answering another process")?;
                asking += 1;
            }
            Some((stream, hello)) => sockets.put(stream, hello.is_for, hello.process),
            None => {
                if let Some(at) = children.iter_mut().position(Child::is_gone) {
                    let fate = children[at].fate();
                    return Err(Error::Input(format!("process {} ended before the run began{fate}", at + 1)));
                }
                if stop.load(Ordering::Relaxed) {
                    return Err(INTERRUPTED);
                }
                // What one that has ended had sent may be on its way yet.
                let is_missed = |link: &Option<TcpStream>| link.as_ref().is_some_and(is_gone);
                if is_welcome
                    && came.elapsed() > ON_ITS_WAY
                    && let Some(gone) = links.iter().position(is_missed)
                {
                    return Err(Error::Input(format!("process {gone} ended before the run began; start all anew")));
                }
                let missing = sockets.lacks(1).unwrap_or(1);
                let host = &hosts[missing];
                // Those that this one has started itself come at once, or have ended.
                if !host.is_empty() {
                    wait.tell(&format!("process {missing} ({host})"));
                }
                if wait.is_over() {
                    let patience = PATIENCE.as_secs();
                    return Err(Error::Input(format!(
                        "process {missing} ({host}) has not come within {patience} s{turned_away}. Start it with the same \
                         settings and --process {missing}, and check that it reaches {}",
                        hosts[0]
                    )));
                }
            }
        }
    }
    let links = links.into_iter().flatten().map(Link::new).collect::<std::io::Result<_>>();
    let links = links.doing(|| "setting up the connections to the other processes")?;
    let [symbols, venues] = tables;
    let Pairs { ticks, data } = sockets;
    let (ticks, data, children) = (Mutex::new(ticks), Mutex::new(data), Mutex::new(children));
    Ok(Cluster { place, clock, symbols, venues, links, ticks, data, children })
}

/// Connects to another process, which may not be there yet.
fn connect(address: &str, stop: &AtomicBool) -> Result<TcpStream> {
    use ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut};
    let mut wait = Wait::begin();
    let connected = loop {
        match TcpStream::connect(address).and_then(not_ourselves) {
            Err(e)
                if [ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut]
                    .contains(&e.kind())
                    && !wait.is_over()
                    && !stop.load(Ordering::Relaxed) =>
            {
                wait.tell(&format!("another process of the run at {address}"));
                std::thread::sleep(PAUSE * 10);
            }
            Err(_) if stop.load(Ordering::Relaxed) => return Err(INTERRUPTED),
            other => break other,
        }
    };
    connected.and_then(|stream| stream.set_nodelay(true).map(|()| stream)).doing(|| {
        format!("connecting to another process of the run at {address}; is it started, and is that its address")
    })
}

/// Waits until the first process answers, which it does when all have come; false if it was interrupted before.
fn is_answered(link: &TcpStream, stop: &AtomicBool) -> std::io::Result<bool> {
    link.set_read_timeout(Some(PAUSE * 10))?;
    loop {
        match link.peek(&mut [0]) {
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {
                if stop.load(Ordering::Relaxed) {
                    return Ok(false);
                }
            }
            answered => return answered.and_then(|_| link.set_read_timeout(None)).map(|()| true),
        }
    }
}

/// Whether a process has ended that waits for our answer, and says nothing until then.
fn is_gone(link: &TcpStream) -> bool {
    let looked = link.set_nonblocking(true).and_then(|()| link.peek(&mut [0]));
    let is_open = link.set_nonblocking(false).is_ok()
        && looked.as_ref().map_or_else(|e| e.kind() == ErrorKind::WouldBlock, |bytes| *bytes > 0);
    !is_open
}

/// Where nobody listens yet, the system may happen to give us the port itself that we ask for, and connects us with
/// ourselves.
fn not_ourselves(stream: TcpStream) -> std::io::Result<TcpStream> {
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}
