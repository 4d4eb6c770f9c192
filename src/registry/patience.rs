use std::time::Duration;

use super::fault::Fault;

/// How often something is tried in all.
pub(super) const TRIES: u32 = 4;
/// The wait before the second try; each further one is three times as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// A registry that wants to be left alone for longer is told of instead.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Does what `attempt` says until it succeeds, fails for good, or has failed [`TRIES`] times.
pub(super) fn patiently<T>(mut attempt: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
    let mut tried = 0;
    loop {
        match attempt() {
            Err(fault) if fault.worth_another_try() && tried + 1 < TRIES => {
                if !wait_before_retry(tried, &fault) {
                    return Err(fault);
                }
                tried += 1;
            }
            result => return result,
        }
    }
}

/// Sleeps after the failure of try number `tried`, counted from 0: as long as the registry asks for, where it asks for
/// anything. `false`, at once, when that is too long.
pub(super) fn wait_before_retry(tried: u32, fault: &Fault) -> bool {
    let asked = match fault {
        Fault::Status { retry_after, .. } => *retry_after,
        _ => None,
    };
    let wait = asked.unwrap_or(FIRST_WAIT * 3_u32.saturating_pow(tried));
    if wait > LONGEST_WAIT {
        return false;
    }
    std::thread::sleep(wait);
    true
}
