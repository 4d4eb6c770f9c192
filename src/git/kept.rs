use std::fs;
use std::path::Path;

use crate::image::Digest;
use crate::remote::Mtime;
use crate::store::Store;

use super::checkout::Checkout;
use super::{Error, Git, Revision};

/// The files of a checkout, beside the time of its commit.
const FILES: &str = "files";
/// The time of the commit.
const TIME: &str = "time";

/// The checkout of `revision` in the store, fetched unless an earlier build has: a commit never changes. `keep` is
/// whether `.git` stays.
pub fn kept(git: &Git<'_>, revision: &Revision, keep: bool, store: &Store) -> Result<Checkout, Error> {
    let reference = git.reference;
    let by_commit = reference.mtime == Mtime::Commit;
    let ref_in_git = keep.then_some(&revision.name);
    let all = format!("{:?}", (&revision.commit, &reference.url, keep, ref_in_git, reference.submodules, by_commit));
    let id = Digest::of(all.as_bytes()).hex();
    let _one_at_a_time = store.lock(&format!("checkout-{id}"))?;
    let top = match store.checkout(&id) {
        Some(dir) => dir,
        None => {
            let temp = store.temp_dir()?;
            let dir = temp.join("checkout");
            fs::create_dir(&dir)?;
            let made = git.checkout(revision, keep, &dir.join(FILES))?;
            fs::write(dir.join(TIME), made.committed.to_string())?;
            store.adopt_checkout(&id, &dir)?
        }
    };
    Ok(Checkout { dir: git.subdirectory(&top.join(FILES))?, committed: time(&top)? })
}

fn time(top: &Path) -> Result<i64, Error> {
    let text = fs::read_to_string(top.join(TIME))?;
    text.parse().map_err(|_| Error::Io(std::io::Error::new(std::io::ErrorKind::InvalidData, "a checkout has no time")))
}
