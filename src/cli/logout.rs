use crate::registry;

use super::failure::Failure;
use super::image_args::LogoutArgs;
use super::{login, out};

/// `kiln logout`. Nothing to forget is no error.
pub(super) fn run(args: &LogoutArgs) -> Result<(), Failure> {
    let host = login::host(args.registry.as_deref())?;
    let text = if registry::log_out(&host)? {
        format!("Removed the credentials for {host}\n")
    } else {
        format!("Not logged in to {host}\n")
    };
    out::result(&text)
}
