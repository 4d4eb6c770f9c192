//! The rules of shellcheck, by the program itself where the machine has it.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::dockerfile::Severity;
use crate::lint::hadolint::{Remark, Snippet};

use super::Failure;

/// What cannot be said of a snippet: files that it sources are elsewhere.
const EXCLUDED: &str = "SC1090,SC1091,SC2187";

/// The program.
pub(super) struct Shellcheck(PathBuf);

/// What it prints with `--format=json1`.
#[derive(Deserialize)]
struct Output {
    comments: Vec<Comment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Comment {
    line: usize,
    end_line: usize,
    column: usize,
    end_column: usize,
    level: String,
    code: u32,
    message: String,
}

impl Shellcheck {
    /// The one on `path`, if there is one.
    pub(super) fn find(path: Option<OsString>) -> Option<Self> {
        let path = path?;
        std::env::split_paths(&path).map(|dir| dir.join("shellcheck")).find(|program| program.is_file()).map(Self)
    }

    /// Runs it on each snippet.
    pub(super) fn judge(&self, snippets: &[Snippet]) -> Result<Vec<Remark>, Failure> {
        let mut remarks = Vec::new();
        for (number, snippet) in snippets.iter().enumerate() {
            // Variables that the Dockerfile defines are known in the script: a line before it says so.
            let names: Vec<String> = snippet.variables.iter().map(|name| format!("{name}=1")).collect();
            let head = if names.is_empty() { ":\n".to_owned() } else { format!("export {}\n", names.join(" ")) };
            let output = self.run(&snippet.shell, &format!("{head}{}", snippet.text))?;
            for comment in output.comments.into_iter().filter(|comment| comment.line > 1) {
                let start = offset(&snippet.text, comment.line - 1, comment.column);
                let end = offset(&snippet.text, comment.end_line.max(comment.line) - 1, comment.end_column);
                remarks.push(Remark {
                    snippet: number,
                    code: format!("SC{:04}", comment.code),
                    level: level(&comment.level),
                    start,
                    end: end.max(start),
                    message: comment.message,
                });
            }
        }
        Ok(remarks)
    }

    fn run(&self, shell: &str, text: &str) -> Result<Output, Failure> {
        let doing = "cannot run shellcheck";
        let machine = |error: std::io::Error| Failure::machine(doing, &error);
        let mut child = Command::new(&self.0)
            .args(["--norc", "--format=json1", "--exclude", EXCLUDED, "--shell", shell, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(machine)?;
        let input = child.stdin.take();
        // It reads all before it writes anything; one that does not listen is told of by what it prints.
        if let Some(mut input) = input {
            let _unheard = input.write_all(text.as_bytes());
        }
        let output = child.wait_with_output().map_err(machine)?;
        serde_json::from_slice(&output.stdout)
            .map_err(|error| Failure::machine("cannot read what shellcheck prints", &error))
    }
}

fn level(name: &str) -> Severity {
    match name {
        "error" => Severity::Error,
        "warning" => Severity::Warning,
        "info" => Severity::Info,
        _ => Severity::Style,
    }
}

/// The byte at a line and column, both from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    let line = rest.split('\n').next().unwrap_or_default();
    start + line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shellcheck_places_are_bytes() {
        let text = "\u{e4}b c\nd";
        for (line, column, want) in [(1, 1, 0), (1, 2, 2), (1, 99, 5), (2, 1, 6), (2, 2, 7), (9, 1, 7)] {
            assert_eq!(offset(text, line, column), want, "{line}:{column}");
        }
    }
}
