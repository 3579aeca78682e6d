//! Memory: how much there is, and how much this process takes, as far as the system tells.

use std::ffi::{c_int, c_long};
use std::fs;
use std::sync::OnceLock;

use libmimalloc_sys::{mi_option_get, mi_option_set};

/// After so many milliseconds mimalloc gives back what was freed: `mi_option_purge_delay` of its `mimalloc.h`, which the
/// bindings leave out.
const PURGE_DELAY: c_int = 15;
const NEVER: c_long = -1;

/// All the memory that this process can ever have, in bytes: that of the machine, or what its container is granted.
pub fn granted() -> Option<u64> {
    let machine = kib_of(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    Some(of_container("memory.max").map_or(machine, |max| max.min(machine)))
}

/// What is free of it now, in bytes.
pub fn free() -> Option<u64> {
    let machine = kib_of(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")?;
    let container = of_container("memory.max").zip(of_container("memory.current"));
    // What a container takes has files in it that were read and can be dropped.
    let files = fs::read_to_string("/sys/fs/cgroup/memory.stat").ok();
    let dropped = files.and_then(|stat| number_of(&stat, "inactive_file")).unwrap_or(0);
    Some(container.map_or(machine, |(max, used)| max.saturating_sub(used.saturating_sub(dropped)).min(machine)))
}

/// What this process takes, in bytes.
pub fn resident() -> Option<u64> {
    kib_of(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Has memory come and go without anybody waiting for it, in a run that keeps a schedule; or takes that back, for runs in
/// which only the sum counts.
///
/// The system clears a page when it is first touched, and whoever touches it waits: a huge one is 2 MiB, which take
/// milliseconds on a virtual machine whose host looks for the memory only then. So pages are small, which takes longer
/// in all. And the allocator gives nothing back to the system meanwhile: it would do so when a thread next asks it for
/// memory, and that thread would wait while all is given back that was freed in a second.
pub fn keep_steady(steady: bool) {
    // A kernel that does not know this has no huge pages either.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(steady);
    static AS_STARTED: OnceLock<c_long> = OnceLock::new();
    // SAFETY: these take any number. The delay is an aligned word that mimalloc reads on all threads without a guard: one
    // that reads it meanwhile finds the old delay or the new one, and either will do. With another allocator nobody reads it.
    #[allow(unsafe_code)]
    unsafe {
        let as_started = *AS_STARTED.get_or_init(|| mi_option_get(PURGE_DELAY));
        mi_option_set(PURGE_DELAY, if steady { NEVER } else { as_started });
    }
}

/// The bytes of a line `NAME:  123 kB`.
fn kib_of(text: &str, name: &str) -> Option<u64> {
    let kib = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"))?;
    Some(kib.trim().parse::<u64>().ok()? * 1024)
}

/// The number of a line `NAME 123`.
fn number_of(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

fn of_container(file: &str) -> Option<u64> {
    fs::read_to_string(format!("/sys/fs/cgroup/{file}")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_is_mimallocs() {
        // SAFETY: as above. Tests beside this one may keep memory steady meanwhile.
        #[allow(unsafe_code)]
        let delay = unsafe { mi_option_get(PURGE_DELAY) };
        assert!([1_000, NEVER].contains(&delay), "the option of this number is another one now: {delay}");
    }

    #[test]
    fn a_figure_is_found_by_its_name() {
        let text = "MemTotal:       16 kB\nMemAvailable:    8 kB\nVmRSS: none\n";
        assert_eq!(
            ["MemTotal:", "MemAvailable:", "VmRSS:", "Swap:"].map(|name| kib_of(text, name)),
            [Some(16_384), Some(8_192), None, None]
        );
        let stat = "active_file 4\ninactive_file 123\n";
        assert_eq!([number_of(stat, "inactive_file"), number_of(stat, "file")], [Some(123), None]);
    }
}
