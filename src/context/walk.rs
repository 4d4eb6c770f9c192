//! The walk over a directory: by descriptors, so that nobody who renames things meanwhile can lead it elsewhere.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use crate::rootfs::{Files, Inode, Kind, Node, RootPath};

use super::assemble::Found;
use super::enter::{Entered, Names, enter};
use super::index::{Index, Known, Stamp};
use super::tracked::{Memory, Run};
use super::{ContextError, Patterns, Verdict, entry};

/// The kernel takes no longer paths, so what is deeper could not be read later.
const MAX_PATH: usize = 4095;
/// Entries that one thread looks at before others may take over the rest of a large directory.
const CHUNK: usize = 512;

/// What the threads of a walk share.
pub(super) struct Walk<'a> {
    pub(super) ignore: &'a Patterns,
    pub(super) index: &'a Index,
    /// Opens files by their path in the context.
    pub(super) files: &'a Arc<dyn Files>,
    queue: Mutex<Queue<'a>>,
    ready: Condvar,
    /// Inodes with several names, by device and number.
    links: Mutex<HashMap<(u64, u64), Arc<Inode>>>,
}

#[derive(Default)]
struct Queue<'a> {
    tasks: Vec<Task<'a>>,
    /// Threads that may still add tasks.
    busy: usize,
    /// The number of the next directory. A directory has a higher number than the one that holds it.
    next: usize,
    failed: bool,
}

/// One directory to look at, or a part of one.
struct Task<'a> {
    directory: usize,
    path: RootPath,
    verdict: Verdict,
    work: Work<'a>,
}

enum Work<'a> {
    /// Open it, and read its names.
    Enter { parent: Arc<OwnedFd>, name: CString },
    /// These entries of it.
    Look { dir: Arc<OwnedFd>, names: Names, known: Arc<Known<'a>> },
}

/// What one thread has found.
#[derive(Default)]
struct Harvest {
    found: Vec<Found>,
    tracked: Vec<Run>,
}

/// What all have found.
#[derive(Default)]
pub(super) struct Walked {
    pub(super) found: Vec<Found>,
    pub(super) tracked: Vec<Run>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failure(path: &RootPath, source: impl Into<io::Error>) -> ContextError {
    ContextError::Read { path: path.clone(), source: source.into() }
}

impl<'a> Walk<'a> {
    pub(super) fn new(ignore: &'a Patterns, index: &'a Index, files: &'a Arc<dyn Files>) -> Self {
        Self { ignore, index, files, queue: Mutex::default(), ready: Condvar::new(), links: Mutex::default() }
    }

    /// Walks all below `root` on `threads` threads.
    pub(super) fn run(&self, root: OwnedFd, threads: usize) -> Result<Walked, ContextError> {
        let work = Work::Enter { parent: Arc::new(root), name: c".".to_owned() };
        let task = Task { directory: 0, path: RootPath::root(), verdict: self.ignore.start(), work };
        *lock(&self.queue) = Queue { tasks: vec![task], next: 1, ..Queue::default() };
        let harvests = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(|| self.work())).collect();
            let mut harvests = vec![self.work()];
            for other in others {
                harvests.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            harvests
        });
        let mut all = Walked::default();
        for harvest in harvests {
            let harvest = harvest?;
            all.found.extend(harvest.found);
            all.tracked.extend(harvest.tracked);
        }
        Ok(all)
    }

    fn work(&self) -> Result<Harvest, ContextError> {
        let mut harvest = Harvest::default();
        while let Some(task) = self.take() {
            let result = self.task(task, &mut harvest);
            let mut queue = lock(&self.queue);
            queue.busy -= 1;
            queue.failed |= result.is_err();
            let over = queue.failed || (queue.busy == 0 && queue.tasks.is_empty());
            drop(queue);
            if over {
                self.ready.notify_all();
            }
            result?;
        }
        Ok(harvest)
    }

    /// The newest task, so that few directories are open at a time; `None` when all is done.
    fn take(&self) -> Option<Task<'a>> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.failed {
                return None;
            }
            if let Some(task) = queue.tasks.pop() {
                queue.busy += 1;
                return Some(task);
            }
            if queue.busy == 0 {
                return None;
            }
            queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Does one task: adds what it finds to `harvest`, and what is to be done below to the queue.
    fn task(&self, task: Task<'a>, harvest: &mut Harvest) -> Result<(), ContextError> {
        let Task { directory, path, verdict, work } = task;
        let (dir, mut names, known) = match work {
            Work::Look { dir, names, known } => (dir, names, known),
            Work::Enter { parent, name } => {
                let mut found = Found::new(directory, verdict.excluded());
                let (dir, names) = match enter(&parent, &name, &path).map_err(|error| failure(&path, error))? {
                    Entered::Gone => return Ok(()),
                    Entered::Unreadable(inode) => {
                        found.replacement = Some(Arc::new(inode));
                        harvest.found.push(found);
                        return Ok(());
                    }
                    Entered::Open { dir, names, meta } => {
                        found.meta = Some(meta);
                        (dir, names)
                    }
                };
                harvest.found.push(found);
                (Arc::new(dir), names, Arc::new(self.index.directory(path.as_bytes())))
            }
        };
        let rest = names.split_off(names.len().min(CHUNK));
        if !rest.is_empty() {
            let work = Work::Look { dir: Arc::clone(&dir), names: rest, known: Arc::clone(&known) };
            self.add(vec![Task { directory, path: path.clone(), verdict: verdict.clone(), work }]);
        }
        let mut found = Found::new(directory, verdict.excluded());
        let mut run = Run::new(path.clone());
        let mut tasks = Vec::new();
        let mut inodes = Vec::with_capacity(names.len());
        for (name, kind) in names {
            let bytes = name.to_bytes();
            let path = path.join(bytes);
            let below = self.ignore.below(&verdict, path.as_bytes(), bytes);
            let bytes: Box<[u8]> = bytes.into();
            if kind == FileType::Directory {
                if below.excluded() && !self.ignore.may_include_below(&below, path.as_bytes()) {
                    continue;
                }
                if path.as_bytes().len() > MAX_PATH {
                    return Err(failure(&path, Errno::NAMETOOLONG));
                }
                let work = Work::Enter { parent: Arc::clone(&dir), name };
                tasks.push(Task { directory: 0, path, verdict: below, work });
                found.directories.push((bytes, 0));
            } else if !below.excluded()
                && let Some(inode) = self.inode(dir.as_fd(), &name, &path, &known, &mut run)?
            {
                inodes.push((bytes, Node::Inode(inode)));
            }
        }
        for (number, (below, task)) in (self.number(tasks.len())..).zip(found.directories.iter_mut().zip(&mut tasks)) {
            below.1 = number;
            task.directory = number;
        }
        self.add(tasks);
        // From a sorted sequence a map is made in one go, and without gaps.
        inodes.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        found.inodes = inodes.into_iter().collect();
        harvest.found.push(found);
        if !run.is_empty() {
            run.shrink();
            harvest.tracked.push(run);
        }
        Ok(())
    }

    /// The first of `count` numbers for directories.
    fn number(&self, count: usize) -> usize {
        let mut queue = lock(&self.queue);
        queue.next += count;
        queue.next - count
    }

    fn add(&self, tasks: Vec<Task<'a>>) {
        if !tasks.is_empty() {
            lock(&self.queue).tasks.extend(tasks);
            self.ready.notify_all();
        }
    }

    /// The inode at `path`; `None` for what has gone, and what a context cannot hold.
    fn inode(
        &self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        path: &RootPath,
        known: &Known<'_>,
        run: &mut Run,
    ) -> Result<Option<Arc<Inode>>, ContextError> {
        let stat = match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(failure(path, error)),
        };
        let link = (stat.st_nlink > 1).then_some((stat.st_dev, stat.st_ino));
        let same = link.and_then(|link| lock(&self.links).get(&link).cloned());
        let stamp = Stamp::of(&stat);
        let known = known.get(name.to_bytes(), &stamp);
        let inode = match same {
            Some(inode) => inode,
            None => match entry::inode(dir, name, path, &stat, self.files, known) {
                Ok(Some(inode)) => Arc::new(inode),
                Ok(None) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(failure(path, error)),
            },
        };
        let inode = match link {
            Some(link) => Arc::clone(lock(&self.links).entry(link).or_insert(inode)),
            None => inode,
        };
        if let Kind::File(file) = &inode.kind {
            let memory =
                match known.map(|known| known.digest.map(|digest| *file.digest.get_or_init(|| digest) == digest)) {
                    Some(Some(true)) => Memory::Digest,
                    Some(None) => Memory::Stamp,
                    Some(Some(false)) | None => Memory::Nothing,
                };
            run.add(name.to_bytes(), link.is_some(), &inode, &stamp, memory);
        }
        Ok(Some(inode))
    }
}
