//! What the reference builder accepts although it is hardly meant (M-11): accepted here too, and told of.

use crate::copy::{self, Selection};
use crate::plan::{CopyOp, CopySource, Op, Plan, Step};
use crate::progress::{Event, SharedSink};
use crate::rootfs::RootFs;

use super::Build;

/// Tells of what the plan alone shows.
pub(super) fn tell(plan: &Plan, sink: &SharedSink) {
    for step in plan.stages.iter().flat_map(|stage| &stage.steps) {
        let user = step.created_by.as_deref().and_then(|text| text.strip_prefix("USER "));
        match (&step.op, user) {
            (Op::Run(_), _) if step.text.trim().eq_ignore_ascii_case("run") => warn(sink, step, "RUN has no command"),
            (Op::Meta(_), Some(user)) if user.trim().contains(char::is_whitespace) => {
                warn(sink, step, &format!("`{user}` is taken for the name of one user; a group follows a colon"));
            }
            _ => {}
        }
    }
}

impl Build<'_> {
    /// Sources that name nothing.
    pub(super) fn tell_of_nothing(&self, step: &Step, op: &CopyOp, files: &Selection) {
        let only_paths = op.sources.iter().all(|source| matches!(source, CopySource::Path(_)));
        if only_paths && files.is_empty() {
            warn(self.sink, step, "no file matches: the layer is empty");
        }
    }

    /// A copy from `old` to `new` that went another way than one may think.
    pub(super) fn tell_of_copy(&self, step: &Step, op: &CopyOp, files: &Selection, (old, new): (&RootFs, &RootFs)) {
        for name in copy::unknown_names(old, op.chown.as_deref().unwrap_or_default()) {
            warn(
                self.sink,
                step,
                &format!("`--chown`: there is no `{name}`; root stands in for a user, and no group is set"),
            );
        }
        let heredocs = op.sources.iter().filter(|source| matches!(source, CopySource::Heredoc { .. })).count();
        let found = new.resolve(op.destination.as_bytes(), true).ok().and_then(|found| found.node);
        if files.names() + heredocs > 1 && found.is_some_and(|node| !node.is_directory()) {
            let text = format!("of several files `{0}` is the last one; `{0}/` would take all of them", op.destination);
            warn(self.sink, step, &text);
        }
    }
}

fn warn(sink: &SharedSink, step: &Step, text: &str) {
    sink.event(Event::Warning(format!("line {}: {text}", step.lines.first)));
}
