//! Flags of other builders: those that kiln cannot honour are refused, those that change nothing are named and passed over.

use super::failure::Failure;

/// Flags that change the result, and that kiln does not have yet: an error, never silence.
#[derive(clap::Args, Debug, Default)]
pub(super) struct Unsupported {
    #[arg(long, hide = true)]
    pub(super) attest: Vec<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) sbom: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) provenance: Option<String>,
    #[arg(long, hide = true)]
    pub(super) annotation: Vec<String>,
}

/// Flags that change nothing here (cli.md, rows marked N).
#[derive(clap::Args, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Ignored {
    #[arg(long, hide = true)]
    builder: Option<String>,
    #[arg(short = 'D', long, hide = true)]
    debug: bool,
    #[arg(long, hide = true)]
    compress: bool,
    #[arg(long, hide = true)]
    squash: bool,
    #[arg(long, hide = true)]
    stream: bool,
    #[arg(long, hide = true)]
    disable_content_trust: bool,
    #[arg(long, hide = true)]
    security_opt: Vec<String>,
    #[arg(long, hide = true)]
    rm: bool,
    #[arg(long, hide = true)]
    force_rm: bool,
}

impl Unsupported {
    /// Fails for the first that was given a meaning.
    pub(super) fn refuse(&self) -> Result<(), Failure> {
        let asks = |value: &Option<String>| value.as_deref().is_some_and(|value| !is_off(value));
        let given = [
            ("--attest", !self.attest.is_empty(), "leave it out"),
            ("--sbom", asks(&self.sbom), "pass `--sbom=false`"),
            ("--provenance", asks(&self.provenance), "pass `--provenance=false`"),
            ("--annotation", !self.annotation.is_empty(), "use `--label`"),
        ];
        match given.into_iter().find(|(_, given, _)| *given) {
            Some((flag, _, hint)) => Err(Failure::usage(format!("`{flag}` is not supported yet"), Some(hint))),
            None => Ok(()),
        }
    }
}

impl Ignored {
    /// The flags given whose absence of effect somebody may notice.
    pub(super) fn given(&self) -> Vec<&'static str> {
        let given = [
            ("--compress", self.compress),
            ("--squash", self.squash),
            ("--stream", self.stream),
            ("--security-opt", !self.security_opt.is_empty()),
        ];
        given.into_iter().filter_map(|(flag, given)| given.then_some(flag)).collect()
    }
}

fn is_off(value: &str) -> bool {
    matches!(value, "" | "false" | "False" | "FALSE" | "f" | "F" | "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_flags_that_are_not_built_are_refused_only_where_they_ask_for_something() {
        let some = |text: &str| Some(text.to_owned());
        for (row, flags, good) in [
            ("none", Unsupported::default(), true),
            ("provenance off", Unsupported { provenance: some("false"), ..Unsupported::default() }, true),
            ("provenance on", Unsupported { provenance: some("mode=max"), ..Unsupported::default() }, false),
            ("annotation", Unsupported { annotation: vec!["x".to_owned()], ..Unsupported::default() }, false),
        ] {
            assert_eq!(flags.refuse().is_ok(), good, "{row}");
        }
    }
}
