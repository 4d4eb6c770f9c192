//! Signals stop the build in good order; a second one at once.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::progress::Cancel;

/// Sets `cancel` when a signal comes. With the second the process ends as the signal would have ended it.
pub(super) fn watch(cancel: &Cancel) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let cancel = cancel.clone();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if cancel.is_set() {
                let _ended = signal_hook::low_level::emulate_default_handler(signal);
            }
            cancel.set();
        }
    });
    Ok(())
}
