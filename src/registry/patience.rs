use std::time::Duration;

use oci_client::errors::{OciDistributionError, Result};

use super::error::{Meaning, meaning};

/// How often something is tried in all.
pub(super) const TRIES: u32 = 3;
/// The wait before the second try; each further one is four times as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// Does what `attempt` says until it succeeds, fails for good, or has failed [`TRIES`] times.
pub(super) async fn patiently<T, F>(mut attempt: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut tried = 0;
    loop {
        match attempt().await {
            Err(error) if worth_another_try(&error) && tried + 1 < TRIES => {
                wait_before_retry(tried).await;
                tried += 1;
            }
            result => return result,
        }
    }
}

/// Sleeps after the failure of try number `tried`, counted from 0.
pub(super) async fn wait_before_retry(tried: u32) {
    tokio::time::sleep(FIRST_WAIT * 4_u32.saturating_pow(tried)).await;
}

pub(super) fn worth_another_try(error: &OciDistributionError) -> bool {
    match meaning(error) {
        Meaning::Passing => true,
        // A host that lets connections time out will do so again, and each time costs the user long seconds.
        Meaning::Unreachable => !matches!(error, OciDistributionError::RequestError(error) if error.is_timeout()),
        _ => false,
    }
}
