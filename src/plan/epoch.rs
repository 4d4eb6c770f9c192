//! `SOURCE_DATE_EPOCH`: a number, or something whose time it is (ARG-13, ARG-14, TIME-6).

use crate::dockerfile::{Command, Diagnostic};

use super::planner::Planner;
use super::{BaseError, CopySource, Op, TimeOf};

/// The argument that fixes the times of what is built (ARG-13).
pub(super) const EPOCH: &str = "SOURCE_DATE_EPOCH";

impl Planner<'_> {
    /// The epoch, where there is one. Nothing that is planned may depend on it yet.
    pub(super) fn find_epoch(&self) -> Result<Option<i64>, Vec<Diagnostic>> {
        let given = self.options.build_args.get(EPOCH).cloned().or_else(|| self.stages.globals.get(EPOCH));
        let Some(value) = given.filter(|value| !value.is_empty()) else { return Ok(None) };
        if let Ok(seconds) = value.parse::<i64>() {
            return Ok(Some(seconds));
        }
        let failed = |found: BaseError| {
            let message = format!("cannot find the time of SOURCE_DATE_EPOCH={value}: {}", found.message);
            vec![Diagnostic { help: found.help, ..Diagnostic::nowhere("D-96", message) }]
        };
        if value == "context" {
            // A local one has no time: it stays unset.
            return self.bases.time(TimeOf::Context).map_err(failed);
        }
        if let Some(name) = self.bases.named(&value) {
            return self.bases.time(TimeOf::Named(&name)).map_err(failed);
        }
        match self.stages.named(&value) {
            Some(stage) => self.bases.time(TimeOf::Source(&self.only_source(stage, &value)?)).map_err(failed),
            None => Err(vec![invalid(
                &value,
                "give whole seconds since 1970, `context`, or the name of a context or of a stage that has a time",
            )]),
        }
    }

    /// The one source of a stage whose time is asked for (ARG-14).
    fn only_source(&self, stage: usize, value: &str) -> Result<CopySource, Vec<Diagnostic>> {
        let definition = &self.stages.all[stage];
        let unfit = || {
            let help =
                "a stage with a time is `FROM scratch` with nothing but ARG and one ADD of one URL or git repository";
            vec![invalid(value, help)]
        };
        let adds = definition.own.iter().filter(|own| matches!(own.command, Command::Add(..))).count();
        let is_plain = definition.own.iter().all(|own| matches!(own.command, Command::Add(..) | Command::Arg(_)));
        if !definition.is_scratch() || adds != 1 || !is_plain {
            return Err(unfit());
        }
        let mut steps = self.alone(stage)?.into_iter();
        let sources = steps.find_map(|step| match step.op {
            Op::Copy(op) => Some(op.sources),
            _ => None,
        });
        let mut sources = sources.unwrap_or_default();
        match (sources.pop(), sources.is_empty()) {
            (Some(source @ (CopySource::Url(_) | CopySource::Git(_))), true) => Ok(source),
            _ => Err(unfit()),
        }
    }
}

fn invalid(value: &str, help: &str) -> Diagnostic {
    Diagnostic::nowhere("D-96", format!("invalid SOURCE_DATE_EPOCH: {value}")).help(help)
}
