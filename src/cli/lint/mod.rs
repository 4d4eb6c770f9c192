//! `kiln lint`: what is likely wrong with Dockerfiles, from their text alone.

mod args;
mod fix;
mod forms;
mod shellcheck;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::build::SourceText;
use crate::context::{self, Patterns};
use crate::dockerfile::{self, Diagnostic, Severity};
use crate::lint::hadolint::{HadolintOptions, LabelKind, Remark, hadolint, snippets};
use crate::lint::offline;

use super::failure::Failure;
use super::out;
use super::sarif::sarif;
use super::surroundings::Surroundings;

pub(super) use args::LintArgs;
use args::{LintFormat, RuleSet};
use shellcheck::Shellcheck;

/// What was found in one file.
struct Linted {
    source: SourceText,
    /// In the order of lines.
    found: Vec<Diagnostic>,
    /// No build of it can succeed.
    is_wrong: bool,
}

/// Judges all files, and prints what was found on standard output.
pub(super) fn run(args: &LintArgs, around: Surroundings<'_>) -> Result<ExitCode, Failure> {
    let options = options(args)?;
    let is_on = |set| args.rules.contains(&set);
    let shellcheck = is_on(RuleSet::Hadolint).then(|| Shellcheck::find((around.variable)("PATH")));
    if let Some(None) = &shellcheck {
        out::stderr(b"note: the rules SC... are not run: there is no program `shellcheck` on PATH\n");
    }
    if args.fix && args.files.iter().any(|path| is_stdin(path)) {
        return Err(Failure::usage("--fix: standard input cannot be mended", Some("name the file")));
    }
    let mut all = Vec::new();
    for path in &args.files {
        if args.fix {
            // What shellcheck finds has no fixes.
            let count = fix::fix(path, |bytes| judge(path, bytes, args, &options, &[]).found)?;
            out::stderr(format!("mended {count} in {}\n", path.display()).as_bytes());
        }
        let bytes = read(path)?;
        let remarks = match shellcheck.as_ref().and_then(Option::as_ref) {
            Some(shellcheck) => shellcheck.judge(&snippets(&dockerfile::parse(&bytes).file))?,
            None => Vec::new(),
        };
        all.push(judge(path, &bytes, args, &options, &remarks));
    }
    let text = match args.format {
        LintFormat::Text => forms::text(&all, around.stdout_is_terminal),
        LintFormat::Json => forms::json(&all),
        LintFormat::Sarif => {
            let files: Vec<_> = all.iter().map(|linted| (&linted.source, linted.found.iter().collect())).collect();
            format!("{:#}\n", sarif(&files))
        }
    };
    out::stdout(&text).map_err(|error| Failure::machine("cannot write to standard output", &error))?;
    let reaches = |found: &Diagnostic| args.failure_threshold.is_reached_by(found.severity);
    let failed = all.iter().any(|linted| linted.is_wrong || linted.found.iter().any(reaches));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Judges one file.
fn judge(path: &Path, bytes: &[u8], args: &LintArgs, options: &HadolintOptions, remarks: &[Remark]) -> Linted {
    let name = path.display().to_string();
    let parsed = dockerfile::parse(bytes);
    let (file, mut found) = (parsed.file, parsed.diagnostics);
    let is_on = |set| args.rules.contains(&set);
    if is_on(RuleSet::Hadolint) {
        options.number_errors(&mut found);
    }
    let mut is_wrong = !found.is_empty();
    if !is_wrong {
        if is_on(RuleSet::Checks) {
            let judged = offline(&file, ignore_rules(path).as_ref());
            is_wrong = !judged.errors.is_empty();
            found.extend(judged.errors);
            let level = if judged.are_errors { Severity::Error } else { Severity::Warning };
            let warnings = judged.warnings.into_iter().map(|one| Diagnostic { severity: level, ..one });
            found.extend(warnings.filter_map(|one| levelled(one, options)));
        }
        if is_on(RuleSet::Hadolint) {
            found.extend(hadolint(&file, options, remarks));
        }
        found.sort_by_key(|one| one.lines.map(|lines| lines.first));
    }
    Linted { source: SourceText { name, text: file.text }, found, is_wrong }
}

/// A finding of a build check, unless it is to be left out.
fn levelled(found: Diagnostic, options: &HadolintOptions) -> Option<Diagnostic> {
    if options.ignore.contains(&*found.code) {
        return None;
    }
    let severity = options.levels.get(&*found.code).copied().unwrap_or(found.severity);
    Some(Diagnostic { severity, ..found })
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let result = if is_stdin(path) {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    result.map_err(|error| Failure::machine(&format!("cannot read {}", path.display()), &error))
}

/// The ignore rules of the directory that a Dockerfile lies in, as of a build there. Wrong ones are for a build to tell.
fn ignore_rules(path: &Path) -> Option<Patterns> {
    if is_stdin(path) {
        return None;
    }
    let dir =
        path.parent().filter(|dir| !dir.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Path::to_owned);
    let (_, bytes) = context::ignore_file(Some(path), &dir).ok()??;
    Patterns::from_file(&bytes).ok()
}

fn options(args: &LintArgs) -> Result<HadolintOptions, Failure> {
    let mut levels = BTreeMap::new();
    for (codes, level) in [
        (&args.style, Severity::Style),
        (&args.info, Severity::Info),
        (&args.warning, Severity::Warning),
        (&args.error, Severity::Error),
    ] {
        levels.extend(codes.iter().map(|code| (code.clone(), level)));
    }
    let mut labels = BTreeMap::new();
    for text in &args.require_label {
        let (name, kind) = text.rsplit_once(':').unwrap_or((text, "text"));
        let kind = LabelKind::from_name(kind).ok_or_else(|| {
            let hint = "the kinds are text, url, rfc3339, spdx, hash, semver and email";
            Failure::usage(format!("--require-label: there is no kind `{kind}`"), Some(hint))
        })?;
        labels.insert(name.to_owned(), kind);
    }
    Ok(HadolintOptions {
        ignore: args.ignore.iter().cloned().collect::<BTreeSet<_>>(),
        levels,
        trusted_registries: args.trusted_registry.clone(),
        labels,
        strict_labels: args.strict_labels,
    })
}
