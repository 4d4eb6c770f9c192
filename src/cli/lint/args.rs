use std::path::PathBuf;

use clap::ValueEnum;

use crate::dockerfile::Severity;

/// Sets of rules.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::cli) enum RuleSet {
    /// Those of `docker build --check`
    Checks,
    /// Those of hadolint, under their numbers
    Hadolint,
}

/// Forms of findings.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::cli) enum LintFormat {
    /// For people
    #[value(alias = "tty")]
    Text,
    /// One array of objects
    Json,
    /// SARIF 2.1.0, for tools
    Sarif,
}

/// Levels of findings that fail the command.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::cli) enum Threshold {
    Error,
    Warning,
    Info,
    #[value(alias = "ignore")]
    Style,
    /// Findings never fail it
    None,
}

impl Threshold {
    pub(super) fn is_reached_by(self, severity: Severity) -> bool {
        let least = match self {
            Self::Error => Severity::Error,
            Self::Warning => Severity::Warning,
            Self::Info => Severity::Info,
            Self::Style => Severity::Style,
            Self::None => return false,
        };
        severity >= least
    }
}

#[derive(clap::Args, Debug)]
pub(in crate::cli) struct LintArgs {
    /// Dockerfiles; `-` reads standard input
    #[arg(value_name = "FILE", default_value = "Dockerfile")]
    pub(super) files: Vec<PathBuf>,

    /// The sets of rules
    #[arg(long, value_name = "SET", value_enum, value_delimiter = ',', default_values = ["checks", "hadolint"])]
    pub(super) rules: Vec<RuleSet>,

    /// Leave a rule out, by its number or name; may be repeated
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub(super) ignore: Vec<String>,

    /// Fail where a finding has this level or a graver one
    #[arg(short = 't', long, value_name = "LEVEL", value_enum, default_value = "info")]
    pub(super) failure_threshold: Threshold,

    /// FROM may only use this registry; a `*` at either end stands for anything; may be repeated
    #[arg(long, value_name = "REGISTRY", value_delimiter = ',')]
    pub(super) trusted_registry: Vec<String>,

    /// The image must have this label; KIND is text, url, rfc3339, spdx, hash, semver or email; may be repeated
    #[arg(long, value_name = "LABEL:KIND", value_delimiter = ',')]
    pub(super) require_label: Vec<String>,

    /// Labels that are not required are superfluous
    #[arg(long)]
    pub(super) strict_labels: bool,

    /// Make this rule's findings errors; also for a rule that is off otherwise; may be repeated
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub(super) error: Vec<String>,

    /// The same, as warnings
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub(super) warning: Vec<String>,

    /// The same, as infos
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub(super) info: Vec<String>,

    /// The same, as matters of style
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub(super) style: Vec<String>,

    /// The form of the findings
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub(super) format: LintFormat,

    /// Mend what can be mended for certain, in the files; what is left is told
    #[arg(long)]
    pub(super) fix: bool,
}
