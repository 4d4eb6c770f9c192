use std::io::{IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use crate::build;
use crate::progress::{Cancel, Quiet, SharedSink};

use super::args::{BuildArgs, ProgressMode};
use super::failure::Failure;
use super::progress::{Json, Plain, Terminal};
use super::{options, out, render, signals};

/// `kiln build`.
pub(super) fn run(args: BuildArgs) -> Result<(), Failure> {
    if args.quiet && !matches!(args.progress, ProgressMode::Auto | ProgressMode::Quiet) {
        let hint = "leave one of them out";
        return Err(Failure::usage("--quiet and --progress contradict each other", Some(hint)));
    }
    let options = options::build(&args)?;
    if let Some(path) = &args.iidfile {
        // Whoever reads it must not take an old id for the new one.
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::machine(&format!("cannot remove {}", path.display()), &error));
            }
            _ => {}
        }
    }
    let cancel = Cancel::new().map_err(|error| Failure::machine("cannot prepare to be interrupted", &error))?;
    signals::watch(&cancel).map_err(|error| Failure::machine("cannot watch for signals", &error))?;
    let sink = sink(&args);
    let result = build::run(&options, &sink, &cancel);
    sink.finish();
    let outcome = result?;
    if !args.quiet {
        let warnings: String = outcome.warnings.iter().map(|found| render::diagnostic(&outcome.source, found)).collect();
        out::stderr(warnings.as_bytes());
    }
    let id = outcome.image_id.to_string();
    if let Some(path) = &args.iidfile {
        write_aside(path, id.as_bytes())?;
    }
    if let Some(path) = &args.metadata_file {
        write_aside(path, format!("{:#}\n", outcome.metadata).as_bytes())?;
    }
    if args.quiet {
        out::stdout(&format!("{id}\n")).map_err(|error| Failure::machine("cannot write to standard output", &error))?;
    }
    Ok(())
}

fn sink(args: &BuildArgs) -> SharedSink {
    if args.quiet {
        return Arc::new(Quiet);
    }
    match args.progress {
        ProgressMode::Quiet => Arc::new(Quiet),
        ProgressMode::Json => Arc::new(Json::default()),
        ProgressMode::Tty => Arc::new(Terminal::new()),
        ProgressMode::Auto if std::io::stderr().is_terminal() => Arc::new(Terminal::new()),
        ProgressMode::Auto | ProgressMode::Plain => Arc::new(Plain::default()),
    }
}

/// Writes a small file beside its place and renames it, mode 0644.
fn write_aside(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(bytes)?;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        file.persist(path).map(drop).map_err(|error| error.error)
    };
    write().map_err(|error| Failure::machine(&format!("cannot write {}", path.display()), &error))
}
