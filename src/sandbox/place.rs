//! Finds the place of a path inside a root, and makes what is missing there.
//!
//! What is made for a mount only, a stub, is removed afterwards; the times of the directories around it stay as they
//! were (RUN-14). Links are followed inside the root: nothing leads out of it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::Errno;

use crate::rootfs::{CLAIM, Claim};

/// Links in one path, as the kernel limits them.
const MAX_LINKS: usize = 40;

/// What to make where a path leads nowhere.
#[derive(Clone, Copy)]
pub(super) enum Missing<'a> {
    /// A directory, to be removed afterwards.
    Directory,
    /// An empty file, to be removed afterwards with the parents made for it.
    File,
    /// A directory that stays, and its parents, owned by this user and group (RUN-11).
    Kept(&'a super::User),
}

/// Gives a file its owner. An id that this process's user namespace does not know becomes a claim.
pub(super) fn own(file: impl AsFd, owner: (u32, u32)) -> Result<(), Errno> {
    match rustix::fs::fchown(&file, Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1))) {
        Err(Errno::INVAL) => {
            let claim = Claim::owned(owner.0, owner.1);
            rustix::fs::fsetxattr(file, CLAIM, claim.to_text().as_bytes(), XattrFlags::empty())
        }
        result => result,
    }
}

/// Where a path leads.
pub(super) struct Place {
    /// What is there, opened with `O_PATH`.
    pub(super) file: Rc<OwnedFd>,
    /// The directory that holds it and the name it has there; none for the root itself.
    pub(super) parent: Option<(Rc<OwnedFd>, Vec<u8>)>,
}

/// A root, and the stubs that were made in it.
pub(super) struct Places {
    root: Rc<OwnedFd>,
    stubs: Vec<Stub>,
}

/// Something that was made for a mount only.
pub(super) struct Stub {
    pub(super) parent: Rc<OwnedFd>,
    pub(super) name: Vec<u8>,
    pub(super) is_directory: bool,
}

impl Places {
    /// `root` is a directory.
    pub(super) fn new(root: OwnedFd) -> Self {
        Self { root: Rc::new(root), stubs: Vec::new() }
    }

    /// Finds `path`, made as `missing` says where it is not there.
    pub(super) fn find(&mut self, path: &str, missing: Missing<'_>) -> io::Result<Place> {
        let mut walk = Walk { above: Vec::new(), here: Rc::clone(&self.root) };
        let mut rest = Vec::new();
        push_names(&mut rest, path.as_bytes());
        let mut links = 0;
        while let Some(name) = rest.pop() {
            if name == b".." {
                walk.up();
                continue;
            }
            let file = match open_path(&walk.here, &name) {
                Err(Errno::NOENT) => {
                    let is_directory = !rest.is_empty() || !matches!(missing, Missing::File);
                    self.make(&walk.here, &name, is_directory, missing)?;
                    open_path(&walk.here, &name)?
                }
                opened => opened?,
            };
            if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) == FileType::Symlink {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::LOOP.into());
                }
                let target = rustix::fs::readlinkat(&file, "", Vec::new())?.into_bytes();
                if target.starts_with(b"/") {
                    walk = Walk { above: Vec::new(), here: Rc::clone(&self.root) };
                }
                push_names(&mut rest, &target);
            } else {
                walk.down(name, file);
            }
        }
        Ok(Place { parent: walk.above.pop(), file: walk.here })
    }

    fn make(&mut self, parent: &Rc<OwnedFd>, name: &[u8], is_directory: bool, missing: Missing<'_>) -> io::Result<()> {
        if let Missing::Kept(user) = missing {
            rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
            let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let made = rustix::fs::openat(parent, name, how, Mode::empty())?;
            return Ok(own(made, (user.uid, user.gid))?);
        }
        keeping_time(parent, || {
            if is_directory {
                rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
            } else {
                let how = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                rustix::fs::openat(parent, name, how, Mode::from_raw_mode(0o644))?;
            }
            Ok(())
        })?;
        self.stubs.push(Stub { parent: Rc::clone(parent), name: name.to_vec(), is_directory });
        Ok(())
    }

    /// Removes the stubs that are still empty. Nothing may be mounted on them any more.
    pub(super) fn clean(self) -> io::Result<()> {
        for stub in self.stubs.into_iter().rev() {
            stub.remove()?;
        }
        Ok(())
    }
}

impl Stub {
    /// Removes it if it is still empty, and of its kind.
    pub(super) fn remove(&self) -> io::Result<()> {
        let removed = keeping_time(&self.parent, || {
            if self.is_directory {
                return Ok(rustix::fs::unlinkat(&self.parent, &*self.name, AtFlags::REMOVEDIR)?);
            }
            let stat = rustix::fs::statat(&self.parent, &*self.name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_size == 0 {
                rustix::fs::unlinkat(&self.parent, &*self.name, AtFlags::empty())?;
            }
            Ok(())
        });
        match removed.as_ref().map_err(Errno::from_io_error) {
            // Used, or replaced or removed by the process: then it is part of the layer.
            Err(Some(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR | Errno::ISDIR | Errno::NOENT)) => Ok(()),
            _ => removed,
        }
    }
}

/// The way to a place: `..` goes back on it, so that it cannot lead above the root.
struct Walk {
    above: Vec<(Rc<OwnedFd>, Vec<u8>)>,
    here: Rc<OwnedFd>,
}

impl Walk {
    fn up(&mut self) {
        if let Some((parent, _)) = self.above.pop() {
            self.here = parent;
        }
    }

    fn down(&mut self, name: Vec<u8>, file: OwnedFd) {
        let parent = std::mem::replace(&mut self.here, Rc::new(file));
        self.above.push((parent, name));
    }
}

/// Puts the names of `path` on the stack of names to visit, the first on top.
fn push_names(rest: &mut Vec<Vec<u8>>, path: &[u8]) {
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    rest.extend(names.rev().map(<[u8]>::to_vec));
}

fn open_path(parent: &Rc<OwnedFd>, name: &[u8]) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(parent, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// Opens a path of this machine for use as a place.
pub(super) fn open_host(path: &std::path::Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

/// Does something to the names in a directory, and puts the directory's modification time back.
pub(super) fn keeping_time<T>(directory: impl AsFd, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let stat = rustix::fs::statat(&directory, ".", AtFlags::empty())?;
    let result = act()?;
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec.cast_signed() },
    };
    rustix::fs::utimensat(&directory, ".", &times, AtFlags::empty())?;
    Ok(result)
}
