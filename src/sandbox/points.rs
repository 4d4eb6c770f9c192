//! Mount points that every step needs, in a directory of their own.
//!
//! As the lowest layer of an overlay they are there where the image has none, and nothing has to be made and removed in
//! the upper of each step.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::rc::Rc;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::place::{Stub, open_host};

/// Directory, name and kind of each; what lies in another comes after it.
const POINTS: [(&str, &str, bool); 6] = [
    ("", "dev", true),
    ("", "proc", true),
    ("", "sys", true),
    ("", "etc", true),
    ("etc", "hosts", false),
    ("etc", "resolv.conf", false),
];

/// Makes the mount points in `dir`, as far as they are not there, and `dir` itself.
pub fn make_points(dir: &Path) -> io::Result<()> {
    make(DirBuilder::new().create(dir), dir, 0o755)?;
    for (parent, name, is_directory) in POINTS {
        let path = dir.join(parent).join(name);
        if is_directory {
            make(DirBuilder::new().create(&path), &path, 0o755)?;
        } else {
            make(File::create_new(&path).map(drop), &path, 0o644)?;
        }
    }
    Ok(())
}

/// Whatever this process's mask of modes is.
fn make(made: io::Result<()>, path: &Path, mode: u32) -> io::Result<()> {
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode))),
    }
}

/// Removes what a step has brought into its `upper` of mount points that are none of its image's, where it has put nothing
/// into them (RUN-14). `has` tells whether the image has something at a path.
pub fn remove_points(upper: &Path, has: impl Fn(&str) -> bool) -> io::Result<()> {
    let upper = Rc::new(open_host(upper)?);
    for (parent, name, is_directory) in POINTS.into_iter().rev() {
        let path = format!("{parent}/{name}");
        if has(&path) || !parent.is_empty() && has(parent) {
            continue;
        }
        let Some(parent) = directory(&upper, parent)? else { continue };
        if rustix::fs::statat(&*parent, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            Stub { parent, name: name.into(), is_directory }.remove()?;
        }
    }
    Ok(())
}

/// A directory in the upper, if it is one.
fn directory(upper: &Rc<OwnedFd>, name: &str) -> io::Result<Option<Rc<OwnedFd>>> {
    if name.is_empty() {
        return Ok(Some(Rc::clone(upper)));
    }
    let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(&**upper, name, how, Mode::empty()) {
        Ok(directory) => Ok(Some(Rc::new(directory))),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}
