//! What keeps a ratio from slipping: against the figures of an earlier run.

use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

use crate::report::{Row, cpu};

/// A ratio may be worse by this factor: CPU time moves by about a tenth on a busy machine.
const SLACK: f64 = 1.25;

/// Compares ratios of CPU time with those of `kept`.
pub(crate) fn compare(rows: &[Row], kept: &Path) -> ExitCode {
    let text = std::fs::read_to_string(kept).unwrap_or_else(|error| panic!("{}: {error}", kept.display()));
    let kept: Value = serde_json::from_str(&text).unwrap();
    let mut code = ExitCode::SUCCESS;
    for row in rows {
        let of_row = kept["rows"].as_array().unwrap().iter().find(|known| known["name"] == row.bench.name);
        let Some(before) = of_row.and_then(|known| known["least_ratio_cpu"].as_f64()) else {
            eprintln!("{}: not in the kept figures", row.bench.name);
            code = ExitCode::FAILURE;
            continue;
        };
        let now = row.least_ratio(cpu);
        let verdict = if now <= before * SLACK { "holds" } else { "HAS FALLEN BACK" };
        eprintln!("{}: CPU time {now:.2} × the floor's, kept {before:.2}: {verdict}", row.bench.name);
        if now > before * SLACK {
            code = ExitCode::FAILURE;
        }
    }
    code
}
