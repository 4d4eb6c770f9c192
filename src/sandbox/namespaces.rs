//! Rung `root`: a root file system, namespaces and mounts that only the step sees.
//!
//! A thread of kiln takes copies of the namespaces and sets everything up there, in ordinary code; only then is a process
//! started, inside. The mounts are that thread's and the step's alone: they are gone with them, however kiln ends.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::thread::UnshareFlags;

use super::launch::{Launch, Room};
use super::mount::{PLAIN, Scratch, attach, attach_at, bind_host, new, pivot};
use super::overlay::{Devices, Layers};
use super::place::{Missing, Place, Places, open_host};
use super::run::Links;
use super::socket::Listening;
use super::supervise::{Shared, Supervised, Supervisor, Taken};
use super::sys::{self, Below, set_mount_attributes};
use super::{Doing, Exit, Process, Root, SandboxError, SandboxMount, SandboxMountKind, devices, network_files};

const READ_ONLY: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_RDONLY;
const NO_DEVICES: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NODEV;
const NO_SET_ID: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID;

/// Runs the process to its end. To be called on a thread that does nothing else afterwards.
pub(super) fn run(process: &Process<'_>, output: OwnedFd, links: &Links) -> Result<Exit, SandboxError> {
    run_under(false, None, process, output, links)
}

/// The same in a user namespace that has many ids, where a supervisor answers the few calls for which they are too few.
pub(super) fn run_mapped(process: &Process<'_>, output: OwnedFd, links: &Links) -> Result<Exit, SandboxError> {
    let supervision = if process.insecure { None } else { Supervisor::new(process, Taken::RareInNamespace)? };
    let (supervisor, supervised) = supervision.unzip();
    run_under(true, supervisor.as_ref().zip(supervised), process, output, links)
}

/// The same where kiln is the only user that there is: a supervisor answers what takes more.
pub(super) fn run_supervised(process: &Process<'_>, output: OwnedFd, links: &Links) -> Result<Exit, SandboxError> {
    let (supervisor, supervised) = Supervisor::new(process, Taken::All)?.unzip();
    run_under(true, supervisor.as_ref().zip(supervised), process, output, links)
}

/// `is_user` in a user namespace, where overlays have marks of their own and devices can only be borrowed.
fn run_under(
    is_user: bool,
    supervision: Option<(&Supervisor<'_>, Supervised)>,
    process: &Process<'_>,
    output: OwnedFd,
    links: &Links,
) -> Result<Exit, SandboxError> {
    let (supervisor, supervised) = supervision.unzip();
    let outside = open_host(Path::new("/")).doing("open the root directory")?;
    unshare(process.no_network)?;
    rustix::system::sethostname(process.hostname.as_bytes()).doing("set the host name")?;
    // Permission bits below are meant as they are written.
    rustix::process::umask(Mode::empty());

    let mut scene = Scene::new(process, is_user, links)?;
    let result = scene.set_up(process, supervised, output, links).and_then(|launch| match supervisor {
        None => launch.run(process),
        Some(supervisor) => run_beside(supervisor, launch, process),
    });
    let cleaned = scene.leave(&outside).doing("remove the mount points");
    result.and_then(|exit| cleaned.map(|()| exit))
}

pub(super) fn run_beside(
    supervisor: &Supervisor<'_>,
    launch: Launch,
    process: &Process<'_>,
) -> Result<Exit, SandboxError> {
    let shared = Shared::default();
    std::thread::scope(|scope| {
        supervisor.start(scope, &shared)?;
        let result = launch.run(process);
        // Closes the socket, at which the threads end.
        drop(launch);
        result
    })
}

fn unshare(no_network: bool) -> Result<(), SandboxError> {
    let mut namespaces =
        UnshareFlags::FS | UnshareFlags::NEWNS | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS | UnshareFlags::NEWCGROUP;
    if no_network {
        namespaces |= UnshareFlags::NEWNET;
    }
    sys::unshare(namespaces).doing("make namespaces")?;
    if no_network {
        sys::raise_loopback().doing("raise the loopback interface")?;
    }
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).doing("make mounts private")
}

/// The mounts of one step. From [`Scene::new`] on, the thread's root is the step's.
struct Scene<'a> {
    places: Places,
    /// Read-only views of nothing.
    masks: Vec<OwnedFd>,
    /// In the order in which they are attached.
    mounts: Vec<Detached<'a>>,
    borrowed: Option<devices::Borrowed>,
}

/// A mount that is not attached to its place yet.
struct Detached<'a> {
    target: &'a str,
    missing: Missing<'a>,
    mount: OwnedFd,
}

impl<'a> Scene<'a> {
    fn new(process: &Process<'a>, user_marks: bool, links: &Links) -> Result<Self, SandboxError> {
        let hosts = network_files::hosts(process.hostname, process.hosts);
        let resolv_conf = network_files::resolv_conf(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default());
        let sources = sources(process.mounts)?;
        let devices = if process.insecure { Devices::Usable } else { Devices::Inert };
        let (mut scratch, root) = mount_root(process.root, devices, user_marks).doing("mount the root file system")?;

        let masks = devices::masks(&scratch).doing("make masks")?;
        let mut mounts = Vec::with_capacity(sources.len() + 2);
        for (target, text) in [("/etc/hosts", hosts), ("/etc/resolv.conf", resolv_conf)] {
            let mount = scratch.file(text.as_bytes(), 0o644, (0, 0)).doing("write network files")?;
            set_mount_attributes(&mount, READ_ONLY | PLAIN, Below::No).doing("write network files")?;
            mounts.push(Detached { target, missing: Missing::File, mount });
        }
        for (mount, source) in sources {
            let target = &*mount.target;
            mounts.push(detached(mount, source, &mut scratch, links).map_err(|source| failed(target, source))?);
        }
        let borrowed = user_marks.then(devices::Borrowed::new).transpose().doing("open device nodes")?;
        // Everything of the machine that is needed has been opened.
        pivot(root.as_fd()).doing("change the root directory")?;
        Ok(Self { places: Places::new(root), masks, mounts, borrowed })
    }

    fn set_up(
        &mut self,
        process: &Process<'a>,
        supervised: Option<Supervised>,
        output: OwnedFd,
        links: &Links,
    ) -> Result<Launch, SandboxError> {
        let dev = self.find("/dev", Missing::Directory)?;
        let (nodes, sys, proc) = match self.borrowed.take() {
            Some(borrowed) => (Some(borrowed.nodes), Some(borrowed.sys), Some(borrowed.proc)),
            None => (None, None, None),
        };
        devices::mount_dev(&dev.file, process.shm_size, nodes).doing("mount /dev")?;
        let place = self.find("/sys", Missing::Directory)?;
        let masks = std::mem::take(&mut self.masks);
        devices::mount_sys(&place.file, masks, process.insecure, sys).doing("mount /sys")?;
        let place = self.find("/proc", Missing::Directory)?;
        if let Some(proc) = proc {
            attach(proc, &place.file).doing("mount /proc")?;
        }
        for Detached { target, missing, mount } in std::mem::take(&mut self.mounts) {
            let place = self.find(target, missing)?;
            // RUN-37.
            if place.parent.is_none() {
                return Err(failed(target, io::Error::new(io::ErrorKind::InvalidInput, "it is the root directory")));
            }
            attach(mount, &place.file).map_err(|source| failed(target, source))?;
        }
        let cwd = self.places.find(process.cwd, Missing::Kept(process.user)).doing("make the working directory")?;
        rustix::process::fchdir(&cwd.file).doing("enter the working directory")?;
        rustix::process::umask(Mode::from_raw_mode(0o022));
        let input = devices::open_null().doing("open /dev/null")?;
        let room = Room::Namespaces { masked: !process.insecure };
        Launch::new(process, room, supervised, input, output, links).doing("prepare the process")
    }

    fn find(&mut self, target: &str, missing: Missing<'_>) -> Result<Place, SandboxError> {
        self.places.find(target, missing).map_err(|source| failed(target, source))
    }

    /// Takes all mounts away, then the mount points, and returns to `outside`. When this returns, the overlay is gone too.
    fn leave(self, outside: &OwnedFd) -> io::Result<()> {
        rustix::process::chdir("/")?;
        // All at once; the places are still open, so the mount points can be reached.
        unmount_root()?;
        let cleaned = self.places.clean();
        rustix::process::fchdir(outside)?;
        rustix::process::chroot(".")?;
        cleaned
    }
}

/// Takes the root away with all that is mounted below it.
fn unmount_root() -> io::Result<()> {
    match unmount("/", UnmountFlags::DETACH) {
        // In a user namespace that does not own the machine's mounts the root is locked. The lock goes over to another
        // root, which then stays instead.
        Err(Errno::INVAL) => {
            let empty = new("tmpfs", &[], MountAttrFlags::empty())?;
            attach(&empty, open_host(Path::new("/"))?)?;
            pivot(empty.as_fd())
        }
        result => Ok(result?),
    }
}

fn failed(target: &str, source: io::Error) -> SandboxError {
    SandboxError::Mount { target: target.to_owned(), source }
}

/// Opens what is bound from this machine, and puts the mounts in their order (RUN-39).
fn sources(mounts: &[SandboxMount]) -> Result<Vec<(&SandboxMount, Option<OwnedFd>)>, SandboxError> {
    let mut sorted: Vec<_> = mounts.iter().collect();
    sorted.sort_by(|a, b| a.target.cmp(&b.target));
    let open = |mount: &SandboxMount| match &mount.kind {
        SandboxMountKind::Bind(path) => bind_host(path).map(Some).map_err(|source| failed(&mount.target, source)),
        SandboxMountKind::Tmpfs(_) | SandboxMountKind::File { .. } | SandboxMountKind::Socket { .. } => Ok(None),
    };
    sorted.into_iter().map(|mount| Ok((mount, open(mount)?))).collect()
}

/// `source` is what was opened for a bind.
fn detached<'a>(
    mount: &'a SandboxMount,
    source: Option<OwnedFd>,
    scratch: &mut Scratch,
    links: &Links,
) -> io::Result<Detached<'a>> {
    let (detached, missing, attributes) = match (&mount.kind, source) {
        (SandboxMountKind::Tmpfs(size), _) => {
            let size = size.map(|bytes| bytes.to_string());
            let options: Vec<_> = size.iter().map(|size| ("size", &**size)).collect();
            (new("tmpfs", &options, NO_SET_ID)?, Missing::Directory, NO_DEVICES)
        }
        (SandboxMountKind::File { content, mode, uid, gid }, _) => {
            (scratch.file(content, *mode, (*uid, *gid))?, Missing::File, NO_DEVICES | NO_SET_ID)
        }
        (SandboxMountKind::Socket { service, mode, uid, gid }, _) => {
            let (mounted, socket) = scratch.socket(*mode, (*uid, *gid))?;
            links.sockets.send(Listening { socket, service: Arc::clone(service) }).map_err(io::Error::other)?;
            (mounted, Missing::File, NO_DEVICES | NO_SET_ID)
        }
        (SandboxMountKind::Bind(_), Some(source)) => {
            let file_type = FileType::from_raw_mode(rustix::fs::fstat(&source)?.st_mode);
            let missing = if file_type == FileType::Directory { Missing::Directory } else { Missing::File };
            (source, missing, NO_DEVICES)
        }
        (SandboxMountKind::Bind(_), None) => return Err(io::ErrorKind::NotFound.into()),
    };
    let attributes = if mount.read_only { attributes | READ_ONLY } else { attributes };
    set_mount_attributes(&detached, attributes, Below::Yes)?;
    Ok(Detached { target: &mount.target, missing, mount: detached })
}

/// Mounts the root on a directory of the scratch memory, which itself lies over a directory that the overlay owns.
fn mount_root(root: &Root, devices: Devices, user_marks: bool) -> io::Result<(Scratch, OwnedFd)> {
    match root {
        Root::Overlay { lowers, upper, work } => {
            let mut layers = Layers {
                lowers: lowers.iter().map(|path| open_host(path)).collect::<Result<_, _>>()?,
                upper: open_host(upper)?,
                work: open_host(work)?,
                user_marks,
            };
            let scratch = Scratch::new(&layers.work)?;
            if layers.lowers.is_empty() {
                layers.lowers.push(scratch.directory("empty")?);
            }
            let root = layers.mount(scratch.root(), "root", devices)?;
            Ok((scratch, root))
        }
        Root::Directory(path) => {
            let root = bind_host(path)?;
            let scratch = Scratch::new(open_host(path)?)?;
            attach_at(&root, scratch.root(), "root")?;
            if let Devices::Inert = devices {
                set_mount_attributes(&root, NO_DEVICES, Below::No)?;
            }
            Ok((scratch, root))
        }
    }
}

/// Tries what a step needs and undoes it with the thread, which is to end: an overlay in memory, or one whose upper and
/// work directory are in `room`.
pub(super) fn try_out(room: Option<&Path>, user_marks: bool) -> io::Result<()> {
    let outside = open_host(Path::new("/"))?;
    unshare(false).map_err(|error| match error {
        SandboxError::Setup { source, .. } => source,
        other => io::Error::other(other),
    })?;
    let directory = if let Some(room) = room {
        open_host(room)?
    } else {
        let memory = new("tmpfs", &[], MountAttrFlags::empty())?;
        for name in ["upper", "work"] {
            rustix::fs::mkdirat(&memory, name, Mode::from_raw_mode(0o755))?;
        }
        // Over any directory there is; only this thread sees it.
        attach(&memory, open_host(&std::env::temp_dir())?)?;
        memory
    };
    let open = |name| rustix::fs::openat(&directory, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let (upper, work) = (open("upper")?, open("work")?);
    let scratch = Scratch::new(&work)?;
    let layers = Layers { lowers: vec![scratch.directory("empty")?], upper, work, user_marks };
    let overlay = layers.mount(scratch.root(), "root", Devices::Inert)?;
    pivot(overlay.as_fd())?;
    drop((overlay, layers, scratch, directory));
    unmount_root()?;
    rustix::process::fchdir(outside)?;
    Ok(rustix::process::chroot(".")?)
}
