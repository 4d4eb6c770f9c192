//! Comments that describe stages and arguments, and the old forms of instructions.

use crate::dockerfile::{Command, Instruction, Keyword};

use super::Rule;
use super::findings::Findings;
use super::fixes;
use super::options::comment_value;
use super::written::Written;

pub(super) fn check(written: &Written<'_>, findings: &mut Findings<'_>) {
    for instruction in written.globals.iter().copied().chain(written.in_stages()) {
        match &instruction.command {
            Command::From { name: Some(name), .. } => description(instruction, &[&name.text], findings),
            Command::Arg(args) => {
                let names: Vec<&str> = args.iter().map(|arg| arg.name.text.as_str()).collect();
                description(instruction, &names, findings);
            }
            Command::Env(pairs) | Command::Label(pairs) if pairs.iter().any(|pair| pair.legacy) => {
                let keyword = instruction.keyword;
                let message =
                    format!("\"{keyword} key=value\" should be used instead of legacy \"{keyword} key value\" format");
                let fix = fixes::key_value(written.file, instruction);
                findings.add_with(Rule::LegacyKeyValueFormat, instruction, instruction.span, message, fix);
            }
            Command::Maintainer(_) => {
                let message = "Maintainer instruction is deprecated in favor of using label";
                let fix = fixes::maintainer(written.file, instruction);
                findings.add_with(Rule::MaintainerDeprecated, instruction, instruction.span, message, fix);
            }
            _ => {}
        }
    }
}

/// Judges the last line of the comment above: options of checks describe nothing.
fn description(at: &Instruction, names: &[&str], findings: &mut Findings<'_>) {
    let Some(line) = at.doc.lines().rfind(|line| comment_value(line).is_none()) else { return };
    let describes =
        |name: &&str| line.strip_prefix(*name).is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('\t'));
    if names.iter().any(describes) {
        return;
    }
    let what = if at.keyword == Keyword::From { "build stage" } else { "argument" };
    let name = names.first().copied().unwrap_or_default();
    let message = format!(
        "Comment for {what} should follow the format: `# {name} <description>`. If this is not intended to be a \
         description comment, add an empty line or comment between the instruction and the comment."
    );
    findings.add(Rule::InvalidDefinitionDescription, at, at.span, message);
}
