use std::fs;
use std::path::{Path, PathBuf};

use crate::remote::Mtime;

use super::command::Work;
use super::resolve::Revision;
use super::tidy::{Times, tidy};
use super::{Error, Git};

/// The files of a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkout {
    /// Where they are.
    pub dir: PathBuf,
    /// When it was committed: seconds since 1970.
    pub committed: i64,
}

/// What servers say that do not give a commit for the asking.
const REFUSALS: [&str; 4] = ["not our ref", "unadvertised object", "dumb http transport", "couldn't find remote ref"];

impl Git<'_> {
    /// Fetches the commit, its submodules where they are wanted, and nothing else, into the new directory `dir`.
    ///
    /// Modes are 0644 and 0755, times as the reference says (GIT-8); there is no `.git` unless `keep` is set.
    pub fn checkout(&self, revision: &Revision, keep: bool, dir: &Path) -> Result<Checkout, Error> {
        fs::create_dir(dir)?;
        let format = if revision.commit.len() == 64 { "--object-format=sha256" } else { "--object-format=sha1" };
        self.run(Work::Local, dir, &["init", "--quiet", "--template=", format])?;
        self.run(Work::Local, dir, &["remote", "add", "--", "origin", &self.reference.url])?;
        self.fetch(revision, dir)?;
        self.run(Work::Local, dir, &["checkout", "--quiet", "--force", "--detach", &revision.commit])?;
        if self.reference.submodules && dir.join(".gitmodules").symlink_metadata().is_ok() {
            let update = ["submodule", "update", "--init", "--recursive", "--depth=1", "--progress"];
            self.run(Work::Remote, dir, &update)?;
        }
        let committed = self.committed(revision, dir)?;
        let times = match self.reference.mtime {
            Mtime::Checkout => Times::AsTheyAre,
            Mtime::Commit => Times::All(committed),
        };
        tidy(dir, keep, times)?;
        Ok(Checkout { dir: dir.to_owned(), committed })
    }

    /// The wanted directory of a checkout; one that a link leads out of the repository to is none (GIT-3).
    pub fn subdirectory(&self, top: &Path) -> Result<PathBuf, Error> {
        if self.reference.subdirectory.is_empty() {
            return Ok(top.to_owned());
        }
        let none =
            || Error::NoDirectory { shown: self.reference.shown.clone(), path: self.reference.subdirectory.clone() };
        let top = top.canonicalize()?;
        let dir = top.join(&self.reference.subdirectory).canonicalize().map_err(|_| none())?;
        if dir.starts_with(&top) && dir.is_dir() { Ok(dir) } else { Err(none()) }
    }

    /// By the ref, so that the commit has a name, if it still means the same; else by the commit; else everything, for
    /// servers that give neither.
    fn fetch(&self, revision: &Revision, dir: &Path) -> Result<(), Error> {
        let mut attempts = Vec::new();
        if let Some(name) = &revision.name {
            attempts.push(vec!["--depth=1".to_owned(), format!("+{name}:{name}")]);
        }
        attempts.push(vec!["--depth=1".to_owned(), revision.commit.clone()]);
        attempts.push(vec!["+refs/heads/*:refs/remotes/origin/*".to_owned(), "+refs/tags/*:refs/tags/*".to_owned()]);
        let mut failed = None;
        for attempt in attempts {
            let (options, refs): (Vec<_>, Vec<_>) = attempt.into_iter().partition(|word| word.starts_with("--"));
            let mut arguments: Vec<&str> =
                vec!["fetch", "--progress", "--no-tags", "--no-recurse-submodules", "--update-head-ok"];
            arguments.extend(options.iter().map(String::as_str));
            arguments.extend(["--", "origin"]);
            arguments.extend(refs.iter().map(String::as_str));
            match self.run(Work::Remote, dir, &arguments) {
                Ok(_) if self.has(revision, dir)? => return Ok(()),
                Ok(_) => {}
                Err(Error::Failed { shown, told }) if REFUSALS.iter().any(|refusal| told.contains(refusal)) => {
                    failed = Some(Error::Failed { shown, told });
                }
                Err(error) => return Err(error),
            }
        }
        let wanted = revision.commit.clone();
        Err(failed.unwrap_or_else(|| Error::NoRef { shown: self.reference.shown.clone(), wanted }))
    }

    fn has(&self, revision: &Revision, dir: &Path) -> Result<bool, Error> {
        match self.run(Work::Local, dir, &["cat-file", "-e", &format!("{}^{{commit}}", revision.commit)]) {
            Ok(_) => Ok(true),
            Err(Error::Failed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn committed(&self, revision: &Revision, dir: &Path) -> Result<i64, Error> {
        let text = self.run(Work::Local, dir, &["show", "-s", "--format=%ct", &revision.commit])?;
        let text = String::from_utf8_lossy(&text);
        text.trim().parse().map_err(|_| Error::Failed {
            shown: self.reference.shown.clone(),
            told: format!("`{}` is no time of a commit", text.trim()),
        })
    }
}
