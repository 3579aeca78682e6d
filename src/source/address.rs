use std::fmt;
use std::path::PathBuf;

/// Where ticks come from, or go, beside files that are there already and the standard streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `tcp://HOST:PORT` connects, `tcp-listen://HOST:PORT` waits to be connected to.
    Tcp {
        /// `HOST:PORT`.
        at: String,
        /// Whether this side listens.
        listens: bool,
    },
    /// `unix://PATH` and `unix-listen://PATH`, a Unix domain socket.
    Unix {
        /// The socket.
        path: PathBuf,
        /// Whether this side listens.
        listens: bool,
    },
    /// `file:PATH`, a file that grows.
    Growing(PathBuf),
    /// `kafka://HOST:PORT/TOPIC`.
    Kafka {
        /// `HOST:PORT`, several with commas between.
        brokers: String,
        /// The topic.
        topic: String,
    },
}

impl Address {
    /// Reads an address; `None` where the text is a path.
    ///
    /// # Errors
    /// Why it is no address, though it looks like one.
    pub fn parse(text: &str) -> Option<Result<Address, String>> {
        if let Some(path) = text.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Some(if path.is_empty() { Err(wrong(text)) } else { Ok(Address::Growing(path.into())) });
        }
        let (scheme, rest) = text.split_once("://")?;
        let is_port = |at: &str| at.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let listens = scheme.ends_with("-listen");
        let address = match scheme {
            "tcp" | "tcp-listen" if is_port(rest) => Address::Tcp { at: rest.into(), listens },
            "unix" | "unix-listen" if !rest.is_empty() => Address::Unix { path: rest.into(), listens },
            "kafka" => match rest.split_once('/') {
                Some((brokers, topic)) if brokers.split(',').all(is_port) && is_topic(topic) => {
                    Address::Kafka { brokers: brokers.into(), topic: topic.into() }
                }
                _ => return Some(Err(wrong(text))),
            },
            _ => return Some(Err(wrong(text))),
        };
        Some(Ok(address))
    }
}

impl Address {
    /// Whether whoever is there is on this machine.
    pub(super) fn is_local(&self) -> bool {
        let is_here = |at: &str| {
            let host = at.rsplit_once(':').map_or(at, |(host, _)| host);
            host == "localhost" || host == "[::1]" || host.starts_with("127.")
        };
        match self {
            Address::Tcp { at, .. } => is_here(at),
            Address::Kafka { brokers, .. } => brokers.split(',').all(is_here),
            Address::Unix { .. } | Address::Growing(_) => true,
        }
    }
}

fn is_topic(text: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !text.is_empty() && text.len() <= 249 && text.chars().all(is_fine)
}

fn wrong(text: &str) -> String {
    format!(
        "{text}: no address of a feed: write tcp://HOST:PORT or tcp-listen://HOST:PORT, unix://PATH or \
         unix-listen://PATH, file:PATH, or kafka://HOST:PORT/TOPIC"
    )
}

impl fmt::Display for Address {
    /// As it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listen = |listens: &bool| if *listens { "-listen" } else { "" };
        match self {
            Address::Tcp { at, listens } => write!(f, "tcp{}://{at}", listen(listens)),
            Address::Unix { path, listens } => write!(f, "unix{}://{}", listen(listens), path.display()),
            Address::Growing(path) => {
                // Two slashes at the beginning are those of a URL, unless two more stand before them.
                let path = path.to_string_lossy();
                write!(f, "file:{}{path}", if path.starts_with("//") { "//" } else { "" })
            }
            Address::Kafka { brokers, topic } => write!(f, "kafka://{brokers}/{topic}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_they_are_written_and_paths_are_none() {
        let texts = [
            "tcp://127.0.0.1:7777",
            "tcp-listen://[::1]:0",
            "unix:///tmp/a.sock",
            "unix-listen://a b",
            "file:ticks.csv",
            "file:////a",
            "kafka://a:9092,b:9093/ticks.v1",
        ];
        for text in texts {
            assert_eq!(Address::parse(text).unwrap().unwrap().to_string(), text);
        }
        assert_eq!(Address::parse("file:///a"), Some(Ok(Address::Growing("/a".into()))));
        for path in ["ticks.csv", "-", "/a:b", "2013-08-05T09:30:00.csv"] {
            assert_eq!(Address::parse(path), None);
        }
        for text in
            ["tcp://a", "tcp://:x", "unix://", "kafka://a:1", "kafka://a/t", "kafka://a:1/t/u", "ftp://x", "file:"]
        {
            assert!(Address::parse(text).unwrap().is_err(), "{text}");
        }
    }
}
