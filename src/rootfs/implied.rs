//! Directories that a layer has something in and does not list.

use std::collections::BTreeSet;

use super::{Change, Changes, RootPath};

impl Changes {
    /// Directories that lie on the way to an entry and have none of their own, in order. What they are is told by the layers
    /// below; kiln's own layers have none (TAR-2).
    pub fn implied_directories(&self) -> Vec<RootPath> {
        let stated = |change: &Change| match change {
            Change::Directory { path, .. } => Some(path.clone()),
            _ => None,
        };
        let stated: BTreeSet<RootPath> = self.0.iter().filter_map(stated).collect();
        let mut implied = BTreeSet::new();
        for change in &self.0 {
            let mut at = match change {
                // It is about the directory, and says nothing of what that is.
                Change::Opaque { path } => Some(path.clone()),
                other => other.path().split_last().map(|(parent, _)| parent),
            };
            while let Some(path) = at {
                at = path.split_last().map(|(parent, _)| parent);
                if path.is_root() || (!stated.contains(&path) && !implied.insert(path)) {
                    break;
                }
            }
        }
        implied.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apply_1_parents_without_an_entry_are_implied() {
        let path = |text: &str| RootPath::clamped(text.as_bytes());
        let changes = Changes(vec![
            Change::Directory { path: path("a"), meta: crate::rootfs::Meta::default().into() },
            Change::Remove { path: path("a/b/c/x") },
            Change::Remove { path: path("a/b/y") },
            Change::Opaque { path: path("o") },
            Change::Remove { path: path("top") },
        ]);
        assert_eq!(changes.implied_directories(), [path("a/b"), path("a/b/c"), path("o")]);
    }
}
