use std::path::Path;

use crate::policy::{Error, Policy};

use super::failure::Failure;
use super::options::Checked;
use super::surroundings::Surroundings;

/// Reads the policy at `path`, at `KILN_POLICY`, or at its usual place, where alone it may be missing.
pub(super) fn read(path: Option<&Path>, around: Surroundings<'_>) -> Checked<Policy> {
    let named = path.filter(|path| !path.as_os_str().is_empty()).map(Path::to_owned);
    if let Some(text) = named.as_ref().and_then(|path| path.to_str())
        && ["filename=", "reset=", "disabled=", "strict=", "log-level="].iter().any(|key| text.starts_with(key))
    {
        let hint = "kiln's own policy is a file of TOML: `--policy FILE`";
        return Err(Failure::usage("`--policy` with source policies of the reference is not supported", Some(hint)));
    }
    let named = named.or_else(|| around.path("KILN_POLICY"));
    let must_exist = named.is_some();
    let usual = || around.base_directory("XDG_CONFIG_HOME", ".config").map(|dir| dir.join("kiln/policy.toml"));
    let Some(path) = named.or_else(usual) else { return Ok(Policy::default()) };
    match Policy::read(&path) {
        Err(Error::Read { path: missing, source })
            if missing == path && source.kind() == std::io::ErrorKind::NotFound && !must_exist =>
        {
            Ok(Policy::default())
        }
        result => result.map_err(Failure::from),
    }
}
