//! What stands in the stages that are built: instructions of which only the last counts, and secrets.

use std::collections::BTreeMap;

use crate::dockerfile::{Command, Instruction, Keyword, Word};
use crate::plan::Stage;

use super::Rule;
use super::findings::Findings;
use super::written::{Written, WrittenStage};

/// Parts of names that say: this is secret.
const SECRET: [&str; 10] =
    ["apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"];

/// Parts of names that say: but not this.
const HARMLESS: [&str; 3] = ["public", "file", "version"];

pub(super) fn check(written: &Written<'_>, stages: &[Stage], findings: &mut Findings<'_>) {
    for instruction in &written.globals {
        secrets(instruction, findings);
    }
    // A stage for which a named context stands in has no steps.
    for stage in
        stages.iter().filter(|stage| !stage.steps.is_empty()).filter_map(|stage| written.stages.get(stage.index))
    {
        repeated(stage, findings);
        for instruction in &stage.own {
            secrets(instruction, findings);
        }
    }
}

/// The earlier one is told of: it is the one that has no effect.
fn repeated(stage: &WrittenStage<'_>, findings: &mut Findings<'_>) {
    let mut last: BTreeMap<Keyword, &Instruction> = BTreeMap::new();
    for instruction in &stage.own {
        let keyword = instruction.keyword;
        if !matches!(keyword, Keyword::Cmd | Keyword::Entrypoint | Keyword::Healthcheck) {
            continue;
        }
        if let Some(earlier) = last.insert(keyword, instruction) {
            let message = format!(
                "Multiple {keyword} instructions should not be used in the same stage because only the last one will \
                 be used"
            );
            findings.add(Rule::MultipleInstructionsDisallowed, earlier, earlier.span, message);
        }
    }
}

/// The variables that an ARG or ENV defines.
pub(super) fn defined(command: &Command) -> Vec<&Word> {
    match command {
        Command::Arg(args) => args.iter().map(|arg| &arg.name).collect(),
        Command::Env(pairs) => pairs.iter().map(|pair| &pair.name).collect(),
        _ => Vec::new(),
    }
}

fn secrets(instruction: &Instruction, findings: &mut Findings<'_>) {
    for name in defined(&instruction.command).into_iter().filter(|name| is_secret(&name.text)) {
        let keyword = instruction.keyword;
        let message = format!("Do not use ARG or ENV instructions for sensitive data ({keyword} \"{}\")", name.text);
        findings.add(Rule::SecretsUsedInArgOrEnv, instruction, name.span, message);
    }
}

/// Whether a variable of this name holds what nobody should see.
pub(super) fn is_secret(name: &str) -> bool {
    let lower = name.to_lowercase();
    let has = |words: &[&str]| lower.split('_').any(|part| words.contains(&part));
    has(&SECRET) && !has(&HARMLESS)
}
