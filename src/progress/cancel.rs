use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// Tells a build to stop: a flag, and a descriptor that becomes readable with it. Clones are the same flag.
#[derive(Clone, Debug)]
pub struct Cancel(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    set: AtomicBool,
    event: OwnedFd,
}

impl Cancel {
    /// A flag that is not set.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(Inner { set: AtomicBool::new(false), event })))
    }

    /// Sets the flag for good.
    pub fn set(&self) {
        self.0.set.store(true, Ordering::SeqCst);
        // A full counter is readable all the same.
        let _readable = rustix::io::write(&self.0.event, &1_u64.to_ne_bytes());
    }

    /// Whether the flag is set.
    pub fn is_set(&self) -> bool {
        self.0.set.load(Ordering::SeqCst)
    }

    /// Becomes readable, and stays so, once the flag is set: for `poll`. Nobody must read from it.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}
