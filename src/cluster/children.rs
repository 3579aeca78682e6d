use std::io::Read as _;
use std::process::{self, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Doing as _, Result};
use crate::threads;

/// A process whose connection has ended is given so long to end itself.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// A process that this one has started, and that ends with it.
pub struct Child {
    child: process::Child,
    said: Option<JoinHandle<String>>,
}

impl Child {
    /// Starts this program once more, with these arguments and environment variables. What it says is kept.
    pub fn start(args: &[String], environment: &[(String, String)]) -> Result<Child> {
        let program = std::env::current_exe().doing(|| "looking for this program, to start it once more")?;
        let mut command = Command::new(&program);
        command
            .args(args)
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().doing(|| format!("starting {}", program.display()))?;
        let said = child.stderr.take().map(|mut stderr| {
            threads::spawn("child stderr", move || {
                let mut said = Vec::new();
                let _ = stderr.read_to_end(&mut said);
                String::from_utf8_lossy(&said).trim().to_owned()
            })
        });
        Ok(Child { child, said })
    }

    /// Whether it has ended.
    pub fn is_gone(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it.
    pub fn kill(&mut self) {
        // One that has ended already cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// How it ended, and what it said, in words.
    pub fn fate(&mut self) -> String {
        let until = Instant::now() + ENDS_WITHIN;
        while !self.is_gone() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let Ok(Some(status)) = self.child.try_wait() else { return "; it does not answer any more".into() };
        let said = self.said.take().and_then(|said| said.join().ok()).unwrap_or_default();
        if said.is_empty() { format!(" ({status})") } else { format!(" ({status}): {said}") }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}
