use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};

use crate::rootfs::{Files, RootPath};

/// The files below a directory, which may be renamed meanwhile.
#[derive(Debug)]
pub struct TreeFiles {
    dir: OwnedFd,
}

impl TreeFiles {
    /// Holds the directory at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { dir: open(path, flags, Mode::empty())? })
    }
}

impl AsFd for TreeFiles {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

impl Files for TreeFiles {
    fn open(&self, path: &RootPath) -> io::Result<File> {
        // A pipe that has taken the file's place must not stop the build.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        Ok(File::from(openat2(&self.dir, path.as_path(), flags, Mode::empty(), resolve)?))
    }
}
