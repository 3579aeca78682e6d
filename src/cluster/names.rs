use std::fmt;
use std::io::BufReader;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use super::wire::{self, Lines};
use crate::error::{lock, say};
use crate::threads;
use crate::tick::{Names, Original};

/// Which table is asked, how many of its names are known, and a name that is to have an id.
type Question = (usize, usize, Option<String>);

/// Answers another process's questions until it ends.
pub fn answer(tables: [Arc<Names>; 2], mut stream: TcpStream) -> std::io::Result<()> {
    let mut lines = Lines(BufReader::new(stream.try_clone()?));
    threads::spawn("names", move || {
        while let Some((table, known, name)) = lines.read::<Question>()
            && let Some(names) = tables.get(table)
        {
            name.iter().for_each(|name| _ = names.intern(name));
            let answer: Vec<String> = names.since(known).iter().map(ToString::to_string).collect();
            if wire::write(&mut stream, &answer).is_err() {
                break;
            }
        }
    });
    Ok(())
}

/// Copies of the tables of symbols and venues behind a connection.
pub fn copies(stream: TcpStream) -> std::io::Result<[Arc<Names>; 2]> {
    let lines = Lines(BufReader::new(stream.try_clone()?));
    let connection = Arc::new(Mutex::new((stream, lines)));
    let copy = |table| Arc::new(Names::copy_of(Box::new(Asked { table, connection: connection.clone() })));
    Ok([copy(0), copy(1)])
}

struct Asked {
    table: usize,
    connection: Arc<Mutex<(TcpStream, Lines)>>,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {} of process 0", self.table)
    }
}

impl Original for Asked {
    fn ask(&self, known: usize, name: Option<&str>) -> Vec<String> {
        let mut connection = lock(&self.connection);
        let (stream, lines) = &mut *connection;
        let asked = wire::write(stream, &(self.table, known, name));
        asked.ok().and_then(|()| lines.read()).unwrap_or_else(|| {
            // Without the first process there is no run, and nobody here to whom an error could be returned.
            say("process 0 is gone, and the run with it");
            std::process::exit(1)
        })
    }
}
