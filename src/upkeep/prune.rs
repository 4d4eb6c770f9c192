use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::store::{Gate, Item, Store, Survey};

use super::needs::{Documents, Object};
use super::units::{MARKER, Unit, units};
use super::{Error, Kind};

/// What may go.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Limits {
    /// Images that have names as well.
    pub all: bool,
    /// Only what has not been used for so long.
    pub unused_for: Option<Duration>,
    /// Only until the store takes no more bytes than this; `None`: everything that may.
    pub budget: Option<u64>,
}

/// A unit that went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Removed {
    /// What it was.
    pub kind: Kind,
    /// How people know it.
    pub name: String,
    /// When it was last used.
    pub used: SystemTime,
    /// Bytes that its going freed.
    pub bytes: u64,
}

/// What has gone, or would.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Pruned {
    /// Units, in the order in which they went.
    pub removed: Vec<Removed>,
    /// Bytes of objects that nothing needed.
    pub garbage: u64,
    /// Bytes freed in all.
    pub freed: u64,
    /// Bytes that the store takes now.
    pub left: u64,
    /// Units that stayed since somebody works with them.
    pub in_use: usize,
    /// What could not be removed: another user's.
    pub refused: Vec<PathBuf>,
}

/// Removes what may go, the longest out of use first, and what nothing needs. With `dry_run` it is only told.
///
/// Nothing that is in use goes; nobody can begin to work in the store while this looks.
pub fn prune(store: &Store, limits: &Limits, now: SystemTime, dry_run: bool) -> Result<Pruned, Error> {
    let gate = store.close_gate()?;
    let survey = store.survey()?;
    let documents = Documents::of(store, &survey);
    let units = units(store, &survey, &documents)?;
    let mut pruning = Pruning::new(&gate, &survey, &units);
    pruning.sweep();
    for unit in &units {
        if limits.budget.is_some_and(|budget| pruning.told.left <= budget) {
            break;
        }
        let is_young = limits
            .unused_for
            .is_some_and(|wanted| now.duration_since(unit.used).map_or(true, |unused| unused < wanted));
        if is_young || (unit.kind == Kind::Image && !limits.all) {
            continue;
        }
        pruning.remove(unit);
    }
    pruning.remove_markers();
    let Pruning { mut told, paths, untagged, .. } = pruning;
    if dry_run {
        return Ok(told);
    }
    for name in &untagged {
        store.untag(name)?;
    }
    let (gone, refused) = gate.take_away(&paths)?;
    drop(gate);
    // This is what takes long.
    drop(gone);
    told.refused = refused;
    Ok(told)
}

struct Pruning<'a> {
    gate: &'a Gate<'a>,
    survey: &'a Survey,
    /// How many units still need an object.
    counts: BTreeMap<Object, usize>,
    steps: usize,
    told: Pruned,
    paths: Vec<PathBuf>,
    untagged: Vec<crate::image::Reference>,
}

impl<'a> Pruning<'a> {
    fn new(gate: &'a Gate<'a>, survey: &'a Survey, units: &[Unit]) -> Self {
        let mut counts = BTreeMap::new();
        for object in units.iter().flat_map(|unit| &unit.needs) {
            *counts.entry(*object).or_default() += 1;
        }
        let steps = units.iter().filter(|unit| unit.kind == Kind::Step).count();
        let told = Pruned { left: survey.total(), ..Pruned::default() };
        Self { gate, survey, counts, steps, told, paths: Vec::new(), untagged: Vec::new() }
    }

    /// What no unit needs, and nobody has just made.
    fn sweep(&mut self) {
        let survey = self.survey;
        let blobs = survey.blobs.iter().map(|(digest, item)| (Object::Blob(*digest), item));
        let layers = survey.layers.iter().map(|(layer, item)| (Object::Layer(*layer), item));
        for (object, item) in blobs.chain(layers) {
            if !self.counts.contains_key(&object) && !self.gate.spares(item.changed) {
                self.told.garbage += self.take(item);
            }
        }
    }

    fn remove(&mut self, unit: &Unit) {
        if self.gate.spares(unit.used.max(unit.changed)) {
            self.told.in_use += 1;
            return;
        }
        let mut bytes = unit.bytes;
        self.told.left -= unit.bytes.min(self.told.left);
        self.told.freed += unit.bytes;
        self.paths.extend(unit.paths.iter().cloned());
        self.untagged.extend(unit.names.iter().cloned());
        for object in &unit.needs {
            let Some(count) = self.counts.get_mut(object) else { continue };
            *count -= 1;
            if *count == 0
                && let Some(item) = item_of(self.survey, object)
                && !self.gate.spares(item.changed)
            {
                bytes += self.take(item);
            }
        }
        self.steps -= usize::from(unit.kind == Kind::Step);
        self.told.removed.push(Removed { kind: unit.kind, name: unit.name.clone(), used: unit.used, bytes });
    }

    /// Without any record they are of no use.
    fn remove_markers(&mut self) {
        let survey = self.survey;
        let markers =
            survey.steps.iter().filter(|(name, item)| name.starts_with(MARKER) && !self.gate.spares(item.changed));
        if self.steps == 0 {
            for (_, item) in markers {
                self.take(item);
            }
        }
    }

    fn take(&mut self, item: &Item) -> u64 {
        self.paths.extend(item.paths.iter().cloned());
        self.told.left -= item.bytes.min(self.told.left);
        self.told.freed += item.bytes;
        item.bytes
    }
}

fn item_of<'a>(survey: &'a Survey, object: &Object) -> Option<&'a Item> {
    match object {
        Object::Blob(digest) => survey.blobs.get(digest),
        Object::Layer(layer) => survey.layers.get(layer),
    }
}
