use serde_json::json;

use crate::sandbox;

use super::args::DoctorArgs;
use super::failure::Failure;
use super::out;

/// `kiln doctor`.
pub(super) fn run(args: &DoctorArgs) -> Result<(), Failure> {
    let probe = sandbox::probe();
    let text = if args.json {
        let refused: Vec<_> = probe
            .refused
            .iter()
            .map(|(isolation, reason)| json!({ "isolation": isolation.as_str(), "reason": reason }))
            .collect();
        format!("{:#}\n", json!({ "isolation": probe.isolation.as_str(), "refused": refused }))
    } else {
        let refused = probe.refused.iter().map(|(isolation, reason)| format!("not {isolation}: {reason}\n"));
        [format!("isolation: {}\n", probe.isolation)].into_iter().chain(refused).collect()
    };
    out::stdout(&text).map_err(|error| Failure::machine("cannot write to standard output", &error))
}
