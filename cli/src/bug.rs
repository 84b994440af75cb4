//! Panics become a message that says so, and exit code 70.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe},
};

use crate::failure::{Code, Failure};

thread_local! {
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Runs a command; a panic in it is a bug of ours and reported as one.
pub(crate) fn caught<T>(command: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if CATCHING.get() {
            let place = info
                .location()
                .map(|l| format!("{}:{}", l.file(), l.line()))
                .unwrap_or_default();
            PLACE.with_borrow_mut(|p| *p = place);
        } else {
            // Another thread's: whoever waits for it tells the rest.
            before(info);
        }
    }));
    quietly(command).unwrap_or_else(|what| {
        let place = PLACE.with_borrow(Clone::clone);
        Err(
            Failure::new(Code::Bug, format!("this is a bug in xfl: {what} (at {place})"))
                .hint("please report it with the command line and, if you can share them, the files"),
        )
    })
}

/// Runs something that may panic on damaged input; what it said instead of a result.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let outer = CATCHING.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(outer);
    result.map_err(|panic| words(panic.as_ref()))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without words".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_bug_with_exit_code_70() {
        let failure = caught(|| -> Result<(), Failure> { panic!("three hands") }).unwrap_err();
        assert_eq!(failure.code, Code::Bug);
        assert!(
            failure.message.contains("three hands") && failure.message.contains("bug.rs"),
            "{}",
            failure.message
        );
    }
}
