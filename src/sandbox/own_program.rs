//! Keeps a step from running kiln itself.
//!
//! Until it executes its program, a step's process is one of kiln's, and `/proc/self/exe` leads to kiln's file on the machine. Were
//! that executed in the step, with libraries that the image brings, the image could write to the file (CVE-2019-5736).
//! Runs between clone and exec: nothing here allocates.

use std::ffi::CStr;
use std::sync::OnceLock;

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

/// The kernel reads so much of a script to find its interpreter (`BINPRM_BUF_SIZE`).
const START: usize = 256;
/// Interpreters that are scripts themselves, as many as the kernel follows, and one.
const INTERPRETERS: usize = 6;

/// Device and inode of kiln's program; `None` where there is no `/proc`, and so no link either.
static OWN: OnceLock<Option<(u64, u64)>> = OnceLock::new();

/// To be called where this machine's `/proc` can be reached.
pub(super) fn remember() {
    OWN.get_or_init(|| rustix::fs::stat("/proc/self/exe").ok().map(|stat| (stat.st_dev, stat.st_ino)));
}

/// Fails if executing `program` would execute kiln, or a script that kiln interprets. What cannot be looked into passes: the
/// kernel will say why it cannot be executed.
pub(super) fn refuse(program: &CStr) -> Result<(), Errno> {
    let Some(Some(own)) = OWN.get() else { return Ok(()) };
    let mut start = [0; START];
    let mut is_other = true;
    let mut found = look_into(program, *own, &mut start, &mut is_other);
    for _ in 0..INTERPRETERS {
        if !is_other {
            return Err(Errno::PERM);
        }
        let Some(length) = found else { return Ok(()) };
        let mut interpreter = [0; START];
        let Some(path) = interpreter_of(&start[..length], &mut interpreter) else { return Ok(()) };
        found = look_into(path, *own, &mut start, &mut is_other);
    }
    Ok(())
}

/// Reads how a file begins, and sees whether it is another file than kiln's.
fn look_into(path: &CStr, own: (u64, u64), start: &mut [u8; START], is_other: &mut bool) -> Option<usize> {
    let place = rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let stat = rustix::fs::fstat(&place).ok()?;
    *is_other = (stat.st_dev, stat.st_ino) != own;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let how = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, path, how, Mode::empty()).ok()?;
    rustix::io::read(&file, &mut start[..]).ok()
}

/// The path behind `#!` (execve(2)), written to `path` with a zero byte.
fn interpreter_of<'a>(start: &[u8], path: &'a mut [u8; START]) -> Option<&'a CStr> {
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let name = &line[line.iter().position(|byte| !is_space(byte))?..];
    let end = name.iter().position(is_space).unwrap_or(name.len());
    path[..end].copy_from_slice(&name[..end]);
    CStr::from_bytes_until_nul(&path[..]).ok()
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn interpreters_are_found_as_the_kernel_does() {
        for (script, want) in [
            (&b"#!/bin/sh\n"[..], Some(c"/bin/sh")),
            (b"#! \t/bin/sh -e\nx", Some(c"/bin/sh")),
            (b"#!/bin/sh", Some(c"/bin/sh")),
            (b"#!  \n", None),
            (b"\x7fELF", None),
            (b"", None),
        ] {
            assert_eq!(interpreter_of(script, &mut [0; START]), want, "{script:?}");
        }
    }

    #[test]
    fn kiln_is_found_behind_links_and_scripts() {
        remember();
        let dir = tempfile::tempdir().expect("a temporary directory");
        let place = |name: &str| dir.path().join(name);
        symlink("/proc/self/exe", place("link")).expect("link");
        fs::write(place("script"), format!("#!{}\n", place("link").display())).expect("write");
        fs::write(place("twice"), format!("#! {} -x\n", place("script").display())).expect("write");
        fs::write(place("other"), "#!/bin/sh\n").expect("write");
        for (name, want) in [
            ("link", Err(Errno::PERM)),
            ("script", Err(Errno::PERM)),
            ("twice", Err(Errno::PERM)),
            ("other", Ok(())),
            ("missing", Ok(())),
        ] {
            let path = CString::new(place(name).to_str().expect("text")).expect("no zero");
            assert_eq!(refuse(&path), want, "{name}");
        }
    }
}
