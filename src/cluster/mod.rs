//! Several processes of one run: how they find each other, and what they share before it begins.
//!
//! The first process has the run's clock and its tables of names, writes its rows and tells what it came to. Each of
//! the others has two connections to it, one for names and one for all else that is told; and every two have one for
//! timely, and one for the ticks of partitions that are read by one of them.

mod children;
mod entrance;
mod hello;
mod hosts;
mod meet;
mod names;
mod wait;
mod wire;

use std::io::{BufReader, ErrorKind};
use std::net::{Shutdown, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;

use crate::error::lock;
use crate::tick::Names;
use crate::time::Clock;
use children::Child;

pub use hello::TAPE;
pub use hosts::hosts;
pub use wire::Lines;

/// Which of a run's processes this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number, from zero on.
    pub process: usize,
    /// How many there are.
    pub processes: usize,
}

impl Place {
    /// The only one.
    pub const ALONE: Place = Place { process: 0, processes: 1 };

    /// Whether it is the one that writes the rows and tells what the run came to.
    pub fn is_first(self) -> bool {
        self.process == 0
    }

    /// How many workers there are where each process has so many.
    pub fn all(self, each: usize) -> usize {
        self.processes * each
    }

    /// The process of one of them; workers are counted on from the last one to the first.
    pub fn of(self, worker: usize, each: usize) -> usize {
        worker % self.all(each) / each
    }

    /// Which of them are this process's.
    pub fn mine(self, each: usize) -> Range<usize> {
        self.process * each..(self.process + 1) * each
    }
}

/// The processes of a run as one of them sees them.
pub struct Cluster {
    /// Which one it is.
    pub place: Place,
    /// The run's clock.
    pub clock: Clock,
    /// The run's symbols.
    pub symbols: Arc<Names>,
    /// The run's venues.
    pub venues: Arc<Names>,
    /// Of the first process, a link to each of the others, in their order; of another one, that to the first.
    links: Vec<Link>,
    /// For sources and for timely: a connection to each other process.
    ticks: Mutex<Sockets>,
    data: Mutex<Sockets>,
    children: Mutex<Vec<Child>>,
}

/// Connections to the other processes by their numbers.
type Sockets = Vec<Option<TcpStream>>;

/// A connection on which something is told, as lines of JSON.
struct Link {
    out: Mutex<TcpStream>,
    incoming: Mutex<Option<BufReader<TcpStream>>>,
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster::alone(Default::default())
    }
}

impl Cluster {
    /// A single process, with these tables of symbols and venues.
    pub fn alone([symbols, venues]: [Arc<Names>; 2]) -> Self {
        let (place, clock) = (Place::ALONE, Clock::wall());
        let (links, ticks, data, children) = Default::default();
        Cluster { place, clock, symbols, venues, links, ticks, data, children }
    }

    /// Whoever takes nothing of what it is told for so long is given up; with `None` it is waited for.
    pub fn gives_up_after(&self, span: Option<Duration>) {
        // Only a span of nothing is refused, and then it is waited for.
        self.links.iter().for_each(|link| _ = lock(&link.out).set_write_timeout(span));
    }

    /// Tells something over the link of this number. Whoever is gone is noticed by its end of the other direction.
    pub fn tell(&self, link: usize, what: &impl Serialize) {
        let mut out = lock(&self.links[link].out);
        let told = wire::write(&mut *out, what);
        // What was told in part cannot be gone on with. The other direction ends with it, for whoever listens there.
        if told.is_err_and(|e| matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)) {
            let _ = out.shutdown(Shutdown::Both);
        }
    }

    /// The other direction of each link, to be read in threads of their own; they are given away once.
    pub fn listen(&self) -> Vec<Lines> {
        self.links.iter().filter_map(|link| lock(&link.incoming).take().map(Lines)).collect()
    }

    /// Says that nothing more is told.
    pub fn end(&self) {
        for link in &self.links {
            let _ = lock(&link.out).shutdown(Shutdown::Write);
        }
    }

    /// The connections for ticks between sources, by the other processes' numbers, which are given away once; none of a
    /// single process.
    pub fn take_ticks(&self) -> Vec<Option<TcpStream>> {
        std::mem::take(&mut lock(&self.ticks))
    }

    /// The connections for timely, which are given away once; none of a single process.
    pub fn take_data(&self) -> Vec<Option<TcpStream>> {
        std::mem::take(&mut lock(&self.data))
    }

    /// Ends a process that this one has started, and that does not end itself.
    pub fn kill(&self, process: usize) {
        lock(&self.children).get_mut(process.wrapping_sub(1)).into_iter().for_each(Child::kill);
    }

    /// What became of a process that is gone, in words.
    pub fn fate(&self, process: usize) -> String {
        let fate = lock(&self.children).get_mut(process.wrapping_sub(1)).map(Child::fate);
        fate.unwrap_or_else(|| "; what it said there tells why".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn who_takes_nothing_of_what_it_is_told_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let out = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _other = listener.accept().unwrap();
        let incoming = Mutex::new(Some(BufReader::new(out.try_clone().unwrap())));
        let links = vec![Link { out: Mutex::new(out), incoming }];
        let cluster = Cluster { links, ..Cluster::default() };
        cluster.gives_up_after(Some(Duration::from_millis(20)));
        // Far more than the system keeps for whoever does not read.
        cluster.tell(0, &"x".repeat(100 << 20));
        assert!(cluster.listen()[0].read::<String>().is_none());
    }
}
