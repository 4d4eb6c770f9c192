use std::fs;
use std::io;

use crate::image::Digest;

use super::Store;

/// Repositories remembered for one blob.
const MOST: usize = 8;

impl Store {
    /// Repositories that have had the blob, `registry/repository` each, the last one first. It can be fetched there, or
    /// mounted into another repository of the registry.
    pub fn sources(&self, blob: &Digest) -> io::Result<Vec<String>> {
        let bytes = Self::read(&self.kiln("sources").join(blob.hex()))?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
    }

    /// Whether a repository is known that has the blob.
    pub fn has_source(&self, blob: &Digest) -> bool {
        self.kiln("sources").join(blob.hex()).exists()
    }

    /// Remembers that `repository`, `registry/repository`, has the blob.
    pub fn put_source(&self, blob: &Digest, repository: &str) -> io::Result<()> {
        let mut known = self.sources(blob)?;
        if known.first().is_some_and(|first| first == repository) {
            return Ok(());
        }
        known.retain(|other| other != repository);
        known.insert(0, repository.to_owned());
        known.truncate(MOST);
        // Stores made by an older kiln have no such directory.
        fs::create_dir_all(self.kiln("sources"))?;
        self.replace(&self.kiln("sources").join(blob.hex()), (known.join("\n") + "\n").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_source_comes_first_and_there_are_not_too_many() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let blob = Digest::of(b"x");
        assert!(store.sources(&blob).unwrap().is_empty() && !store.has_source(&blob));
        for number in 0..20 {
            store.put_source(&blob, &format!("localhost/{number}")).unwrap();
        }
        store.put_source(&blob, "localhost/15").unwrap();
        let sources = store.sources(&blob).unwrap();
        assert_eq!((sources.len(), sources[0].as_str(), sources[1].as_str()), (MOST, "localhost/15", "localhost/19"));
    }
}
