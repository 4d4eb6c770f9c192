use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::cache::Record;
use crate::image::{DiffId, Digest, Reference};
use crate::layer::{self, list};
use crate::rootfs::{Change, Content, File, Files, Kind};
use crate::snapshot::TreeFiles;
use crate::store::{Store, Survey};

use super::Error;
use super::needs::{Documents, Object};
use super::units::MARKER;

/// Something that is wrong.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Finding {
    /// A blob has other bytes than its name promises.
    Blob(Digest),
    /// A name leads to an image of which a part is missing that cannot be fetched.
    Name {
        /// The name.
        name: String,
        /// What is missing.
        missing: Digest,
    },
    /// A record cannot be read, or is not that of its key.
    Record(String),
    /// A record tells of a layer that the store has lost.
    Lost {
        /// The name of the record's file.
        record: String,
        /// The step.
        step: String,
    },
    /// The list of a layer cannot be read.
    List(DiffId),
    /// The tree of a layer lacks files, or has other ones than its list says.
    Tree {
        /// The layer.
        layer: DiffId,
        /// The first file that is wrong.
        file: String,
    },
    /// A tree without a list is nobody's.
    Orphan(DiffId),
    /// A file that has no business where it is.
    Stray(PathBuf),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blob(digest) => write!(f, "blob {digest} is damaged"),
            Self::Name { name, missing } => write!(f, "image {name} lacks {missing}"),
            Self::Record(key) => write!(f, "record {key} is damaged"),
            Self::Lost { record, step } => write!(f, "the layer of `{step}` is lost, which record {record} tells of"),
            Self::List(layer) => write!(f, "the list of layer {layer} is damaged"),
            Self::Tree { layer, file } => write!(f, "the files of layer {layer} are damaged: {file}"),
            Self::Orphan(layer) => write!(f, "the files of layer {layer} belong to nothing"),
            Self::Stray(path) => write!(f, "{} has no business in the store", path.display()),
        }
    }
}

/// What a check has looked at, and found.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Checked {
    /// What is wrong, sorted.
    pub findings: Vec<Finding>,
    /// Blobs that were read.
    pub blobs: usize,
    /// Bytes of them.
    pub bytes: u64,
    /// Records that were read.
    pub records: usize,
    /// Trees whose files were read: those that this user's builds would take.
    pub trees: usize,
}

/// Reads everything: blobs against their digests, files of layers against their lists, records against their keys, and sees that
/// what names and records lead to is there. `threads` read blobs at the same time.
pub fn check(store: &Store, threads: usize) -> Result<Checked, Error> {
    let survey = store.survey()?;
    let mut checked = Checked::default();
    let damaged = blobs(store, &survey, threads, &mut checked)?;
    let is_here = |digest: &Digest| store.has(digest) && !damaged.contains(digest);
    let (mut bad_lists, mut bad_trees) = (BTreeSet::new(), BTreeSet::new());
    let own = own_layers(&survey);
    for layer in survey.layers.keys() {
        let found = layer_finding(store, layer, own.contains(layer), &mut checked.trees)?;
        match &found {
            Some(Finding::List(_)) => drop(bad_lists.insert(*layer)),
            Some(Finding::Tree { .. }) => drop(bad_trees.insert(*layer)),
            _ => {}
        }
        checked.findings.extend(found);
    }
    // Those of other users count as well, though nobody looks into them.
    let has_tree = |layer: &DiffId| {
        let paths = survey.layers.get(layer).map_or(&[][..], |item| item.paths.as_slice());
        !bad_trees.contains(layer) && paths.iter().any(|path| path.is_dir())
    };
    let is_held = |layer: &DiffId| -> Result<bool, Error> {
        let has_list = store.list(layer)?.is_some() && !bad_lists.contains(layer);
        Ok(has_list && (has_tree(layer) || store.blob_of(layer)?.is_some_and(|blob| is_here(&blob.digest))))
    };
    for (key, item) in survey.steps.iter().filter(|(key, _)| !key.starts_with(MARKER)) {
        checked.records += 1;
        let bytes = item.paths.first().map(std::fs::read).transpose()?.unwrap_or_default();
        let line = bytes.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        // A record by content has the first line alone.
        let own =
            bytes.len() == line.len() || Record::preimage(&bytes).is_some_and(|preimage| preimage.key().hex() == *key);
        match Record::from_line(line).filter(|_| own) {
            None => checked.findings.push(Finding::Record(key.clone())),
            Some(record) if !is_held(&record.layer.diff_id)? => {
                checked.findings.push(Finding::Lost { record: key.clone(), step: record.text });
            }
            Some(_) => {}
        }
    }
    let documents = Documents::of(store, &survey);
    for (name, top) in store.names()? {
        let needs = documents.needs(store, &top.digest);
        let missing = needs.iter().find_map(|object| match object {
            Object::Blob(digest) if !is_here(digest) && !store.has_source(digest) => Some(*digest),
            _ => None,
        });
        checked.findings.extend(missing.map(|missing| Finding::Name { name, missing }));
    }
    checked.findings.extend(survey.strays.into_iter().map(Finding::Stray));
    checked.findings.sort();
    Ok(checked)
}

/// Rehashes all blobs, and gives the damaged ones.
fn blobs(store: &Store, survey: &Survey, threads: usize, checked: &mut Checked) -> io::Result<BTreeSet<Digest>> {
    let queue = Mutex::new(survey.blobs.keys().filter(|digest| store.has(digest)));
    let results = Mutex::new(Vec::new());
    let work = || {
        while let Some(digest) = queue.lock().unwrap_or_else(PoisonError::into_inner).next() {
            let found = store.hash_blob(digest);
            results.lock().unwrap_or_else(PoisonError::into_inner).push((*digest, found));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(work);
        }
    });
    let mut damaged = BTreeSet::new();
    for (digest, found) in results.into_inner().unwrap_or_else(PoisonError::into_inner) {
        match found {
            Ok((found, size)) => {
                checked.blobs += 1;
                checked.bytes += size;
                if found != digest {
                    damaged.insert(digest);
                }
            }
            // Removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    checked.findings.extend(damaged.iter().copied().map(Finding::Blob));
    Ok(damaged)
}

/// The layers that records tell of: kiln has packed them, and packs them alike at any time.
fn own_layers(survey: &Survey) -> BTreeSet<DiffId> {
    let first_line = |path: &PathBuf| {
        let bytes = std::fs::read(path).ok()?;
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        Record::from_line(&bytes[..=end])
    };
    survey
        .steps
        .values()
        .filter_map(|item| item.paths.first().and_then(first_line))
        .map(|it| it.layer.diff_id)
        .collect()
}

/// `is_own` is whether kiln has packed the layer itself.
fn layer_finding(store: &Store, layer: &DiffId, is_own: bool, trees: &mut usize) -> Result<Option<Finding>, Error> {
    let Some(tree) = store.tree(layer) else {
        let Some(bytes) = store.list(layer)? else { return Ok(None) };
        let nowhere: Arc<dyn Files> = Arc::new(TreeFiles::open(store.root())?);
        return Ok(list::from_bytes(&bytes, &nowhere).is_err().then_some(Finding::List(*layer)));
    };
    let Some(bytes) = store.list(layer)? else { return Ok(Some(Finding::Orphan(*layer))) };
    *trees += 1;
    let files: Arc<dyn Files> = Arc::new(TreeFiles::open(&tree)?);
    let Ok(changes) = list::from_bytes(&bytes, &files) else { return Ok(Some(Finding::List(*layer))) };
    let wrong = changes.0.iter().find(|change| match change {
        Change::Put { inode, .. } => matches!(&inode.kind, Kind::File(file) if !is_whole(file)),
        _ => false,
    });
    if let Some(change) = wrong {
        return Ok(Some(Finding::Tree { layer: *layer, file: change.path().to_string() }));
    }
    let is_other = is_own && layer::pack(&changes, &mut io::sink()).map_or(true, |packed| packed.diff_id != *layer);
    Ok(is_other.then_some(Finding::List(*layer)))
}

/// Whether a file of a tree has the length and the content that the list says.
fn is_whole(listed: &File) -> bool {
    let Content::At { files, path } = &listed.content else { return true };
    let Ok(meta) = files.open(path).and_then(|file| file.metadata()) else { return false };
    if meta.len() != listed.size {
        return false;
    }
    listed.digest.get().is_none_or(|digest| {
        File::at(Arc::clone(files), path.clone(), listed.size).digest().is_ok_and(|found| found == *digest)
    })
}

/// Removes what a check has found to be wrong, so that the next build makes it again. What could not be removed is returned.
///
/// # Errors
/// [`Error::InUse`] while anybody works in the store.
pub fn repair(store: &Store, findings: &[Finding]) -> Result<Vec<PathBuf>, Error> {
    let gate = store.close_gate()?;
    if gate.is_in_use() {
        return Err(Error::InUse);
    }
    let survey = store.survey()?;
    let mut paths: Vec<PathBuf> = Vec::new();
    for finding in findings {
        match finding {
            // Where else it is, is not wrong.
            Finding::Blob(digest) => store.drop_blob(digest),
            Finding::Name { name, .. } => {
                if let Ok(name) = name.parse::<Reference>() {
                    store.untag(&name)?;
                }
            }
            Finding::Record(key) | Finding::Lost { record: key, .. } => {
                paths.extend(survey.steps.get(key).into_iter().flat_map(|item| item.paths.clone()));
            }
            Finding::List(layer) => {
                paths.extend(survey.layers.get(layer).into_iter().flat_map(|item| item.paths.clone()));
            }
            Finding::Tree { layer, .. } | Finding::Orphan(layer) => paths.extend(store.tree(layer)),
            Finding::Stray(path) => paths.push(path.clone()),
        }
    }
    let (gone, refused) = gate.take_away(&paths)?;
    drop(gate);
    drop(gone);
    Ok(refused)
}
