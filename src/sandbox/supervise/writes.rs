//! Read-only mounts where nothing can be mounted: they are copies, and a step is refused what would change them, with the errors
//! that a mount gives. What gets past this, as a program for another architecture does, writes to a copy that is thrown away.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{CWD, FileType, Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;

use crate::sandbox::sys_notify::{Answer, Call, read_memory};

use super::Supervisor;
use super::place::{EMPTY_PATH, NO_FOLLOW, Place, low};

/// `AT_FDCWD` as an argument.
const HERE: u64 = libc::AT_FDCWD.cast_unsigned() as u64;

/// What a call is about to do.
enum Act {
    /// Change what is there.
    Change(Place),
    /// Put a name where none is.
    Make(Place),
    /// Take a name away.
    Remove(Place),
    /// Give one name in place of another.
    Move(Place, Place),
    /// Give one more name.
    Link(Place, Place),
    /// Open by these flags.
    Open(Place, OFlags),
    /// Nothing that could be refused.
    Nothing,
}

/// Read-only places of a step.
#[derive(Default)]
pub(super) struct ReadOnly(Vec<OwnedFd>);

impl ReadOnly {
    pub(super) fn new(places: Vec<OwnedFd>) -> Self {
        Self(places)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where they are now: a step may rename the directories around them.
    fn paths(&self) -> Result<Vec<Vec<u8>>, Errno> {
        self.0.iter().map(path_of).collect()
    }

    /// The error with which an act is refused, if it is.
    fn refuses(&self, act: &Act) -> Result<Option<Errno>, Errno> {
        let tops = self.paths()?;
        let is_held = |path: &[u8]| tops.iter().any(|top| is_below(path, top));
        let is_busy = |path: &[u8]| tops.iter().any(|top| is_below(top, path));
        let refused = |is_refused: bool| is_refused.then_some(Errno::ROFS);
        Ok(match act {
            Act::Change(place) => {
                let found = Found::at(place)?;
                refused(!found.is_node && is_held(&found.path))
            }
            // What is there already is so on a read-only mount as well.
            Act::Make(place) => refused(place.clone().not_followed().stat().is_err() && is_held(&Found::name(place)?)),
            Act::Remove(place) => {
                let path = Found::at(&place.clone().not_followed())?.path;
                if is_busy(&path) { Some(Errno::BUSY) } else { refused(is_held(&path)) }
            }
            Act::Move(from, to) => {
                let from = Found::at(&from.clone().not_followed())?.path;
                let to = Found::name(to)?;
                match (is_held(&from), is_held(&to)) {
                    _ if is_busy(&from) || is_busy(&to) => Some(Errno::BUSY),
                    (true, true) => Some(Errno::ROFS),
                    (false, false) => None,
                    _ => Some(Errno::XDEV),
                }
            }
            Act::Link(from, to) => match (is_held(&Found::at(from)?.path), is_held(&Found::name(to)?)) {
                (true, true) => Some(Errno::ROFS),
                (false, false) => None,
                _ => Some(Errno::XDEV),
            },
            Act::Open(place, flags) => match Found::at(place) {
                Ok(found) => {
                    let writes = flags.intersects(OFlags::WRONLY | OFlags::RDWR | OFlags::TRUNC);
                    refused((writes || flags.contains(OFlags::TMPFILE)) && !found.is_node && is_held(&found.path))
                }
                Err(Errno::NOENT) if flags.contains(OFlags::CREATE) => refused(is_held(&Found::name(place)?)),
                Err(errno) => return Err(errno),
            },
            Act::Nothing => None,
        })
    }
}

/// What a place leads to.
struct Found {
    path: Vec<u8>,
    /// A device, pipe or socket: what is written to it is written to nothing that is mounted.
    is_node: bool,
}

impl Found {
    fn at(place: &Place) -> Result<Self, Errno> {
        let follow = if place.follow { OFlags::empty() } else { OFlags::NOFOLLOW };
        let file = openat(CWD, &*place.path, OFlags::PATH | OFlags::CLOEXEC | follow, Mode::empty())?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
        let is_node = !matches!(kind, FileType::RegularFile | FileType::Directory | FileType::Symlink);
        Ok(Self { path: path_of(&file)?, is_node })
    }

    /// The path of a name that may not be there.
    fn name(place: &Place) -> Result<Vec<u8>, Errno> {
        let mut path = Self::at(&place.parent()?)?.path;
        path.push(b'/');
        path.extend_from_slice(place.name().as_bytes());
        Ok(path)
    }
}

/// The path of an open file in the thread's root directory; the thread stands in the machine's `/proc`.
pub(super) fn path_of(file: &OwnedFd) -> Result<Vec<u8>, Errno> {
    let link = format!("self/fd/{}", file.as_raw_fd());
    Ok(readlinkat(CWD, &*link, Vec::new())?.into_bytes())
}

/// Whether `path` is `top` or below it.
fn is_below(path: &[u8], top: &[u8]) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

impl Supervisor<'_> {
    /// Whether a call would change a read-only place. Where that cannot be told the kernel says why.
    pub(super) fn refuses_write(&self, listener: BorrowedFd<'_>, call: &Call) -> Option<Answer> {
        if self.read_only.is_empty() {
            return None;
        }
        let act = act(listener, call).ok()?;
        self.read_only.refuses(&act).ok()?.map(Answer::Error)
    }
}

#[expect(clippy::many_single_char_names, reason = "the arguments of system calls, named as their registers are")]
fn act(listener: BorrowedFd<'_>, call: &Call) -> Result<Act, Errno> {
    let [a, b, c, d, e, _] = call.arguments;
    let place = |descriptor, path, flags| Place::named(listener, call, descriptor, path, flags);
    let opened = |descriptor| Place::at(call.thread, descriptor, b"", EMPTY_PATH);
    // `utimensat` and its like: without a path they are about the descriptor.
    let either = |descriptor, path, flags| if path == 0 { opened(descriptor) } else { place(descriptor, path, flags) };
    let open = |place: Place, flags: u32| {
        let flags = OFlags::from_bits_retain(flags);
        Act::Open(if flags.contains(OFlags::NOFOLLOW) { place.not_followed() } else { place }, flags)
    };
    Ok(match call.number {
        libc::SYS_openat => open(place(a, b, 0)?, low(c)),
        libc::SYS_openat2 => {
            let mut how = [0; 8];
            read_memory(call.thread, c, &mut how)?;
            open(place(a, b, 0)?, low(u64::from_ne_bytes(how)))
        }
        libc::SYS_mkdirat | libc::SYS_mknodat => Act::Make(place(a, b, NO_FOLLOW)?),
        libc::SYS_symlinkat => Act::Make(place(b, c, NO_FOLLOW)?),
        libc::SYS_unlinkat => Act::Remove(place(a, b, NO_FOLLOW)?),
        libc::SYS_renameat | libc::SYS_renameat2 => Act::Move(place(a, b, NO_FOLLOW)?, place(c, d, NO_FOLLOW)?),
        libc::SYS_linkat => {
            let follow = if e & u64::from(libc::AT_SYMLINK_FOLLOW.cast_unsigned()) == 0 { NO_FOLLOW } else { 0 };
            Act::Link(place(a, b, follow | e & EMPTY_PATH)?, place(c, d, NO_FOLLOW)?)
        }
        libc::SYS_truncate | libc::SYS_setxattr | libc::SYS_removexattr => Act::Change(place(HERE, a, 0)?),
        libc::SYS_lsetxattr | libc::SYS_lremovexattr => Act::Change(place(HERE, a, NO_FOLLOW)?),
        libc::SYS_fchmod | libc::SYS_fchown | libc::SYS_fsetxattr | libc::SYS_fremovexattr => Act::Change(opened(a)?),
        libc::SYS_fchmodat | libc::SYS_faccessat => Act::Change(place(a, b, 0)?),
        libc::SYS_fchmodat2 | libc::SYS_faccessat2 | libc::SYS_utimensat => Act::Change(either(a, b, d)?),
        libc::SYS_fchownat => Act::Change(place(a, b, e)?),
        number => older(number, [a, b], place, open)?,
    })
}

/// The same by older names, which newer architectures do not have.
#[cfg(target_arch = "x86_64")]
fn older(
    number: i64,
    [a, b]: [u64; 2],
    place: impl Fn(u64, u64, u64) -> Result<Place, Errno>,
    open: impl Fn(Place, u32) -> Act,
) -> Result<Act, Errno> {
    const CREATE: u32 = (libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC).cast_unsigned();
    Ok(match number {
        libc::SYS_open => open(place(HERE, a, 0)?, low(b)),
        libc::SYS_creat => open(place(HERE, a, 0)?, CREATE),
        libc::SYS_mkdir | libc::SYS_mknod => Act::Make(place(HERE, a, NO_FOLLOW)?),
        libc::SYS_symlink => Act::Make(place(HERE, b, NO_FOLLOW)?),
        libc::SYS_unlink | libc::SYS_rmdir => Act::Remove(place(HERE, a, NO_FOLLOW)?),
        libc::SYS_rename => Act::Move(place(HERE, a, NO_FOLLOW)?, place(HERE, b, NO_FOLLOW)?),
        libc::SYS_link => Act::Link(place(HERE, a, NO_FOLLOW)?, place(HERE, b, NO_FOLLOW)?),
        libc::SYS_chmod | libc::SYS_chown | libc::SYS_access | libc::SYS_utime | libc::SYS_utimes => {
            Act::Change(place(HERE, a, 0)?)
        }
        libc::SYS_lchown => Act::Change(place(HERE, a, NO_FOLLOW)?),
        libc::SYS_futimesat => Act::Change(place(a, b, 0)?),
        _ => Act::Nothing,
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn older(
    _number: i64,
    _arguments: [u64; 2],
    _place: impl Fn(u64, u64, u64) -> Result<Place, Errno>,
    _open: impl Fn(Place, u32) -> Act,
) -> Result<Act, Errno> {
    Ok(Act::Nothing)
}
