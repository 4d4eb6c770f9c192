use std::collections::{BTreeMap, BTreeSet};

use crate::dockerfile::{Diagnostic, Severity};

use super::catalogue::Numbered;

/// What the command line says about hadolint's rules.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HadolintOptions {
    /// Numbers that are off.
    pub ignore: BTreeSet<String>,
    /// Levels in place of those of the catalogue; also for rules that have none there.
    pub levels: BTreeMap<String, Severity>,
    /// Registries that FROM may use; empty: any. A `*` at either end stands for anything.
    pub trusted_registries: Vec<String>,
    /// Labels that the image must have, and what they must hold.
    pub labels: BTreeMap<String, LabelKind>,
    /// Labels other than those are superfluous.
    pub strict_labels: bool,
}

/// What a label must hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LabelKind {
    /// Anything.
    Text,
    /// A URL.
    Url,
    /// A time.
    Rfc3339,
    /// A licence.
    Spdx,
    /// A git hash.
    Hash,
    /// A semantic version.
    SemanticVersion,
    /// An e-mail address.
    Email,
}

impl LabelKind {
    /// The kind of that name; hadolint's configuration has the same names.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "text" | "rawtext" => Self::Text,
            "url" => Self::Url,
            "rfc3339" => Self::Rfc3339,
            "spdx" => Self::Spdx,
            "hash" => Self::Hash,
            "semver" => Self::SemanticVersion,
            "email" => Self::Email,
            _ => return None,
        })
    }
}

impl HadolintOptions {
    /// The level of a rule here; `None` where it is off.
    pub(super) fn level(&self, rule: &Numbered) -> Option<Severity> {
        if self.ignore.contains(rule.code) {
            return None;
        }
        self.levels.get(rule.code).copied().or(rule.level)
    }

    /// Gives what keeps a file from being read the number that hadolint has for it (DL3043, DL3061).
    pub fn number_errors(&self, errors: &mut [Diagnostic]) {
        for error in errors {
            let code = match &*error.code {
                "D-77" => "DL3043",
                "D-14" => "DL3061",
                _ => continue,
            };
            if !self.ignore.contains(code) {
                error.code = code.into();
            }
        }
    }
}
