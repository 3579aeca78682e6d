//! Where the other processes reach this one.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::hello::Hello;
use super::wire;
use crate::error::{Doing as _, Result};
use crate::threads;

/// Whoever connects and says nothing is sent away after so long.
const GREETS_WITHIN: Duration = Duration::from_secs(5);

/// Between two looks for somebody who connects.
const PAUSE: Duration = Duration::from_millis(5);

/// Where the other processes reach this one.
pub struct Entrance {
    listener: TcpListener,
    /// Those that have greeted. Each is listened to in a thread of its own, so that one that is silent holds up nobody.
    greeted: Receiver<(TcpStream, Hello)>,
    greets: Sender<(TcpStream, Hello)>,
}

impl Entrance {
    pub fn open(address: &str) -> Result<Entrance> {
        let listener = TcpListener::bind(address).and_then(|it| it.set_nonblocking(true).map(|()| it));
        let listener =
            listener.doing(|| format!("listening at {address}, where the other processes are to reach this one"))?;
        let (greets, greeted) = channel();
        Ok(Entrance { listener, greeted, greets })
    }

    pub fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr().doing(|| "asking where this process listens")
    }

    /// The next connection of one of ours, if there is one; waits a little where there is none.
    pub fn next(&self) -> Result<Option<(TcpStream, Hello)>> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                let greets = self.greets.clone();
                // Whoever says something else is not one of us, and nobody may be there any more to hear it.
                threads::spawn("greeting", move || greeting(stream).map(|greeting| _ = greets.send(greeting)));
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(e) => return Err(e).doing(|| "waiting for the other processes"),
        }
        Ok(self.greeted.recv_timeout(PAUSE).ok())
    }
}

fn greeting(mut stream: TcpStream) -> std::io::Result<(TcpStream, Hello)> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(GREETS_WITHIN))?;
    let hello = wire::read(&mut stream)?;
    stream.set_read_timeout(None)?;
    Ok((stream, hello))
}
