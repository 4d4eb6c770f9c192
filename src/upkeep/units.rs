use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::cache::{Parent, Record};
use crate::download;
use crate::image::{Digest, Reference};
use crate::store::{Item, Store, Survey};

use super::needs::{Documents, Object};

/// The names of files in `steps` that are no records, but tell that a step has run at all.
pub(super) const MARKER: &str = "seen-";

/// And of those that remember an image of `host:`.
const HOST: &str = "host-";

/// What a unit is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// An image that has a name.
    Image,
    /// An image that has none: it lost it, or was built without.
    Unnamed,
    /// What one step gave.
    Step,
    /// The directory of a `RUN --mount=type=cache`.
    Mount,
    /// Remembered digests of a build context.
    Context,
    /// The files of a git commit.
    Checkout,
    /// A file by URL.
    Download,
}

/// Something that is used, and goes, as a whole.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) kind: Kind,
    /// How people know it.
    pub(super) name: String,
    /// Its names, of an image.
    pub(super) names: Vec<Reference>,
    /// When it, or what builds on it, was last used.
    pub(super) used: SystemTime,
    /// When any of it last changed.
    pub(super) changed: SystemTime,
    /// Steps below it: of those used at the same time the upper goes first, since it is of no use without the lower.
    pub(super) depth: usize,
    /// What is its own.
    pub(super) paths: Vec<PathBuf>,
    /// Bytes of that.
    pub(super) bytes: u64,
    /// What it shares.
    pub(super) needs: BTreeSet<Object>,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Image => "image",
            Self::Unnamed => "unnamed image",
            Self::Step => "step",
            Self::Mount => "cache mount",
            Self::Context => "context index",
            Self::Checkout => "git checkout",
            Self::Download => "download",
        })
    }
}

/// All units of a store, the one that has been out of use the longest first.
pub(super) fn units(store: &Store, survey: &Survey, documents: &Documents) -> io::Result<Vec<Unit>> {
    let mut units = images(store, survey, documents)?;
    units.extend(steps(store, survey));
    for (kind, items) in
        [(Kind::Mount, &survey.mounts), (Kind::Context, &survey.contexts), (Kind::Checkout, &survey.checkouts)]
    {
        units.extend(items.iter().map(|(name, item)| Unit::of(kind, name.clone(), item)));
    }
    units.extend(survey.downloads.iter().map(|(id, item)| download_unit(id, item)));
    units.sort_by(|a, b| (a.used, b.depth, &a.name).cmp(&(b.used, a.depth, &b.name)));
    Ok(units)
}

impl Unit {
    fn of(kind: Kind, name: String, item: &Item) -> Self {
        let (paths, bytes) = (item.paths.clone(), item.bytes);
        let (used, changed, needs) = (item.used, item.changed, BTreeSet::new());
        Self { kind, name, names: Vec::new(), used, changed, depth: 0, paths, bytes, needs }
    }
}

/// A record of a download, and the blob that it tells of.
fn download_unit(id: &str, item: &Item) -> Unit {
    let record = item.paths.first().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
    match download::read_record(&record) {
        Some((url, blob)) => Unit { needs: [Object::Blob(blob)].into(), ..Unit::of(Kind::Download, url, item) },
        None => Unit::of(Kind::Download, id.to_owned(), item),
    }
}

/// Images by their manifest or index, named or not. What stands below an index is no image of its own.
fn images(store: &Store, survey: &Survey, documents: &Documents) -> io::Result<Vec<Unit>> {
    let mut named: BTreeMap<Digest, Vec<Reference>> = BTreeMap::new();
    for (name, top) in store.names()? {
        named.entry(top.digest).or_default().extend(name.parse::<Reference>());
    }
    let all: BTreeMap<Digest, BTreeSet<Object>> =
        named.keys().chain(documents.digests()).map(|digest| (*digest, documents.needs(store, digest))).collect();
    let is_below = |digest: &Digest| {
        let own = Object::Blob(*digest);
        all.iter().any(|(other, needs)| other != digest && needs.contains(&own))
    };
    let unit = |(digest, needs): (&Digest, &BTreeSet<Object>)| {
        let names = named.get(digest).cloned().unwrap_or_default();
        if names.is_empty() && is_below(digest) {
            return None;
        }
        let times = survey.blobs.get(digest).map(|item| (item.used, item.changed));
        let (used, changed) = times.unwrap_or((SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH));
        let kind = if names.is_empty() { Kind::Unnamed } else { Kind::Image };
        let familiar: Vec<String> = names.iter().map(Reference::familiar).collect();
        let name = if names.is_empty() { digest.to_string() } else { familiar.join(", ") };
        let (paths, needs) = (Vec::new(), needs.clone());
        Some(Unit { kind, name, names, used, changed, depth: 0, paths, bytes: 0, needs })
    };
    Ok(all.iter().filter_map(unit).collect())
}

/// A record of a step.
struct Known {
    /// The place of its unit among all.
    unit: usize,
    /// It tells what it stands on.
    is_by_history: bool,
    used: SystemTime,
    changed: SystemTime,
    /// The key of the record that it stands on.
    parent: Option<String>,
}

/// The records of each step: those by history and by content that tell of the same layer are one unit. Such a unit may
/// stand on several others, so what stands below counts as used when the very record was that stands on it.
fn steps(store: &Store, survey: &Survey) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut by_line: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut records: BTreeMap<&str, Known> = BTreeMap::new();
    for (key, item) in survey.steps.iter().filter(|(key, _)| !key.starts_with(MARKER)) {
        let bytes = item.paths.first().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
        let line = bytes.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        let at = *by_line.entry(line.to_vec()).or_insert_with(|| {
            let record = Record::from_line(line);
            let unread =
                if key.starts_with(HOST) { "programs of this machine" } else { "a record that cannot be read" };
            let name = record.as_ref().map_or_else(|| unread.to_owned(), |record| record.text.clone());
            let mut unit = Unit::of(Kind::Step, name, item);
            (unit.paths, unit.bytes, unit.used) = (Vec::new(), 0, SystemTime::UNIX_EPOCH);
            if let Some(record) = record {
                let blob = store.blob_of(&record.layer.diff_id).ok().flatten();
                unit.needs.extend(blob.map(|blob| Object::Blob(blob.digest)));
                unit.needs.insert(Object::Layer(record.layer.diff_id));
            }
            units.push(unit);
            units.len() - 1
        });
        let unit = &mut units[at];
        unit.changed = unit.changed.max(item.changed);
        unit.bytes += item.bytes;
        unit.paths.extend(item.paths.iter().cloned());
        let parent = match Record::parent(&bytes) {
            Some(Parent::Step(parent)) => Some(parent.hex()),
            _ => None,
        };
        let is_by_history = bytes.len() > line.len();
        records.insert(key, Known { unit: at, is_by_history, used: item.used, changed: item.changed, parent });
    }
    // A hit by content is told of by history as well, and there alone it is known on what: other times do not count.
    let told: BTreeSet<usize> =
        records.values().filter(|record| record.is_by_history).map(|record| record.unit).collect();
    for record in records.values().filter(|record| record.is_by_history || !told.contains(&record.unit)) {
        let unit = &mut units[record.unit];
        unit.used = unit.used.max(record.used);
    }
    let below = |record: &Known| record.parent.as_deref().and_then(|key| records.get(key));
    for record in records.values() {
        let (mut depth, mut next) = (0, below(record));
        // Records that lead in a circle are damaged, and still must end.
        while let Some(lower) = next.filter(|_| depth <= records.len()) {
            let unit = &mut units[lower.unit];
            unit.used = unit.used.max(record.used);
            unit.changed = unit.changed.max(record.changed);
            (depth, next) = (depth + 1, below(lower));
        }
        let unit = &mut units[record.unit];
        unit.depth = unit.depth.max(depth);
    }
    units
}
