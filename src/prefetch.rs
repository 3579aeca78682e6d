//! Memory that is asked for before its turn, so that nobody waits for it.

/// How far ahead, in bytes: far enough for a line of memory to arrive before its turn, and near enough that it is still
/// in the nearest cache then.
const AHEAD: usize = 2_048;

/// The items of a slice in order. Each is fetched from memory while earlier ones are worked on: where a loop does much
/// for an item, the processor does not see far enough ahead to fetch the next ones by itself. What lies behind the
/// slice's end is fetched, too, since slices are often parts of a longer one.
#[inline]
pub fn prefetched<T>(items: &[T]) -> impl Iterator<Item = &T> {
    items.iter().inspect(|item| fetch(std::ptr::from_ref(*item).wrapping_byte_add(AHEAD)))
}

/// Asks for the line of memory at an address, for whoever comes there soon; any address will do. Where the processor
/// cannot be asked, it does nothing.
#[inline(always)]
pub fn fetch<T>(at: *const T) {
    // SAFETY: it is a hint: nothing is read that the program sees, and no address makes it fail.
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
