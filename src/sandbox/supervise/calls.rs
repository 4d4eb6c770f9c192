//! Takes the calls apart and hands them to those who answer.

use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::rootfs::CLAIM;
use crate::sandbox::sys_notify::{Answer, Call, read_memory, write_memory};

use super::credentials::{Credentials, Ids};
use super::place::{EMPTY_PATH, NO_FOLLOW, Place, low, read_string};
use super::rare::require_inside;
use super::{Supervisor, Taken, making};

/// `AT_FDCWD` as an argument.
const HERE: u64 = libc::AT_FDCWD.cast_unsigned() as u64;

/// The most groups that a process can have (`NGROUPS_MAX`).
const MAX_GROUPS: usize = 65_536;

impl Supervisor<'_> {
    /// The answer to a call.
    pub(super) fn decide(&self, listener: BorrowedFd<'_>, call: &Call) -> Answer {
        let answer = if self.has_changed_root.load(Ordering::Relaxed) {
            self.in_root_of(call, || self.answer(listener, call))
        } else {
            self.answer(listener, call)
        };
        answer.unwrap_or_else(Answer::Error)
    }

    #[expect(clippy::many_single_char_names, reason = "the arguments of system calls, named as their registers are")]
    fn answer(&self, listener: BorrowedFd<'_>, call: &Call) -> Result<Answer, Errno> {
        match self.taken {
            Taken::All => {}
            Taken::RareInNamespace => return self.answer_rare(listener, call),
            Taken::InChroot(_) => return self.answer_in_chroot(listener, call),
        }
        let [a, b, c, d, e, _] = call.arguments;
        let place = |descriptor, path, flags| Place::named(listener, call, descriptor, path, flags);
        match call.number {
            libc::SYS_newfstatat => Ok(self.stat(call, place(a, b, d), c)),
            libc::SYS_fstat => Ok(self.stat(call, Place::at(call.thread, a, b"", EMPTY_PATH), b)),
            libc::SYS_statx => Ok(self.statx(call, place(a, b, c), c, d, e)),
            libc::SYS_fchown => self.chown(call, &Place::at(call.thread, a, b"", EMPTY_PATH)?, b, c),
            libc::SYS_fchownat => self.chown(call, &place(a, b, e)?, c, d),
            libc::SYS_openat => self.open(call, place(a, b, 0), low(c), low(d)),
            libc::SYS_openat2 => self.openat2(call, place(a, b, 0), c, d),
            libc::SYS_mkdirat => self.making(call, |who| {
                making::directory(&self.owners, who, call.thread, &place(a, b, NO_FOLLOW)?, low(c))
            }),
            libc::SYS_symlinkat => self
                .making(call, |who| making::link(&self.owners, who, &read_string(call, a)?, &place(b, c, NO_FOLLOW)?)),
            libc::SYS_mknodat => self
                .making(call, |who| making::node(&self.owners, who, call.thread, &place(a, b, NO_FOLLOW)?, low(c), d)),
            libc::SYS_execve => Ok(self.execute(call, place(HERE, a, 0))),
            libc::SYS_execveat => Ok(self.execute(call, place(a, b, e))),
            libc::SYS_chroot => {
                self.has_changed_root.store(true, Ordering::Relaxed);
                Ok(Answer::Continue)
            }
            libc::SYS_listxattr => Ok(Self::attributes(call, place(HERE, a, 0), b, c)),
            libc::SYS_llistxattr => Ok(Self::attributes(call, place(HERE, a, NO_FOLLOW), b, c)),
            libc::SYS_flistxattr => Ok(Self::attributes(call, Place::at(call.thread, a, b"", EMPTY_PATH), b, c)),
            _ => {
                #[cfg(target_arch = "x86_64")]
                if let Some(answer) = self.older(call, place) {
                    return answer;
                }
                self.identity(call)
            }
        }
    }

    /// The calls that only older architectures have.
    #[cfg(target_arch = "x86_64")]
    fn older(
        &self,
        call: &Call,
        place: impl Fn(u64, u64, u64) -> Result<Place, Errno>,
    ) -> Option<Result<Answer, Errno>> {
        let [a, b, c, ..] = call.arguments;
        Some(match call.number {
            libc::SYS_stat => Ok(self.stat(call, place(HERE, a, 0), b)),
            libc::SYS_lstat => Ok(self.stat(call, place(HERE, a, NO_FOLLOW), b)),
            libc::SYS_chown => place(HERE, a, 0).and_then(|place| self.chown(call, &place, b, c)),
            libc::SYS_lchown => place(HERE, a, NO_FOLLOW).and_then(|place| self.chown(call, &place, b, c)),
            libc::SYS_open => self.open(call, place(HERE, a, 0), low(b), low(c)),
            libc::SYS_creat => {
                let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::TRUNC;
                self.open(call, place(HERE, a, 0), flags.bits(), low(b))
            }
            libc::SYS_mkdir => self.making(call, |who| {
                making::directory(&self.owners, who, call.thread, &place(HERE, a, NO_FOLLOW)?, low(b))
            }),
            libc::SYS_symlink => self.making(call, |who| {
                making::link(&self.owners, who, &read_string(call, a)?, &place(HERE, b, NO_FOLLOW)?)
            }),
            libc::SYS_mknod => self.making(call, |who| {
                making::node(&self.owners, who, call.thread, &place(HERE, a, NO_FOLLOW)?, low(b), c)
            }),
            _ => return None,
        })
    }

    /// Where nothing was recorded, and where anything fails, the kernel says what there is to say.
    fn stat(&self, call: &Call, place: Result<Place, Errno>, buffer: u64) -> Answer {
        match place.ok().and_then(|place| self.owners.stat(&place)) {
            Some(Ok(bytes)) => {
                let size = if cfg!(target_arch = "x86_64") { 144 } else { 128 };
                write(call, buffer, &bytes[..size], 0)
            }
            Some(Err(_)) | None => Answer::Continue,
        }
    }

    fn statx(&self, call: &Call, place: Result<Place, Errno>, flags: u64, mask: u64, buffer: u64) -> Answer {
        let Ok(place) = place else { return Answer::Continue };
        // The path is a descriptor's where it was empty, and then no link is at its end.
        let kept = low(flags & !(NO_FOLLOW | EMPTY_PATH)) | place.flags().bits();
        match self.owners.statx(&place, kept.cast_signed(), low(mask)) {
            Some(Ok(bytes)) => write(call, buffer, &bytes, 0),
            Some(Err(_)) | None => Answer::Continue,
        }
    }

    fn chown(&self, call: &Call, place: &Place, uid: u64, gid: u64) -> Result<Answer, Errno> {
        let who = self.identities.of(call.thread)?;
        self.owners.change(place, &who, low(uid), low(gid))?;
        Ok(Answer::Value(0))
    }

    fn making(&self, call: &Call, make: impl FnOnce(&Credentials) -> Result<Answer, Errno>) -> Result<Answer, Errno> {
        make(&self.identities.of(call.thread)?)
    }

    fn open(&self, call: &Call, place: Result<Place, Errno>, flags: u32, mode: u32) -> Result<Answer, Errno> {
        let place = place?;
        let place = if flags & OFlags::NOFOLLOW.bits() == 0 { place } else { place.not_followed() };
        let who = self.identities.of(call.thread)?;
        match making::open(&self.owners, &who, call.thread, &place, flags, mode) {
            // What is in the way of making it the kernel knows better.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => Ok(Answer::Continue),
            answer => answer,
        }
    }

    /// The flags, the mode and how to resolve are in memory. Ways of resolving are the kernel's affair.
    fn openat2(&self, call: &Call, place: Result<Place, Errno>, how: u64, size: u64) -> Result<Answer, Errno> {
        let mut bytes = [0; 24];
        if size < 24 || read_memory(call.thread, how, &mut bytes)? < bytes.len() {
            return Ok(Answer::Continue);
        }
        let [flags, mode, resolve] = [0, 8, 16].map(|at| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_ne_bytes(word)
        });
        if low(flags) & super::filter::MAKING == 0 || resolve != 0 {
            return Ok(Answer::Continue);
        }
        self.open(call, place, low(flags), low(mode))
    }

    /// A program that is set-id for an owner that was recorded.
    fn execute(&self, call: &Call, place: Result<Place, Errno>) -> Answer {
        let executed = || -> Result<(), Errno> {
            let place = place?;
            let stat = place.stat()?;
            let before = self.identities.of(call.thread)?;
            let mut after = before.clone();
            let is_set = |bits| stat.st_mode & bits == bits && is_program(&place, &stat);
            let claim = self.owners.claim(&place).unwrap_or_default();
            after.execute(is_set(0o4000).then_some(claim.uid), is_set(0o2010).then_some(claim.gid));
            if after == before { Ok(()) } else { self.identities.set(call.thread, after) }
        };
        let _kernel_says_why_not = executed();
        Answer::Continue
    }

    /// The names of extended attributes, without kiln's own.
    fn attributes(call: &Call, place: Result<Place, Errno>, buffer: u64, size: u64) -> Answer {
        let Ok(place) = place else { return Answer::Continue };
        let mut names = vec![0; 1 << 16];
        let path = &*place.path;
        let listed = if place.follow {
            rustix::fs::listxattr(path, &mut names[..])
        } else {
            rustix::fs::llistxattr(path, &mut names[..])
        };
        let Ok(length) = listed else { return Answer::Continue };
        let is_claim = |name: &[u8]| name.strip_suffix(b"\0") == Some(CLAIM.as_bytes());
        let names: Vec<_> = names[..length].split_inclusive(|byte| *byte == 0).collect();
        if !names.iter().any(|name| is_claim(name)) {
            return Answer::Continue;
        }
        let rest = names.into_iter().filter(|name| !is_claim(name)).collect::<Vec<_>>().concat();
        let count = i64::try_from(rest.len()).unwrap_or(i64::MAX);
        match size {
            0 => Answer::Value(count),
            size if size < rest.len() as u64 => Answer::Error(Errno::RANGE),
            _ => write(call, buffer, &rest, count),
        }
    }

    #[expect(clippy::many_single_char_names, reason = "the arguments of system calls, named as their registers are")]
    fn identity(&self, call: &Call) -> Result<Answer, Errno> {
        let [a, b, c, ..] = call.arguments;
        let (x, y, z) = (low(a), low(b), low(c));
        let who = self.identities.of(call.thread)?;
        let (user, group) = (who.user, who.group);
        let privileged = who.is_privileged();
        let change_user = |change: &dyn Fn(&mut Ids) -> Result<(), Errno>| {
            let mut ids = who.user;
            change(&mut ids)?;
            self.become_other(call, &who, who.with_user(ids))
        };
        let change_group = |change: &dyn Fn(&mut Ids) -> Result<(), Errno>| {
            let mut after = who.clone();
            change(&mut after.group)?;
            self.become_other(call, &who, after)
        };
        match call.number {
            libc::SYS_getuid => Ok(Answer::Value(user.real.into())),
            libc::SYS_geteuid => Ok(Answer::Value(user.effective.into())),
            libc::SYS_getgid => Ok(Answer::Value(group.real.into())),
            libc::SYS_getegid => Ok(Answer::Value(group.effective.into())),
            libc::SYS_getresuid => Ok(write_each(call, user)),
            libc::SYS_getresgid => Ok(write_each(call, group)),
            libc::SYS_getgroups => groups(call, &who.groups),
            libc::SYS_setuid => change_user(&|ids| ids.set(x, privileged)),
            libc::SYS_setgid => change_group(&|ids| ids.set(x, privileged)),
            libc::SYS_setreuid => change_user(&|ids| ids.set_real_effective(x, y, privileged)),
            libc::SYS_setregid => change_group(&|ids| ids.set_real_effective(x, y, privileged)),
            libc::SYS_setresuid => change_user(&|ids| ids.set_each(x, y, z, privileged)),
            libc::SYS_setresgid => change_group(&|ids| ids.set_each(x, y, z, privileged)),
            libc::SYS_setfsuid => {
                let mut after = who.clone();
                let before = after.user.set_file(x, privileged);
                self.become_other(call, &who, after).map(|_zero| Answer::Value(before.into()))
            }
            libc::SYS_setfsgid => {
                let mut after = who.clone();
                let before = after.group.set_file(x, privileged);
                self.become_other(call, &who, after).map(|_zero| Answer::Value(before.into()))
            }
            libc::SYS_setgroups => {
                if !privileged {
                    return Err(Errno::PERM);
                }
                let after = Credentials { groups: read_groups(call, a, b)?, ..who.clone() };
                self.become_other(call, &who, after)
            }
            libc::SYS_prctl => {
                let after = Credentials { keeps_capabilities: y == 1, ..who.clone() };
                self.become_other(call, &who, after).map(|_zero| Answer::Continue)
            }
            // Capabilities stay as they are: they decide about nothing that is followed here.
            libc::SYS_capset => Ok(Answer::Value(0)),
            _ => Ok(Answer::Continue),
        }
    }

    fn answer_in_chroot(&self, listener: BorrowedFd<'_>, call: &Call) -> Result<Answer, Errno> {
        if let Some(answer) = self.answer_of_itself(listener, call)? {
            return Ok(answer);
        }
        match self.refuses_write(listener, call) {
            Some(answer) => Ok(answer),
            None => self.answer_rare(listener, call),
        }
    }

    fn become_other(&self, call: &Call, before: &Credentials, after: Credentials) -> Result<Answer, Errno> {
        if *before != after {
            self.identities.set(call.thread, after)?;
        }
        Ok(Answer::Value(0))
    }

    /// Does something in the root directory of a thread, which may have changed it.
    fn in_root_of(&self, call: &Call, act: impl FnOnce() -> Result<Answer, Errno>) -> Result<Answer, Errno> {
        let path = format!("{}/root", call.thread);
        let root = match rustix::fs::readlinkat(CWD, &*path, Vec::new()) {
            // Without CAP_SYS_PTRACE nobody sees into processes of others. They, in turn, can make no nodes.
            Err(Errno::ACCESS) if matches!(self.taken, Taken::InChroot(_)) && !makes_nodes(call.number) => {
                return Ok(Answer::Continue);
            }
            root => root?,
        };
        if root.as_bytes() == b"/" {
            return act();
        }
        let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let outside = rustix::fs::openat(CWD, "/", how, Mode::empty())?;
        let inside = rustix::fs::openat(CWD, &*path, how, Mode::empty())?;
        if let Some(root) = &self.root {
            require_inside(root, &inside)?;
        }
        rustix::process::fchdir(&inside)?;
        rustix::process::chroot(".")?;
        rustix::process::fchdir(&self.proc)?;
        let answer = act();
        rustix::process::fchdir(&outside)?;
        rustix::process::chroot(".")?;
        rustix::process::fchdir(&self.proc)?;
        answer
    }
}

fn makes_nodes(number: i64) -> bool {
    #[cfg(target_arch = "x86_64")]
    if number == libc::SYS_mknod {
        return true;
    }
    number == libc::SYS_mknodat
}

/// Set-id bits of scripts count for nothing.
fn is_program(place: &Place, stat: &rustix::fs::Stat) -> bool {
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_mode & 0o111 != 0;
    let is_script = || {
        let file = rustix::fs::openat(CWD, &*place.path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut start = [0; 2];
        Ok::<_, Errno>(rustix::io::read(&file, &mut start)? == 2 && &start == b"#!")
    };
    is_file && !is_script().unwrap_or(true)
}

fn write(call: &Call, address: u64, bytes: &[u8], value: i64) -> Answer {
    match write_memory(call.thread, address, bytes) {
        Ok(()) => Answer::Value(value),
        Err(_) => Answer::Error(Errno::FAULT),
    }
}

fn write_each(call: &Call, ids: Ids) -> Answer {
    let places = call.arguments.into_iter().zip([ids.real, ids.effective, ids.saved]);
    for (address, id) in places {
        if write_memory(call.thread, address, &id.to_ne_bytes()).is_err() {
            return Answer::Error(Errno::FAULT);
        }
    }
    Answer::Value(0)
}

fn groups(call: &Call, groups: &[u32]) -> Result<Answer, Errno> {
    let [size, address, ..] = call.arguments;
    let room = usize::try_from(low(size)).unwrap_or(usize::MAX);
    let count = i64::try_from(groups.len()).unwrap_or_default();
    if room == 0 {
        return Ok(Answer::Value(count));
    }
    if room < groups.len() {
        return Err(Errno::INVAL);
    }
    let bytes: Vec<u8> = groups.iter().flat_map(|group| group.to_ne_bytes()).collect();
    Ok(if bytes.is_empty() { Answer::Value(0) } else { write(call, address, &bytes, count) })
}

fn read_groups(call: &Call, count: u64, address: u64) -> Result<Vec<u32>, Errno> {
    let count = usize::try_from(low(count)).unwrap_or(usize::MAX);
    if count > MAX_GROUPS {
        return Err(Errno::INVAL);
    }
    let mut bytes = vec![0; count * 4];
    if !bytes.is_empty() && read_memory(call.thread, address, &mut bytes)? < bytes.len() {
        return Err(Errno::FAULT);
    }
    let words = bytes.chunks_exact(4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
    // The kernel keeps them sorted, and so shows them.
    let mut groups: Vec<u32> = words.collect();
    groups.sort_unstable();
    Ok(groups)
}
