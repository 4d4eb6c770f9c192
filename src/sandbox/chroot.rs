//! Rung `chroot`: for root without `CAP_SYS_ADMIN`, who can mount nothing and make no namespaces.
//!
//! What a mount would cover is moved out of the root for the time of the step, and something like the mount is put in its
//! place; afterwards it is moved back. So the layer is the same as on the other rungs. A supervisor refuses what would be written to
//! a read-only mount; where there can be none it is written to a copy, and nothing of that stays.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, makedev};
use rustix::io::Errno;
use rustix::process::DumpableBehavior;
use rustix::thread::UnshareFlags;

use super::copy::{Name, copy, remove};
use super::devices::{NODES, open_null};
use super::launch::{Launch, Restriction, Room};
use super::namespaces::run_beside;
use super::place::{Missing, Places, keeping_time, open_host};
use super::proc_files::make_proc;
use super::run::Links;
use super::socket::{self, Listening};
use super::supervise::{Chrooted, StandIn, Supervised, Supervisor, Taken};
use super::{
    Doing, Exit, Isolation, Process, Root, SandboxError, SandboxMount, SandboxMountKind, network_files, standing, sys,
};

/// Runs the process to its end. To be called on a thread that does nothing else afterwards.
pub(super) fn run(process: &Process<'_>, output: OwnedFd, links: &Links) -> Result<Exit, SandboxError> {
    let unsupported = |what: &str| SandboxError::Unsupported { what: what.to_owned(), isolation: Isolation::Chroot };
    let Root::Directory(root) = process.root else { return Err(unsupported("an overlay")) };
    // Here a step sees kiln's processes: without CAP_SYS_PTRACE it can neither trace them nor read their memory then.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).doing("hide kiln's memory")?;
    sys::unshare(UnshareFlags::FS).doing("separate the working directory")?;
    let restriction = Restriction::of(process, standing::may_mount());
    let mut has_network = !process.no_network;
    if process.no_network {
        let separated = sys::unshare(UnshareFlags::NEWNET).and_then(|()| sys::raise_loopback());
        has_network = separated.is_err();
    }
    // Without a network of its own it can still be refused that of the machine.
    let no_sockets = process.no_network && has_network;
    if no_sockets && (restriction == Restriction::None || !Taken::InChroot(Chrooted::default()).is_known()) {
        return Err(unsupported("`--network=none`"));
    }
    // Permission bits below are meant as they are written.
    rustix::process::umask(Mode::empty());

    let mut scene = Scene::new(root).doing("open the root file system")?;
    let supervision = match restriction {
        Restriction::None => None,
        _ => {
            let writes = process.mounts.iter().any(|mount| mount.read_only);
            Supervisor::new(process, Taken::InChroot(Chrooted { writes, no_sockets }))?
        }
    };
    let (supervisor, supervised) = supervision.unzip();
    let result = scene.set_up(process, supervised, output, links).and_then(|launch| match supervisor {
        None => launch.run(process),
        Some(mut supervisor) => {
            supervisor.know(std::mem::take(&mut scene.read_only), scene.stand_in);
            run_beside(&supervisor, launch, process)
        }
    });
    let cleaned = scene.leave().doing("put back what mounts covered");
    result.and_then(|exit| cleaned.map(|()| exit))
}

/// What is changed in the root for the time of one step.
struct Scene {
    places: Places,
    root: OwnedFd,
    /// Beside the root, on the same file system.
    aside: tempfile::TempDir,
    aside_directory: OwnedFd,
    covers: Vec<Cover>,
    read_only: Vec<OwnedFd>,
    stand_in: StandIn,
}

/// Whether a supervisor can be had that refuses what a process would write to its read-only mounts.
pub(super) fn refuses_writes(process: &Process<'_>) -> bool {
    Restriction::of(process, standing::may_mount()) != Restriction::None
        && Taken::InChroot(Chrooted::default()).is_known()
}

/// Something put in the place of something else.
struct Cover {
    parent: Rc<OwnedFd>,
    name: Vec<u8>,
    /// The name under which the original waits.
    aside: String,
    /// Where changes go: a directory of this machine, and a name there.
    source: Option<(OwnedFd, Vec<u8>)>,
}

impl Scene {
    fn new(root: &Path) -> io::Result<Self> {
        let beside = root.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let aside = tempfile::Builder::new().prefix(".aside-").tempdir_in(beside)?;
        let aside_directory = open_host(aside.path())?;
        Ok(Self {
            places: Places::new(open_host(root)?),
            root: open_host(root)?,
            aside,
            aside_directory,
            covers: vec![],
            read_only: vec![],
            stand_in: StandIn::default(),
        })
    }

    fn set_up(
        &mut self,
        process: &Process<'_>,
        supervised: Option<Supervised>,
        output: OwnedFd,
        links: &Links,
    ) -> Result<Launch, SandboxError> {
        let is_answered = supervised.is_some();
        self.cover("/proc", Missing::Directory, None, |place| make_proc(place, is_answered))?;
        self.cover("/sys", Missing::Directory, None, |place| make_directory(place, 0o555))?;
        let mut stand_in = StandIn::default();
        self.cover("/dev", Missing::Directory, None, |place| make_dev(place, is_answered.then_some(&mut stand_in)))?;
        self.stand_in = stand_in;
        let resolv_conf = network_files::resolv_conf(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default());
        let hosts = network_files::hosts(process.hostname, process.hosts);
        for (target, text) in [("/etc/hosts", hosts), ("/etc/resolv.conf", resolv_conf)] {
            self.cover(target, Missing::File, None, |place| make_file(place, text.as_bytes(), 0o644, (0, 0)))?;
        }
        let mut mounts: Vec<_> = process.mounts.iter().collect();
        mounts.sort_by(|a, b| a.target.cmp(&b.target));
        for mount in mounts {
            self.emulate(mount, links)?;
        }
        let cwd = self.places.find(process.cwd, Missing::Kept(process.user)).doing("make the working directory")?;
        // It is entered by the process, but what it is shows here.
        rustix::process::fchdir(&cwd.file).doing("enter the working directory")?;
        rustix::process::umask(Mode::from_raw_mode(0o022));
        let room = Room::Chroot {
            root: self.root.try_clone().doing("open the root file system")?,
            cwd: cwd.file.try_clone().doing("enter the working directory")?,
            proc: open_host(Path::new("/proc")).doing("open /proc")?,
        };
        Launch::new(process, room, supervised, open_null().doing("open /dev/null")?, output, links)
            .doing("prepare the process")
    }

    fn emulate(&mut self, mount: &SandboxMount, links: &Links) -> Result<(), SandboxError> {
        let failed = |source: io::Error| SandboxError::Mount { target: mount.target.clone(), source };
        match &mount.kind {
            SandboxMountKind::Tmpfs(_) => {
                self.cover(&mount.target, Missing::Directory, None, |place| make_directory(place, 0o1777))
            }
            SandboxMountKind::File { content, mode, uid, gid } => {
                let owner = (*uid, *gid);
                self.cover(&mount.target, Missing::File, None, |place| make_file(place, content, *mode, owner))
            }
            SandboxMountKind::Socket { service, mode, uid, gid } => {
                let aside = self.aside_directory.try_clone().map_err(failed)?;
                self.cover(&mount.target, Missing::File, None, |place| {
                    let socket = socket::bind(&aside, "socket", *mode, (*uid, *gid))?;
                    rustix::fs::renameat(&aside, "socket", place.directory, place.name)?;
                    links.sockets.send(Listening { socket, service: Arc::clone(service) }).map_err(io::Error::other)
                })
            }
            SandboxMountKind::Bind(path) => {
                let (directory, name) = split(path).map_err(failed)?;
                let source = Name::new(&directory, &name);
                let is_directory = path.is_dir();
                let missing = if is_directory { Missing::Directory } else { Missing::File };
                let back = if mount.read_only { None } else { Some(split(path).map_err(failed)?) };
                self.cover(&mount.target, missing, back, |place| copy(source, place))
            }
        }?;
        if mount.read_only {
            let opened = self.opened(&mount.target).map_err(failed)?;
            self.read_only.push(opened);
        }
        Ok(())
    }

    fn opened(&mut self, target: &str) -> io::Result<OwnedFd> {
        self.places.find(target, Missing::Directory)?.file.try_clone()
    }

    /// Moves what is at `target` out of the root, and has `make` put something else there.
    fn cover(
        &mut self,
        target: &str,
        missing: Missing<'_>,
        source: Option<(OwnedFd, Vec<u8>)>,
        make: impl FnOnce(Name<'_>) -> io::Result<()>,
    ) -> Result<(), SandboxError> {
        let failed = |source: io::Error| SandboxError::Mount { target: target.to_owned(), source };
        let place = self.places.find(target, missing).map_err(failed)?;
        let Some((parent, name)) = place.parent else {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is the root directory")));
        };
        let there = rustix::fs::fstat(&place.file).map_err(|errno| failed(errno.into()))?.st_mode;
        let is_directory = FileType::from_raw_mode(there) == FileType::Directory;
        if is_directory != matches!(missing, Missing::Directory) {
            return Err(failed(if is_directory { Errno::ISDIR } else { Errno::NOTDIR }.into()));
        }
        let aside = self.covers.len().to_string();
        let put = keeping_time(&*parent, || {
            rustix::fs::renameat(&*parent, &*name, &self.aside_directory, &aside)?;
            Ok(make(Name::new(&parent, &name)))
        });
        // From the renaming on there is something to put back, whatever failed then.
        let put = put.map_err(failed)?;
        self.covers.push(Cover { parent, name, aside, source });
        put.map_err(failed)
    }

    /// Takes the changes home and puts everything back.
    fn leave(self) -> io::Result<()> {
        rustix::process::chdir("/")?;
        let mut result = Ok(());
        for cover in self.covers.into_iter().rev() {
            result = result.and(cover.uncover(&self.aside_directory));
        }
        result.and(self.places.clean()).and(self.aside.close())
    }
}

impl Cover {
    fn uncover(self, aside: &OwnedFd) -> io::Result<()> {
        let place = Name::new(&self.parent, &self.name);
        let copied = match &self.source {
            Some((directory, name)) => copy(place, Name::new(directory, name)),
            None => Ok(()),
        };
        let uncovered = keeping_time(&*self.parent, || {
            missing_is_fine(remove(place))?;
            missing_is_fine(Ok(rustix::fs::renameat(aside, &*self.aside, &*self.parent, &*self.name)?))
        });
        missing_is_fine(copied).and(missing_is_fine(uncovered))
    }
}

/// A step can remove here what it could not if it were mounted, even the directory around it.
fn missing_is_fine(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// The directory that holds `path`, opened, and its name there.
fn split(path: &Path) -> io::Result<(OwnedFd, Vec<u8>)> {
    let path = path.canonicalize()?;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().map(OsStr::as_bytes)) else {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "the root directory cannot be copied"));
    };
    Ok((open_host(parent)?, name.to_vec()))
}

pub(super) fn make_directory(place: Name<'_>, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::mkdirat(place.directory, place.name, Mode::from_raw_mode(mode))?)
}

pub(super) fn make_file(place: Name<'_>, content: &[u8], mode: u32, owner: (u32, u32)) -> io::Result<()> {
    let how = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(place.directory, place.name, how, Mode::from_raw_mode(0o600))?;
    io::Write::write_all(&mut std::fs::File::from(file.try_clone()?), content)?;
    rustix::fs::fchown(&file, Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)))?;
    Ok(rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?)
}

/// A `/dev` with the usual nodes, as far as they can be made; without them, `null` is a file that swallows what it gets. What
/// stands for open files is told, where somebody answers for it.
fn make_dev(place: Name<'_>, stand_in: Option<&mut StandIn>) -> io::Result<()> {
    make_directory(place, 0o755)?;
    let how = OFlags::PATH | OFlags::CLOEXEC;
    let dev = rustix::fs::openat(place.directory, place.name, how, Mode::empty())?;
    for (name, major, minor) in NODES {
        let mode = Mode::from_raw_mode(0o666);
        let _not_permitted = rustix::fs::mknodat(&dev, name, FileType::CharacterDevice, mode, makedev(major, minor));
    }
    let usable = rustix::fs::openat(&dev, "null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).is_ok();
    if !usable {
        missing_is_fine(remove(Name::new(&dev, b"null")))?;
        make_file(Name::new(&dev, b"null"), b"", 0o666, (0, 0))?;
    }
    make_directory(Name::new(&dev, b"shm"), 0o1777)?;
    if let Some(stand_in) = stand_in {
        *stand_in = make_descriptors(&dev)?;
    }
    Ok(())
}

/// The most descriptors that shells hand on by name, from the highest down.
const DESCRIPTORS: u32 = 64;

/// `/dev/fd` and its like. One socket by many names, since to make many files takes some file systems long.
fn make_descriptors(dev: &OwnedFd) -> io::Result<StandIn> {
    make_directory(Name::new(dev, b"fd"), 0o555)?;
    let directory = rustix::fs::openat(dev, "fd", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    rustix::fs::mknodat(&directory, "0", FileType::Socket, Mode::from_raw_mode(0o666), 0)?;
    for number in 1..DESCRIPTORS {
        rustix::fs::linkat(&directory, "0", &directory, number.to_string(), AtFlags::empty())?;
    }
    for (target, name) in [("fd/0", "stdin"), ("fd/1", "stdout"), ("fd/2", "stderr")] {
        rustix::fs::symlinkat(target, dev, name)?;
    }
    let stat = rustix::fs::statat(&directory, "0", AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(StandIn { device: stat.st_dev, inode: stat.st_ino })
}

/// Whether this process can change its root directory; tried on a thread of its own, which then ends.
pub(super) fn try_out() -> io::Result<()> {
    sys::unshare(UnshareFlags::FS)?;
    rustix::fs::openat(CWD, "/proc/self/status", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(rustix::process::chroot("/")?)
}
