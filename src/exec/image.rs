//! The image config that a finished stage gives (dockerfile.md, CONFIG).

use crate::image::{DiffId, History, ImageConfig, Platform, rfc_3339};
use crate::plan::{BaseRef, Plan};

use super::Inputs;
use super::stage::Finished;

/// What BuildKit writes as the comment of each history entry (CONFIG-3).
const COMMENT: &str = "buildkit.dockerfile.v0";

/// Comment of entries added for layers that the history does not tell of (CONFIG-7).
const EXPORTER_COMMENT: &str = "buildkit.exporter.image.v0";

/// The config of the target, from the steps of it and of the stages below it.
///
/// `requested` is the platform asked for by name, which then overrides the base's (FROM-24).
pub(super) fn config(
    plan: &Plan,
    inputs: &dyn Inputs,
    finished: &[&Finished],
    diff_ids: Vec<DiffId>,
    requested: Option<&Platform>,
    now: i64,
) -> ImageConfig {
    let target = &plan.stages[plan.target];
    let mut chain = vec![plan.target];
    while let BaseRef::Stage(below) = plan.stages[chain[chain.len() - 1]].base {
        chain.push(below);
    }
    chain.reverse();
    let bottom = &plan.stages[chain[0]];
    let mut image = match &bottom.base {
        BaseRef::Image(id) => inputs.base(id).config,
        _ => ImageConfig::scratch(&bottom.platform),
    };
    if let BaseRef::Image(_) = bottom.base
        && image.architecture.is_empty()
    {
        image.set_platform(&bottom.platform);
    }
    let base_entries = image.history.len();
    let base_layers = image.rootfs.diff_ids.len();
    for stage in chain {
        for (step, done) in plan.stages[stage].steps.iter().zip(&finished[stage].steps) {
            let Some(created_by) = &step.created_by else { continue };
            image.history.push(History {
                created: done.created.map(|created| rfc_3339(plan.epoch.unwrap_or(created))),
                created_by: created_by.clone(),
                comment: COMMENT.to_owned(),
                empty_layer: !done.layer,
                ..History::default()
            });
        }
    }
    date_empty_entries(&mut image.history, base_entries, plan.epoch.unwrap_or(now));
    balance(&mut image.history, diff_ids.len(), base_layers);
    image.created = image.history.iter().rev().find_map(|entry| entry.created.clone()).or_else(|| Some(rfc_3339(now)));
    if let Some(epoch) = plan.epoch {
        // CONFIG-5: at most the epoch.
        let at_most = rfc_3339(epoch);
        if image.created.as_ref().is_none_or(|created| *created > at_most) {
            image.created = Some(at_most);
        }
    }
    // It would tell of the base's steps.
    image.cache = None;
    image.config = target.config.clone();
    image.author = target.author.clone().unwrap_or_default();
    image.rootfs.diff_ids = diff_ids;
    if let Some(platform) = requested {
        image.set_platform(platform);
    }
    image
}

/// CONFIG-4: an entry without a layer has the time of the entry before it, or of the first new layer.
fn date_empty_entries(history: &mut [History], base_entries: usize, now: i64) {
    let first = history[base_entries..].iter().find_map(|entry| entry.created.clone()).unwrap_or_else(|| rfc_3339(now));
    let mut last = first;
    for entry in &mut history[base_entries..] {
        match &entry.created {
            Some(created) => last.clone_from(created),
            None => entry.created = Some(last.clone()),
        }
    }
}

/// CONFIG-7: as many entries that are not empty as there are layers.
fn balance(history: &mut Vec<History>, layers: usize, base_layers: usize) {
    let mut told = history.iter().filter(|entry| !entry.empty_layer).count();
    if told < layers {
        // The layers that nobody told of are the base's: their entries belong after the base's own.
        let missing = layers - told;
        let at = history.iter().position(|entry| entry.comment == COMMENT).unwrap_or(history.len()).min(history.len());
        let at = if base_layers == 0 { history.len() } else { at };
        let entry = History { comment: EXPORTER_COMMENT.to_owned(), ..History::default() };
        history.splice(at..at, std::iter::repeat_n(entry, missing));
    }
    for entry in history.iter_mut().rev() {
        if told <= layers {
            break;
        }
        if !entry.empty_layer {
            entry.empty_layer = true;
            told -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str, empty_layer: bool) -> History {
        History { created_by: text.to_owned(), comment: COMMENT.to_owned(), empty_layer, ..History::default() }
    }

    #[test]
    fn config_4_empty_entries_take_the_time_before_them() {
        let mut history = vec![entry("ENV", true), entry("RUN", false), entry("CMD", true)];
        history[1].created = Some("2024-01-01T00:00:00Z".to_owned());
        date_empty_entries(&mut history, 0, 0);
        assert!(history.iter().all(|entry| entry.created.as_deref() == Some("2024-01-01T00:00:00Z")), "{history:?}");
    }

    #[test]
    fn config_7_history_is_made_to_fit_the_layers() {
        let mut history = vec![entry("RUN", false)];
        balance(&mut history, 2, 1);
        assert_eq!(history.len(), 2);
        assert_eq!(history[0].comment, EXPORTER_COMMENT);
        let mut history = vec![entry("a", false), entry("b", false)];
        balance(&mut history, 1, 0);
        assert!(!history[0].empty_layer && history[1].empty_layer);
    }
}
