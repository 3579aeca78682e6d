//! The keys of the terminal that is standard input: taken one by one, and not shown.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::getpgrp;
use rustix::stdio::stdin;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use tapeflow::threads;

use crate::deck::{Key, keys};

/// Between two looks for keys.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Listens to the keys until it is dropped, and leaves the terminal as it was.
pub struct Keyboard {
    keys: Receiver<Key>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Keyboard {
    /// Listens, if standard input and standard error are a terminal and we are in its foreground. When `stop` is set,
    /// the terminal is left at once: whoever waits for a slow reader may not live to do it.
    pub fn open(stop: Arc<AtomicBool>) -> Option<Keyboard> {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() || !is_ours() {
            return None;
        }
        let before = tcgetattr(stdin()).ok()?;
        let mut quiet = before.clone();
        // Ctrl-C stays what it is.
        quiet.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 0;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        set(&quiet).ok()?;
        let (sender, receiver) = channel();
        let ends = Arc::new(AtomicBool::new(false));
        let is_over = {
            let ends = ends.clone();
            move || ends.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed)
        };
        let thread = threads::spawn("keyboard", move || {
            listen(&is_over, &quiet, &mut |key| _ = sender.send(key));
            if is_ours() {
                // A terminal that is gone needs nothing.
                let _ = set(&before);
            }
        });
        Some(Keyboard { keys: receiver, ends, thread: Some(thread) })
    }

    /// The next key that was pressed.
    pub fn key(&self) -> Option<Key> {
        self.keys.try_recv().ok()
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A listener that panicked has told so.
            let _ = thread.join();
        }
    }
}

/// Whether we are in the foreground: else the system would stop us for reading the terminal.
fn is_ours() -> bool {
    tcgetpgrp(stdin()).is_ok_and(|group| group == getpgrp())
}

fn listen(is_over: &dyn Fn() -> bool, quiet: &Termios, press: &mut dyn FnMut(Key)) {
    let mut bytes = [0; 64];
    while !is_over() {
        // Who stopped us with Ctrl-Z has had the terminal meanwhile.
        let is_ready = is_ours() && (is_quiet() || set(quiet).is_ok());
        let count = if is_ready { rustix::io::read(stdin(), &mut bytes).unwrap_or(0) } else { 0 };
        keys(&bytes[..count]).into_iter().for_each(&mut *press);
        std::thread::park_timeout(LOOK_EVERY);
    }
}

fn is_quiet() -> bool {
    tcgetattr(stdin()).is_ok_and(|now| !now.local_modes.contains(LocalModes::ICANON))
}

fn set(modes: &Termios) -> rustix::io::Result<()> {
    tcsetattr(stdin(), OptionalActions::Now, modes)
}
