//! The files that a call is about, as paths for the supervisor itself.
//!
//! A supervisor's thread stands in the step's root directory, so an absolute path means to it what it means to the step. Its
//! working directory is the machine's `/proc`, in which each process's working directory and descriptors can be
//! gone through. So nothing is resolved that the step could not resolve itself, and nothing outside its root.

use std::ffi::{CString, OsStr};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, CWD, StatxFlags};
use rustix::io::Errno;

use crate::sandbox::sys_notify::{Call, is_waiting, read_memory};

/// Longest path of a call, with the zero byte.
const PATH_MAX: usize = 4096;
/// Paths are read up to such borders, as the memory behind the next one may not be there.
const PAGE: u64 = 4096;

/// `AT_SYMLINK_NOFOLLOW` as an argument.
pub(super) const NO_FOLLOW: u64 = libc::AT_SYMLINK_NOFOLLOW.cast_unsigned() as u64;
/// `AT_EMPTY_PATH` as an argument.
pub(super) const EMPTY_PATH: u64 = libc::AT_EMPTY_PATH.cast_unsigned() as u64;

/// The lower half of an argument, which is all that 32-bit parameters have.
pub(super) fn low(argument: u64) -> u32 {
    u32::try_from(argument & 0xffff_ffff).unwrap_or_default()
}

/// A path, and whether a link at its end is followed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) path: CString,
    pub(super) follow: bool,
}

/// A string in a call's memory.
pub(super) fn read_string(call: &Call, address: u64) -> Result<Vec<u8>, Errno> {
    let mut string = Vec::with_capacity(256);
    while string.len() < PATH_MAX {
        let at = address.checked_add(string.len() as u64).ok_or(Errno::FAULT)?;
        let room = usize::try_from(PAGE - at % PAGE).unwrap_or(1).min(256);
        let mut part = [0; 256];
        let read = read_memory(call.thread, at, &mut part[..room])?;
        let part = &part[..read];
        if let Some(end) = part.iter().position(|byte| *byte == 0) {
            string.extend_from_slice(&part[..end]);
            return Ok(string);
        }
        if part.is_empty() {
            return Err(Errno::FAULT);
        }
        string.extend_from_slice(part);
    }
    Err(Errno::NAMETOOLONG)
}

impl Place {
    /// As [`Place::at`], of the path at an address of the caller's. `SRCH` where the call is not waited for any more: then the
    /// memory that was read may be another's.
    pub(super) fn named(
        listener: BorrowedFd<'_>,
        call: &Call,
        descriptor: u64,
        path: u64,
        flags: u64,
    ) -> Result<Self, Errno> {
        let path = read_string(call, path)?;
        let place = Self::at(call.thread, descriptor, &path, flags)?;
        if is_waiting(listener, call) { Ok(place) } else { Err(Errno::SRCH) }
    }

    /// What `path` leads to from the directory `descriptor` of a thread. With `AT_EMPTY_PATH`, an empty path is the
    /// descriptor itself.
    pub(super) fn at(thread: u32, descriptor: u64, path: &[u8], flags: u64) -> Result<Self, Errno> {
        let follow = flags & NO_FOLLOW == 0;
        // Descriptors are numbers of 32 bits, whatever stands above them in the register.
        let descriptor = low(descriptor).cast_signed();
        let mut bytes = Vec::with_capacity(path.len() + 24);
        if path.is_empty() {
            if flags & EMPTY_PATH == 0 {
                return Err(Errno::NOENT);
            }
            return Self::opened(thread, descriptor);
        }
        if let Some(own) = own_files(path) {
            if climbs(&own) {
                return Err(Errno::ACCESS);
            }
            bytes.extend_from_slice(format!("{thread}/").as_bytes());
            bytes.extend_from_slice(&own);
        } else {
            if !path.starts_with(b"/") {
                bytes.extend_from_slice(start(thread, descriptor)?.as_bytes());
                bytes.push(b'/');
            }
            bytes.extend_from_slice(path);
        }
        Ok(Self { path: CString::new(bytes).map_err(|_zero| Errno::INVAL)?, follow })
    }

    /// What a descriptor of a thread is.
    pub(super) fn opened(thread: u32, descriptor: i32) -> Result<Self, Errno> {
        let path = CString::new(start(thread, descriptor)?).map_err(|_zero| Errno::INVAL)?;
        Ok(Self { path, follow: true })
    }

    /// The directory that holds it, and the same for `..` at the end, which then is the directory itself.
    pub(super) fn parent(&self) -> Result<Self, Errno> {
        let bytes = self.path.as_bytes();
        let bytes = &bytes[..bytes.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1)];
        let end = bytes.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let mut parent = bytes[..end].to_vec();
        parent.push(b'.');
        Ok(Self { path: CString::new(parent).map_err(|_zero| Errno::INVAL)?, follow: true })
    }

    /// The last name of the path.
    pub(super) fn name(&self) -> &OsStr {
        let bytes = self.path.as_bytes();
        let end = bytes.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        let start = bytes[..end].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        OsStr::from_bytes(&bytes[start..end])
    }

    /// The same without following a link at its end.
    pub(super) fn not_followed(self) -> Self {
        Self { follow: false, ..self }
    }

    pub(super) fn stat(&self) -> Result<rustix::fs::Stat, Errno> {
        rustix::fs::statat(CWD, &*self.path, self.flags())
    }

    pub(super) fn statx(&self, mask: StatxFlags) -> Result<rustix::fs::Statx, Errno> {
        rustix::fs::statx(CWD, &*self.path, self.flags(), mask)
    }

    pub(super) fn flags(&self) -> AtFlags {
        if self.follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW }
    }
}

/// What a path names below a process's own directory in `/proc`, if it does.
pub(super) fn own_files(path: &[u8]) -> Option<Vec<u8>> {
    if let Some(rest) = path.strip_prefix(b"/dev/fd/") {
        return Some([b"fd/", rest].concat());
    }
    let own = path.strip_prefix(b"/proc/self/").or(path.strip_prefix(b"/proc/thread-self/"));
    own.map(<[u8]>::to_vec)
}

/// Whether a path below a process's directory in `/proc` may lead above that directory: the machine's `/proc` lies outside of the
/// step's root. Behind a link to one of the process's own places, `..` leads no further than to the step's root.
fn climbs(own: &[u8]) -> bool {
    let mut names = own.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".");
    let leaves = match names.next() {
        Some(b"cwd" | b"root") => true,
        Some(b"fd") => names.next().is_some_and(|name| name.iter().all(u8::is_ascii_digit)),
        Some(b"..") => return true,
        _ => false,
    };
    !leaves && own.split(|byte| *byte == b'/').any(|name| name == b"..")
}

fn start(thread: u32, descriptor: i32) -> Result<String, Errno> {
    match descriptor {
        libc::AT_FDCWD => Ok(format!("{thread}/cwd")),
        0.. => Ok(format!("{thread}/fd/{descriptor}")),
        _ => Err(Errno::BADF),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_where_the_process_stands() {
        let cwd = u64::from(libc::AT_FDCWD.cast_unsigned());
        let no_follow = u64::from(libc::AT_SYMLINK_NOFOLLOW.cast_unsigned());
        let empty = u64::from(libc::AT_EMPTY_PATH.cast_unsigned());
        for (row, descriptor, path, flags, want) in [
            ("absolute", cwd, "/a/../b", 0, Ok(("/a/../b", true))),
            ("relative", cwd, "a", no_follow, Ok(("7/cwd/a", false))),
            ("in a directory", 3, "a/b", 0, Ok(("7/fd/3/a/b", true))),
            ("a descriptor", 3, "", empty | no_follow, Ok(("7/fd/3", true))),
            ("the working directory", cwd, "", empty, Ok(("7/cwd", true))),
            ("an empty path", cwd, "", 0, Err(Errno::NOENT)),
            ("an own descriptor", cwd, "/proc/self/fd/3", 0, Ok(("7/fd/3", true))),
            ("no descriptor", u64::MAX, "a", 0, Err(Errno::BADF)),
            ("above the working directory", cwd, "/proc/self/cwd/../x", 0, Ok(("7/cwd/../x", true))),
            ("above a descriptor", cwd, "/dev/fd/3/../x", 0, Ok(("7/fd/3/../x", true))),
            ("above the process", cwd, "/proc/self/../1/environ", 0, Err(Errno::ACCESS)),
            ("above all", cwd, "/proc/self/./../../etc/x", 0, Err(Errno::ACCESS)),
            ("above by a thread", cwd, "/proc/thread-self/../../../etc/x", 0, Err(Errno::ACCESS)),
            ("above by another name", cwd, "/proc/self/task/../../../etc/x", 0, Err(Errno::ACCESS)),
            ("above by the descriptors", cwd, "/dev/fd/../../../etc/x", 0, Err(Errno::ACCESS)),
            ("above by no descriptor", cwd, "/proc/self/fd/x/../../../../etc/x", 0, Err(Errno::ACCESS)),
        ] {
            let got = Place::at(7, descriptor, path.as_bytes(), flags);
            let got = got.as_ref().map(|place| (place.path.to_str().expect("text"), place.follow));
            assert_eq!(got, want.as_ref().map(|want| *want), "{row}");
        }
    }

    #[test]
    fn the_parent_is_a_directory_even_of_a_single_name() {
        for (path, want) in [("/a", "/."), ("/a/b//", "/a/."), ("7/cwd/a", "7/cwd/."), ("/", ".")] {
            let place = Place { path: CString::new(path).expect("no zero"), follow: true };
            assert_eq!(place.parent().expect("there").path.to_str(), Ok(want), "{path}");
        }
    }
}
