//! The benchmark suite: what kiln needs for whole builds, against the floor of each, which is a plain program that does the
//! part no builder can leave out.
//!
//! ```text
//! cargo bench -- [NAME…] [--runs N] [--scale X] [--json FILE] [--against buildah] [--guard FILE]
//! ```
//!
//! Kiln and floor run in turn; the ratio is taken pair by pair, and its median counts. Needs root, and busybox, tar, pigz,
//! find and a C compiler.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measuring program for its authors"
)]

mod floors;
mod guard;
mod measure;
mod report;
mod workloads;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use measure::Sample;
use report::Row;
use workloads::{Bench, Site};

/// One run of another builder is enough where it takes longer.
const LONG: Duration = Duration::from_secs(8);

/// What the command line asks for.
#[derive(Parser)]
#[command(about = "Measures whole builds against their floors")]
struct Arguments {
    /// Rows to measure; all but the very large ones unless named.
    names: Vec<String>,
    /// Pairs of each row.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Size of the workloads.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Writes the table as JSON, too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Measures another builder as well.
    #[arg(long, value_parser = ["buildah"])]
    against: Option<String>,
    /// Fails where a ratio of CPU time is worse by a quarter than in this file, which `--json` has written.
    #[arg(long)]
    guard: Option<PathBuf>,
    /// Where workloads and stores lie.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    if words.nth(1).is_some_and(|word| word == "--floor") {
        return floors::run(words);
    }
    let arguments = Arguments::parse();
    if !arguments.bench {
        eprintln!("run by `cargo bench`");
        return ExitCode::SUCCESS;
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: the floors need root");
        return ExitCode::FAILURE;
    }
    let temporary;
    let dir = match &arguments.dir {
        Some(dir) => dir.clone(),
        None => {
            temporary = tempfile::tempdir().unwrap();
            temporary.path().to_owned()
        }
    };
    let site = Site::new(&dir, arguments.scale);
    let chosen = workloads::ALL.iter().filter(|bench| match arguments.names.as_slice() {
        [] => !bench.large,
        names => names.iter().any(|name| name == bench.name),
    });
    let mut rows = Vec::new();
    for bench in chosen {
        eprintln!("{} …", bench.name);
        let row = row(bench, &site, &arguments);
        eprintln!("{}", report::line(&row));
        rows.push(row);
    }
    println!("{}", report::table(&rows));
    if let Some(path) = &arguments.json {
        std::fs::write(path, report::json(&rows, arguments.scale)).unwrap();
    }
    match &arguments.guard {
        Some(kept) => guard::compare(&rows, kept),
        None => ExitCode::SUCCESS,
    }
}

/// Measures one row, kiln and its floor in turn.
fn row(bench: &'static Bench, site: &Site, arguments: &Arguments) -> Row {
    (bench.make)(site);
    site.clear();
    let (mut kiln, mut floor, mut other) = (Vec::new(), Vec::new(), Vec::new());
    // The first pair warms the page cache, and the store for warm rows.
    for turn in 0..=arguments.runs {
        // What one has left to be written must not hold the next one up.
        rustix::fs::sync();
        let ours = measure::run((bench.kiln)(site));
        rustix::fs::sync();
        let least = measure::run((bench.floor)(site));
        if turn > 0 {
            kiln.push(ours);
            floor.push(least);
        }
    }
    if arguments.against.is_some()
        && let Some(command) = bench.buildah
    {
        if bench.is_warm {
            measure::run(command(site));
        }
        for _ in 0..arguments.runs {
            let run = measure::run(command(site));
            other.push(run);
            if run.wall > LONG {
                break;
            }
        }
    }
    site.clear();
    Row { bench, kiln: Sample::sorted(kiln), floor: Sample::sorted(floor), other: Sample::sorted(other) }
}
