//! What a process asks about itself where no `/proc` can be mounted: its open files, some files of `/proc/self`, the name
//! of the host.
//!
//! `/dev/fd` holds a socket, which nobody can open, under each number that a descriptor may have. Whoever tries, by whatever
//! links, is given the file that he has open under the number.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;

use crate::sandbox::proc_files::OWN_FILES;
use crate::sandbox::sys_notify::{Answer, Call, read_memory, write_memory};

use super::Supervisor;
use super::place::{Place, low, own_files, read_string};
use super::rare::Caller;
use super::writes::path_of;

/// `AT_FDCWD` as an argument.
const HERE: u64 = libc::AT_FDCWD.cast_unsigned() as u64;
/// Number of a capability.
const CAP_DAC_OVERRIDE: u32 = 1;
/// Bytes of each member of `struct utsname`.
const NAME_SIZE: usize = 65;

/// The file that stands for open files in `/dev/fd`; all zeros where there is none.
#[derive(Clone, Copy, Default)]
pub(in crate::sandbox) struct StandIn {
    pub(in crate::sandbox) device: u64,
    pub(in crate::sandbox) inode: u64,
}

impl Supervisor<'_> {
    /// The answer to a call that is about the caller itself; `None` for all others.
    pub(super) fn answer_of_itself(&self, listener: BorrowedFd<'_>, call: &Call) -> Result<Option<Answer>, Errno> {
        let [a, b, c, d, ..] = call.arguments;
        let open = |descriptor, path, flags: u64| self.open_own(listener, call, (descriptor, path), low(flags));
        match call.number {
            libc::SYS_openat => open(a, b, c),
            libc::SYS_openat2 => {
                let mut how = [0; 8];
                read_memory(call.thread, c, &mut how)?;
                open(a, b, u64::from_ne_bytes(how))
            }
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open => open(HERE, a, b),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_creat => open(HERE, a, u64::from((OFlags::CREATE | OFlags::WRONLY | OFlags::TRUNC).bits())),
            libc::SYS_readlinkat => own_link(call, b, (c, d)),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_readlink => own_link(call, a, (b, c)),
            libc::SYS_uname => self.host_name(call, a).map(Some),
            _ => Ok(None),
        }
    }

    fn open_own(
        &self,
        listener: BorrowedFd<'_>,
        call: &Call,
        (descriptor, path): (u64, u64),
        flags: u32,
    ) -> Result<Option<Answer>, Errno> {
        let flags = OFlags::from_bits_retain(flags);
        // Where the kernel knows better what is wrong, it is left to it.
        let Ok(text) = read_string(call, path) else { return Ok(None) };
        let own = own_files(&text);
        if let Some(name) = own.as_deref().and_then(|own| std::str::from_utf8(own).ok())
            && OWN_FILES.contains(&name)
        {
            if flags.intersects(OFlags::WRONLY | OFlags::RDWR) {
                return Err(Errno::ACCESS);
            }
            let file = openat(CWD, format!("{}/{name}", call.thread), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            return Ok(Some(Answer::File(file, flags.contains(OFlags::CLOEXEC))));
        }
        if flags.intersects(OFlags::NOFOLLOW | OFlags::PATH) {
            return Ok(None);
        }
        let number = match own.as_deref().and_then(descriptor_of) {
            Some(number) => number,
            None => {
                let place = Place::named(listener, call, descriptor, path, 0);
                match place.and_then(|place| self.stands_for(&place)) {
                    Ok(Some(number)) => number,
                    _ => return Ok(None),
                }
            }
        };
        let file = reopen(call.thread, number, flags)?;
        Ok(Some(Answer::File(file, flags.contains(OFlags::CLOEXEC))))
    }

    /// The number of the descriptor that a place stands for.
    fn stands_for(&self, place: &Place) -> Result<Option<u32>, Errno> {
        let stat = rustix::fs::statat(CWD, &*place.path, AtFlags::empty())?;
        if (stat.st_dev, stat.st_ino) != (self.stand_in.device, self.stand_in.inode) {
            return Ok(None);
        }
        let found = openat(CWD, &*place.path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let path = path_of(&found)?;
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        Ok(std::str::from_utf8(name).ok().and_then(|name| name.parse().ok()))
    }

    /// uname(2) with the step's host name.
    fn host_name(&self, call: &Call, address: u64) -> Result<Answer, Errno> {
        let known = rustix::system::uname();
        let members = [
            known.sysname().to_bytes(),
            self.hostname.as_bytes(),
            known.release().to_bytes(),
            known.version().to_bytes(),
            known.machine().to_bytes(),
            known.domainname().to_bytes(),
        ];
        let mut bytes = [0; 6 * NAME_SIZE];
        for (place, member) in bytes.chunks_exact_mut(NAME_SIZE).zip(members) {
            let length = member.len().min(NAME_SIZE - 1);
            place[..length].copy_from_slice(&member[..length]);
        }
        write_memory(call.thread, address, &bytes)?;
        Ok(Answer::Value(0))
    }
}

/// The number in `fd/NUMBER`.
fn descriptor_of(own: &[u8]) -> Option<u32> {
    std::str::from_utf8(own.strip_prefix(b"fd/")?).ok()?.parse().ok()
}

/// Opens what a thread has open, as the kernel does by `/proc/self/fd`.
fn reopen(thread: u32, number: u32, flags: OFlags) -> Result<OwnedFd, Errno> {
    let link = format!("{thread}/fd/{number}");
    // Whoever may write to anything needs not have opened the file for it.
    if !Caller::of(thread)?.may(CAP_DAC_OVERRIDE) {
        let (have, want) = (access(thread, number)?, flags & (OFlags::WRONLY | OFlags::RDWR));
        if have != OFlags::RDWR && have != want {
            return Err(Errno::ACCESS);
        }
    }
    let kept = flags.difference(OFlags::CREATE | OFlags::EXCL | OFlags::NONBLOCK);
    // No pipe is to hold the supervisor up.
    let file = openat(CWD, link, kept | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    if !flags.contains(OFlags::NONBLOCK) {
        let now = rustix::fs::fcntl_getfl(&file)?;
        rustix::fs::fcntl_setfl(&file, now.difference(OFlags::NONBLOCK))?;
    }
    Ok(file)
}

/// For what a thread has a file open.
fn access(thread: u32, number: u32) -> Result<OFlags, Errno> {
    let file = openat(CWD, format!("{thread}/fdinfo/{number}"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut buffer = [0; 512];
    let length = rustix::io::read(&file, &mut buffer)?;
    let text = String::from_utf8_lossy(&buffer[..length]);
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()).ok_or(Errno::ACCESS)?;
    Ok(OFlags::from_bits_retain(flags) & (OFlags::WRONLY | OFlags::RDWR))
}

/// readlink(2) of the links that a process has in `/proc`.
fn own_link(call: &Call, path: u64, (buffer, size): (u64, u64)) -> Result<Option<Answer>, Errno> {
    let Some(own) = read_string(call, path).ok().and_then(|path| own_files(&path)) else { return Ok(None) };
    if !matches!(&*own, b"exe" | b"cwd" | b"root") && descriptor_of(&own).is_none() {
        return Ok(None);
    }
    let link = [call.thread.to_string().as_bytes(), b"/", &own].concat();
    let target = readlinkat(CWD, link, Vec::new())?.into_bytes();
    let length = target.len().min(usize::try_from(size).unwrap_or(usize::MAX));
    if length == 0 {
        return Err(Errno::INVAL);
    }
    write_memory(call.thread, buffer, &target[..length])?;
    Ok(Some(Answer::Value(i64::try_from(length).unwrap_or_default())))
}
