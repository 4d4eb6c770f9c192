use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use similar::TextDiff;

use crate::build::{BuildError, SourceText, rewrite};
use crate::dockerfile::{self, Diagnostic};
use crate::format;

use super::args::FmtArgs;
use super::failure::{Failure, Form};
use super::out;

/// A difference that takes longer to find is shown as it is known by then.
const LONGEST_COMPARISON: Duration = Duration::from_secs(1);

/// Lines shown around a difference.
const CONTEXT: usize = 1;

/// `kiln fmt`: a file that cannot be formatted is told of and left, and the others are gone on with.
pub(super) fn run(args: &FmtArgs) -> ExitCode {
    let default = [PathBuf::from("Dockerfile")];
    let files = if args.files.is_empty() { &default[..] } else { &args.files };
    let mut code = 0;
    for path in files {
        match one(path, args.check) {
            Ok(true) if args.check => code = code.max(1),
            Ok(_) => {}
            Err(failure) => {
                failure.print(Form::Text);
                code = code.max(failure.kind.exit_code());
            }
        }
    }
    ExitCode::from(code)
}

/// Formats one file, or shows what would change; whether anything changes.
fn one(path: &Path, only_check: bool) -> Result<bool, Failure> {
    let is_stdin = path == Path::new("-");
    let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    let before = text(path, is_stdin).map_err(|error| Failure::machine(&format!("cannot read {name}"), &error))?;
    let after = formatted(&name, &before)?;
    let is_changed = after != before;
    let shown = if only_check && is_changed {
        format!("{name} is not formatted\n{}", difference(&name, &before, &after))
    } else if only_check || !is_stdin {
        String::new()
    } else {
        after.clone()
    };
    out::stdout(&shown).map_err(|error| Failure::machine("cannot write to standard output", &error))?;
    if is_changed && !only_check && !is_stdin {
        rewrite(path, after.as_bytes()).map_err(|error| Failure::machine(&format!("cannot write {name}"), &error))?;
        out::stderr(format!("formatted {name}\n").as_bytes());
    }
    Ok(is_changed)
}

/// A file that is not UTF-8 could not be given back as it was.
fn text(path: &Path, is_stdin: bool) -> io::Result<String> {
    let mut bytes = Vec::new();
    if is_stdin {
        io::stdin().lock().read_to_end(&mut bytes)?;
    } else {
        bytes = fs::read(path)?;
    }
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
}

fn formatted(name: &str, text: &str) -> Result<String, Failure> {
    let parsed = dockerfile::parse(text.as_bytes());
    if parsed.diagnostics.is_empty() {
        return Ok(format::format(&parsed.file));
    }
    let source_text = SourceText { name: name.to_owned(), text: parsed.file.text };
    let diagnostics: Vec<Diagnostic> = parsed.diagnostics;
    Err(Failure::from(BuildError::Dockerfile { source_text, diagnostics }))
}

fn difference(name: &str, before: &str, after: &str) -> String {
    let diff = TextDiff::configure().timeout(LONGEST_COMPARISON).diff_lines(before, after);
    diff.unified_diff().context_radius(CONTEXT).header(name, "formatted").to_string()
}
