//! Threads that can be told apart by what they do: in `top -H`, in `perf report --sort comm`, in debuggers, and in what is
//! said of a panic.

use std::thread::{Builder, JoinHandle};

/// Starts a thread. Linux shows the first 15 bytes of its name.
///
/// # Panics
/// When the system gives no more threads.
pub fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let thread = Builder::new().name(name.into()).spawn(work);
    thread.unwrap_or_else(|error| {
        panic!("starting the thread {name:?}: {error}: let this process have more threads, or use fewer workers")
    })
}
