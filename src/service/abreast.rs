//! Work of one request done on two cores: a long message, or one with two questions, takes several searches that know nothing of each
//! other. What comes out is the same either way.

use std::panic::resume_unwind;
use std::thread;

/// Runs `first` on a thread of its own while `second` runs here if `apart`, else one after the other.
pub(super) fn both<A: Send, B>(apart: bool, first: impl FnOnce() -> A + Send, second: impl FnOnce() -> B) -> (A, B) {
    if !apart {
        return (first(), second());
    }
    thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        (first.join().unwrap_or_else(|panic| resume_unwind(panic)), second)
    })
}
