use std::collections::{BTreeMap, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::image::{DiffId, Digest};

use super::Store;
use super::attend::changed;

/// Ends the name of the file that tells when a cache mount was last used.
pub(super) const USED: &str = ".used";

/// Something that the store keeps: the files and directories that come and go together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// Where they are.
    pub paths: Vec<PathBuf>,
    /// What they take on the disk.
    pub bytes: u64,
    /// When it was last used.
    pub used: SystemTime,
    /// When any of it last changed, as the kernel saw it, be it only in being used.
    pub changed: SystemTime,
}

/// Everything in a store.
#[derive(Clone, Default, Debug)]
pub struct Survey {
    /// Blobs, each with what is known about where else it is. A blob that is not here may have that alone.
    pub blobs: BTreeMap<Digest, Item>,
    /// Layers: list, wrap and trees.
    pub layers: BTreeMap<DiffId, Item>,
    /// Files of step records, by name.
    pub steps: BTreeMap<String, Item>,
    /// Cache mounts, by standing and id.
    pub mounts: BTreeMap<String, Item>,
    /// Indexes of build contexts.
    pub contexts: BTreeMap<String, Item>,
    /// Checkouts of git commits.
    pub checkouts: BTreeMap<String, Item>,
    /// Records of downloads.
    pub downloads: BTreeMap<String, Item>,
    /// Files that have no business where they are.
    pub strays: Vec<PathBuf>,
    /// Bytes of everything else: the directories themselves, names, locks, work in progress.
    pub other: u64,
}

impl Item {
    fn new() -> Self {
        let never = SystemTime::UNIX_EPOCH;
        Self { paths: Vec::new(), bytes: 0, used: never, changed: never }
    }

    /// Adds a file or a directory. `counts` is whether its time of change tells when the whole was last used.
    fn add(&mut self, path: PathBuf, meta: &Metadata, counts: bool) {
        self.bytes += if meta.is_dir() { size_below(&path) } else { size_of(meta) };
        self.changed = self.changed.max(changed(meta));
        if counts {
            self.used = self.used.max(meta.modified().unwrap_or(SystemTime::UNIX_EPOCH));
        }
        self.paths.push(path);
    }
}

impl Survey {
    /// Bytes of the whole store on the disk.
    pub fn total(&self) -> u64 {
        let items = self.blobs.values().chain(self.layers.values()).chain(self.steps.values());
        let items = items.chain(self.mounts.values()).chain(self.contexts.values());
        let items = items.chain(self.checkouts.values()).chain(self.downloads.values());
        self.other + items.map(|item| item.bytes).sum::<u64>()
    }
}

impl Store {
    /// Looks at everything in the store. What another process removes meanwhile is passed over.
    pub fn survey(&self) -> io::Result<Survey> {
        let mut survey = Survey::default();
        let mut known = vec![self.root.join("blobs/sha256")];
        survey.blobs = survey.gather(&known[0], |name| Digest::from_hex(name).ok(), true)?;
        for name in ["sources", "sound"] {
            let dir = self.kiln(name);
            merge(&mut survey.blobs, survey_of(&dir, |name| Digest::from_hex(name).ok())?);
            known.push(dir);
        }
        let layer = |name: &str| Digest::from_hex(name).ok().map(DiffId);
        for (dir, counts) in self.layer_dirs()? {
            let found = survey.gather(&dir, layer, counts)?;
            merge(&mut survey.layers, found);
            known.push(dir);
        }
        for (name, counts) in [("steps", true), ("contexts", true), ("checkouts", true), ("downloads", true)] {
            let dir = self.kiln(name);
            let found = survey.gather(&dir, |name| Some(name.to_owned()), counts)?;
            match name {
                "steps" => survey.steps = found,
                "contexts" => survey.contexts = found,
                "checkouts" => survey.checkouts = found,
                _ => survey.downloads = found,
            }
            known.push(dir);
        }
        for dir in self.dirs_named("mounts")? {
            let standing = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let id = |name: &str| Some(format!("{standing}/{}", name.strip_suffix(USED).unwrap_or(name)));
            merge(&mut survey.mounts, survey_of(&dir, id)?);
            known.push(dir);
        }
        for mount in survey.mounts.values_mut() {
            // The files of a mount are its steps' own; only the mark tells when it was used. Without one it was never.
            let mark = mount.paths.iter().find(|path| path.to_string_lossy().ends_with(USED));
            let used = mark.and_then(|mark| fs::metadata(mark).and_then(|meta| meta.modified()).ok());
            mount.used = used.unwrap_or(mount.changed);
        }
        survey.other += self.size_without(&known);
        Ok(survey)
    }

    /// The directories that hold parts of layers, and whether the times in them tell when a layer was used.
    fn layer_dirs(&self) -> io::Result<Vec<(PathBuf, bool)>> {
        let mut dirs = vec![(self.kiln("lists"), true), (self.kiln("wraps"), true)];
        // The root of a tree has whatever time the layer says.
        dirs.extend(self.dirs_named("trees")?.into_iter().map(|dir| (dir, false)));
        Ok(dirs)
    }

    /// `kiln/NAME` and `kiln/NAME-STANDING`.
    fn dirs_named(&self, name: &str) -> io::Result<Vec<PathBuf>> {
        let mut dirs = Vec::new();
        for entry in fs::read_dir(self.root.join("kiln"))? {
            let path = entry?.path();
            let found = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if found.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')) {
                dirs.push(path);
            }
        }
        dirs.sort();
        Ok(dirs)
    }

    /// Bytes of all that does not lie directly in one of `known`.
    fn size_without(&self, known: &[PathBuf]) -> u64 {
        let walk = walkdir::WalkDir::new(&self.root).into_iter();
        let walk =
            walk.filter_entry(|entry| !entry.path().parent().is_some_and(|dir| known.iter().any(|known| known == dir)));
        walk.filter_map(Result::ok).filter_map(|entry| entry.metadata().ok()).map(|meta| size_of(&meta)).sum()
    }
}

impl Survey {
    /// The entries of a directory by what their names mean; those that mean nothing are strays.
    fn gather<K: Ord>(
        &mut self,
        dir: &Path,
        key: impl Fn(&str) -> Option<K>,
        counts: bool,
    ) -> io::Result<BTreeMap<K, Item>> {
        let mut found = BTreeMap::new();
        for (name, path, meta) in entries(dir)? {
            match key(&name) {
                Some(key) => found.entry(key).or_insert_with(Item::new).add(path, &meta, counts),
                None => {
                    self.other += size_of(&meta);
                    self.strays.push(path);
                }
            }
        }
        Ok(found)
    }
}

/// The same, with strays passed over and no time that counts.
fn survey_of<K: Ord>(dir: &Path, key: impl Fn(&str) -> Option<K>) -> io::Result<BTreeMap<K, Item>> {
    Survey::default().gather(dir, key, false)
}

fn merge<K: Ord>(into: &mut BTreeMap<K, Item>, more: BTreeMap<K, Item>) {
    for (key, item) in more {
        let known = into.entry(key).or_insert_with(Item::new);
        known.bytes += item.bytes;
        known.used = known.used.max(item.used);
        known.changed = known.changed.max(item.changed);
        known.paths.extend(item.paths);
    }
}

fn entries(dir: &Path) -> io::Result<Vec<(String, PathBuf, Metadata)>> {
    let read = match fs::read_dir(dir) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in read {
        let entry = entry?;
        // Gone meanwhile.
        let Ok(meta) = entry.metadata() else { continue };
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path(), meta));
    }
    Ok(found)
}

fn size_of(meta: &Metadata) -> u64 {
    // POSIX leaves the unit open; on Linux it is 512 bytes on every file system.
    meta.blocks() * 512
}

/// Bytes of a directory and everything below it, as far as it can be read; of two names of one file the first counts.
fn size_below(dir: &Path) -> u64 {
    let mut seen = HashSet::new();
    let entries = walkdir::WalkDir::new(dir).into_iter().filter_map(Result::ok);
    entries
        .filter_map(|entry| entry.metadata().ok())
        .filter(|meta| meta.is_dir() || meta.nlink() == 1 || seen.insert((meta.dev(), meta.ino())))
        .map(|meta| size_of(&meta))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_counted_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let blob = store.put_blob(&[b'x'; 10_000]).unwrap();
        let layer = DiffId(Digest::of(b"layer"));
        store.put_list(&layer, store.draft(|out| out.write_all(b"list")).unwrap()).unwrap();
        store.put_source(&blob, "localhost/x").unwrap();
        store.put_step("key", b"record").unwrap();
        let tree = store.temp_dir().unwrap().join("tree");
        fs::create_dir_all(tree.join("deep")).unwrap();
        fs::write(tree.join("deep/file"), vec![b'y'; 20_000]).unwrap();
        fs::hard_link(tree.join("deep/file"), tree.join("again")).unwrap();
        store.adopt_tree(&layer, &tree).unwrap();
        fs::write(dir.path().join("blobs/sha256/stray"), "z").unwrap();
        let survey = store.survey().unwrap();
        assert_eq!(survey.blobs[&blob].paths.len(), 2);
        assert_eq!(survey.layers[&layer].paths.len(), 2);
        assert!((20_000..50_000).contains(&survey.layers[&layer].bytes), "{}", survey.layers[&layer].bytes);
        assert_eq!(survey.steps.len(), 1);
        assert_eq!(survey.strays.len(), 1);
        assert_eq!(survey.total(), size_below(dir.path()));
    }
}
