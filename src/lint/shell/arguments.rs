//! Arguments of commands: flags and operands.

use super::{Call, ShellWord};

impl Call {
    /// The program, without the directories before it; empty where there is none.
    pub(in crate::lint) fn name(&self) -> &str {
        let text = self.words.first().map_or("", |word| word.text.as_str());
        text.rsplit('/').next().unwrap_or(text)
    }

    /// What follows the program.
    pub(in crate::lint) fn arguments(&self) -> &[ShellWord] {
        self.words.get(1..).unwrap_or_default()
    }

    /// Whether one of `flags` is given: `--long` (with a value, too), `-s` (in a cluster, too), or `-word` as it is.
    pub(in crate::lint) fn has_flag(&self, flags: &[&str]) -> bool {
        self.arguments()
            .iter()
            .take_while(|word| word.text != "--")
            .any(|word| flags.iter().any(|flag| is_flag(&word.text, flag)))
    }

    /// Arguments that are neither flags nor the values of those `with_value`.
    pub(in crate::lint) fn operands(&self, with_value: &[&str]) -> Vec<&ShellWord> {
        operands(self.arguments(), with_value)
    }

    /// The operands behind a subcommand, which must be one of `verbs`; `None` where it is another.
    pub(in crate::lint) fn after(&self, verbs: &[&str], with_value: &[&str]) -> Option<Vec<&ShellWord>> {
        after(self.arguments(), verbs, with_value)
    }
}

/// [`Call::operands`] of arguments alone.
fn operands<'a>(arguments: &'a [ShellWord], with_value: &[&str]) -> Vec<&'a ShellWord> {
    let mut found = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let text = word.text.as_str();
        if text == "--" {
            found.extend(words);
            break;
        }
        if !text.starts_with('-') || text == "-" {
            found.push(word);
        } else if with_value.iter().any(|flag| takes_next(text, flag)) {
            words.next();
        }
    }
    found
}

/// [`Call::after`] of arguments alone.
pub(in crate::lint) fn after<'a>(
    arguments: &'a [ShellWord],
    verbs: &[&str],
    with_value: &[&str],
) -> Option<Vec<&'a ShellWord>> {
    let mut operands = operands(arguments, with_value);
    if !verbs.contains(&operands.first()?.text.as_str()) {
        return None;
    }
    operands.remove(0);
    Some(operands)
}

fn is_flag(text: &str, flag: &str) -> bool {
    if flag.starts_with("--") {
        return text.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='));
    }
    match flag.strip_prefix('-') {
        Some(letter) if letter.len() == 1 => {
            text.strip_prefix('-').is_some_and(|cluster| !cluster.starts_with('-') && cluster.contains(letter))
        }
        _ => text == flag,
    }
}

/// Whether the value of `flag`, given as `text`, is the next word.
fn takes_next(text: &str, flag: &str) -> bool {
    let is_letter = flag.len() == 2 && !flag.starts_with("--");
    text == flag || (is_letter && !text.starts_with("--") && text.len() > 2 && text.ends_with(&flag[1..]))
}

#[cfg(test)]
mod tests {
    use super::super::Script;

    #[test]
    fn shell_flags_and_operands() {
        let script = Script::read("/usr/bin/x -yq --long=1 -t next a -word --to b -ut c -- -z");
        let call = &script.calls[0];
        assert_eq!(call.name(), "x");
        for (flag, want) in [
            ("-y", true),
            ("-q", true),
            ("-a", false),
            ("--long", true),
            ("--lon", false),
            ("--to", true),
            ("-word", true),
            ("-z", false),
        ] {
            assert_eq!(call.has_flag(&[flag]), want, "{flag}");
        }
        let operands: Vec<&str> = call.operands(&["-t", "--to"]).iter().map(|word| word.text.as_str()).collect();
        assert_eq!(operands, ["a", "-z"]);
        assert!(call.after(&["a"], &["-t", "--to"]).is_some_and(|rest| rest.len() == 1));
        assert!(call.after(&["b"], &["-t", "--to"]).is_none());
    }
}
