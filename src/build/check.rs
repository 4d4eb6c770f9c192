//! Evaluation without a build: no step runs and nothing is written (CALL-1).

use std::sync::Arc;

use crate::dockerfile::{self, Command, Diagnostic, Instruction, Lines, Severity};
use crate::progress::{Quiet, SharedSink};
use crate::store::Store;

use super::evaluate::{Evaluation, Extent, Purpose, evaluate, registry, resolver};
use super::fetch::Fetcher;
use super::known::Known;
use super::source;
use super::{BuildError, Options, SourceText};

/// What checking a Dockerfile finds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// What the diagnostics point into.
    pub source: SourceText,
    /// Findings of build checks, in file order.
    pub warnings: Vec<Diagnostic>,
    /// What would stop a build before its first step; empty where nothing would.
    pub errors: Vec<Diagnostic>,
}

/// The stages of a Dockerfile (CALL-4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Targets {
    /// What the lines count in.
    pub source: SourceText,
    /// In file order.
    pub targets: Vec<Target>,
}

/// A stage that may be built by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// In lower case; `None` where it has none.
    pub name: Option<String>,
    /// Built when no target is given.
    pub is_default: bool,
    /// What the comment above says of it (CALL-5).
    pub description: Option<String>,
    /// After FROM, as written.
    pub base: String,
    /// `--platform`, as written.
    pub platform: Option<String>,
    /// Of its FROM.
    pub lines: Lines,
}

/// Evaluates the whole Dockerfile, or what the target needs of it (CALL-2, LINT-9).
///
/// # Errors
/// What is wrong with the options, the store or the machine; what is wrong with the Dockerfile is the result.
pub fn check(options: &Options, sink: &SharedSink) -> Result<Checked, BuildError> {
    let store = Arc::new(Store::open(&options.store)?);
    let fetcher = Fetcher::idle(&store, options, sink)?;
    let sources = source::open(options, &fetcher)?;
    let parsed = dockerfile::parse(&sources.bytes);
    let source = sources.text(&parsed.file.text);
    if parsed.diagnostics.iter().any(|found| found.severity == Severity::Error) {
        return Ok(Checked { source, warnings: Vec::new(), errors: parsed.diagnostics });
    }
    let resolver = resolver(options, &store, &registry(options), Purpose::Evaluate, sources.locks(options)?, sink)?;
    let known = Known { resolver: &resolver, fetcher: &fetcher, main: sources.time };
    let Evaluation { plan, warnings, .. } = evaluate(&parsed.file, options, Extent::File, &sources.context, &known);
    Ok(Checked { source, warnings, errors: plan.err().unwrap_or_default() })
}

/// Lists the stages. Needs no base image.
///
/// # Errors
/// As [`check`], and a Dockerfile that cannot be read.
pub fn targets(options: &Options) -> Result<Targets, BuildError> {
    let (store, sink): (_, SharedSink) = (Arc::new(Store::open(&options.store)?), Arc::new(Quiet));
    let sources = source::open(options, &Fetcher::idle(&store, options, &sink)?)?;
    let parsed = dockerfile::parse(&sources.bytes);
    let source = sources.text(&parsed.file.text);
    if parsed.diagnostics.iter().any(|found| found.severity == Severity::Error) {
        return Err(BuildError::Dockerfile { source_text: source, diagnostics: parsed.diagnostics });
    }
    let mut targets: Vec<Target> = parsed.file.instructions().filter_map(target).collect();
    if let Some(last) = targets.last_mut() {
        last.is_default = true;
    }
    Ok(Targets { source, targets })
}

fn target(from: &Instruction) -> Option<Target> {
    let Command::From { platform, image, name } = &from.command else { return None };
    let name = name.as_ref().map(|name| name.text.clone());
    Some(Target {
        description: name.as_deref().and_then(|name| description(&from.doc, name, true)),
        name,
        is_default: false,
        base: image.text.clone(),
        platform: platform.as_ref().map(|word| word.text.clone()),
        lines: from.lines,
    })
}

/// What follows the name in the first comment line that begins with it (CALL-5), written in `any_case` or as it is.
pub(super) fn description(doc: &str, name: &str, any_case: bool) -> Option<String> {
    let after = |line: &str| {
        let is_name = |start: &&str| *start == name || (any_case && start.eq_ignore_ascii_case(name));
        let rest = line.get(..name.len()).filter(is_name).map(|_| &line[name.len()..]);
        rest.filter(|rest| rest.starts_with(char::is_whitespace)).map(|rest| rest.trim().to_owned())
    };
    doc.lines().find_map(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_5_descriptions() {
        for (doc, want) in [
            ("build compiles it", Some("compiles it")),
            ("Build compiles it\nmore", Some("compiles it")),
            ("other words\nbuild compiles it", Some("compiles it")),
            ("builder compiles it", None),
            ("build", None),
            ("\u{e4}\u{e4}\u{e4} x", None),
            ("", None),
        ] {
            assert_eq!(description(doc, "build", true).as_deref(), want, "{doc}");
        }
        assert_eq!(description("version of it", "VERSION", false), None);
    }

    #[test]
    fn call_4_stages_as_written() {
        let parsed = dockerfile::parse(b"# b the base\nFROM --platform=$P x AS B\nFROM y\n");
        let targets: Vec<Target> = parsed.file.instructions().filter_map(target).collect();
        let [first, second] = &targets[..] else { panic!("{targets:?}") };
        assert_eq!((first.name.as_deref(), first.description.as_deref()), (Some("b"), Some("the base")));
        assert_eq!((first.base.as_str(), first.platform.as_deref()), ("x", Some("$P")));
        assert_eq!((second.name.as_deref(), second.lines), (None, Lines { first: 3, last: 3 }));
    }
}
