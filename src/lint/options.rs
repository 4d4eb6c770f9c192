//! Which rules are on: the `check` directive, the build argument that replaces it, and comments (LINT-3 to LINT-7).

use std::collections::{BTreeMap, BTreeSet};

use crate::dockerfile::{Diagnostic, Dockerfile, Instruction, ItemKind, Lines, Span};

use super::Rule;

/// The build argument that stands in for the directive (LINT-4).
const ARGUMENT: &str = "BUILDKIT_DOCKERFILE_CHECK";

/// What is to be checked, and how gravely.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CheckOptions {
    skip: Selection,
    experimental: Selection,
    errors: bool,
}

/// Some rules, or all of them. Names of no rule may be among them (LINT-3).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Selection {
    all: bool,
    names: BTreeSet<String>,
}

impl Selection {
    fn add(&mut self, list: &str) {
        let list = list.trim();
        if list == "all" {
            self.all = true;
        } else {
            self.names.extend(list.split(',').map(|name| name.trim().to_owned()));
        }
    }

    fn names(&self, rule: Rule) -> bool {
        self.names.contains(rule.name())
    }
}

impl CheckOptions {
    /// The options of a build of `file`.
    ///
    /// # Errors
    /// D-6, at the directive if that is to blame.
    pub fn read(file: &Dockerfile, build_args: &BTreeMap<String, String>) -> Result<Self, Box<Diagnostic>> {
        let failed = |message| format!("failed to parse check options: {message}");
        if let Some(value) = build_args.get(ARGUMENT) {
            return Self::parse(value).map_err(|message| Box::new(Diagnostic::nowhere("D-6", failed(message))));
        }
        for (line, item) in (1..).zip(&file.items) {
            let ItemKind::Directive { name, value } = &item.kind else { break };
            if name == "check" {
                return Self::parse(value).map_err(|message| {
                    let text = file.text.get(item.span.start..item.span.end).unwrap_or_default();
                    let span = Span::new(item.span.start, item.span.start + text.trim_end().len());
                    Box::new(Diagnostic::error("D-6", span, Lines { first: line, last: line }, failed(message)))
                });
            }
        }
        Ok(Self::default())
    }

    /// What the comments directly above an instruction ask for, for it alone; what is wrong there is ignored (LINT-5).
    pub(super) fn of_comments(instruction: &Instruction) -> Self {
        let mut options = Self::default();
        for line in instruction.doc.lines() {
            if let Some(Ok(found)) = comment_value(line).map(Self::parse) {
                options = found;
            }
        }
        options
    }

    /// Whether findings stop the build (LINT-7).
    pub fn are_errors(&self) -> bool {
        self.errors
    }

    /// Whether `rule` is on at an instruction with options of its own (LINT-2, LINT-6).
    pub(super) fn has_on(&self, rule: Rule, local: &Self) -> bool {
        let both = [self, local];
        if both.iter().any(|options| options.skip.names(rule)) {
            return false;
        }
        if rule.is_experimental() {
            both.iter().any(|options| options.experimental.all || options.experimental.names(rule))
        } else {
            !both.iter().any(|options| options.skip.all)
        }
    }

    /// `skip=…;error=…;experimental=…`, up to the first space (LINT-3).
    fn parse(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        let text = text.trim();
        if text.is_empty() {
            return Ok(options);
        }
        for option in text.split(' ').next().unwrap_or_default().split(';') {
            let Some((name, value)) = option.split_once('=') else {
                return Err(format!("invalid check option \"{option}\""));
            };
            match (name.trim(), value) {
                ("skip", list) => options.skip.add(list),
                ("experimental", list) => options.experimental.add(list),
                ("error", "0" | "f" | "F" | "false" | "FALSE" | "False") => options.errors = false,
                ("error", "1" | "t" | "T" | "true" | "TRUE" | "True") => options.errors = true,
                ("error", _) => return Err(format!("failed to parse check option \"{option}\"")),
                (other, _) => return Err(format!("invalid check option \"{other}\"")),
            }
        }
        Ok(options)
    }
}

/// The options in a comment line `check=…`, given without its `#`.
pub(super) fn comment_value(line: &str) -> Option<&str> {
    line.trim().strip_prefix("check")?.trim_start().strip_prefix('=').map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::parse;

    #[test]
    fn lint_3_what_is_wrong_with_options() {
        for (value, want) in [
            ("skip=all", Ok(false)),
            ("skip=A,B;error=true", Ok(true)),
            ("error=true rest is dropped", Ok(true)),
            ("", Ok(false)),
            ("error=maybe", Err("failed to parse check option \"error=maybe\"")),
            ("skip", Err("invalid check option \"skip\"")),
            ("other=1", Err("invalid check option \"other\"")),
        ] {
            let got = CheckOptions::parse(value).map(|options| options.errors);
            assert_eq!(got, want.map_err(str::to_owned), "{value}");
        }
    }

    #[test]
    fn lint_2_to_6_which_rules_are_on() {
        let usual = Rule::StageNameCasing;
        let experimental = Rule::InvalidDefinitionDescription;
        for (rule, value, local, on) in [
            (usual, "", "", true),
            (usual, "skip=all", "", false),
            (usual, "skip=Other,StageNameCasing", "", false),
            (usual, "skip=stagenamecasing", "", true),
            (usual, "", "skip=StageNameCasing", false),
            (usual, "", "skip=all", false),
            (experimental, "", "", false),
            (experimental, "experimental=all", "", true),
            (experimental, "experimental=InvalidDefinitionDescription", "", true),
            (experimental, "experimental=all;skip=all", "", true),
            (experimental, "", "experimental=all", true),
            (experimental, "experimental=all", "skip=InvalidDefinitionDescription", false),
        ] {
            let [options, local_options] = [value, local].map(|text| CheckOptions::parse(text).unwrap());
            assert_eq!(options.has_on(rule, &local_options), on, "{rule:?} {value:?} {local:?}");
        }
    }

    #[test]
    fn lint_4_the_build_argument_replaces_the_directive() {
        let file = parse(b"# check=error=true\nFROM scratch\n").file;
        let given = |value: &str| BTreeMap::from([(ARGUMENT.to_owned(), value.to_owned())]);
        assert!(CheckOptions::read(&file, &BTreeMap::new()).unwrap().are_errors());
        assert!(!CheckOptions::read(&file, &given("skip=all")).unwrap().are_errors());
        assert_eq!(CheckOptions::read(&file, &given("x")).unwrap_err().lines, None);
        let file = parse(b"# syntax=a\n# check=no\nFROM scratch\n").file;
        assert_eq!(CheckOptions::read(&file, &BTreeMap::new()).unwrap_err().lines, Some(Lines { first: 2, last: 2 }));
    }
}
