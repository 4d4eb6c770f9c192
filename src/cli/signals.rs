//! Signals stop the build in good order; a second one at once.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::progress::Cancel;

/// Sets `cancel` when a signal comes. With the second the process ends as the signal would have ended it.
///
/// A hang-up that was ignored when kiln started stays so: `nohup` means it.
pub(super) fn watch(cancel: &Cancel) -> io::Result<()> {
    let ignored = std::fs::read_to_string("/proc/self/status").map(|status| ignored(&status)).unwrap_or_default();
    let wanted =
        [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| *signal != SIGHUP || (ignored >> (SIGHUP - 1)) & 1 == 0);
    let mut signals = Signals::new(wanted)?;
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

/// The set of ignored signals, bit 0 for signal 1, as the kernel tells it.
fn ignored(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_which_signals_are_ignored() {
        for (status, want) in [("Name:\tx\nSigIgn:\t0000000000000001\nSigCgt:\t0\n", 1), ("SigIgn:\tx\n", 0), ("", 0)] {
            assert_eq!(ignored(status), want, "{status:?}");
        }
    }
}
