//! What a step sees and leaves, on each rung that this machine has. Needs root and a static busybox.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::*;
use crate::progress::Cancel;

mod root;
mod rungs;

const PATH: &str = "PATH=/usr/bin:/bin";

/// A root file system with busybox, and how a test runs a step in it.
struct Kit {
    dir: tempfile::TempDir,
    lowers: Vec<PathBuf>,
    mounts: Vec<SandboxMount>,
    env: Vec<String>,
    cwd: String,
    user: User,
    hosts: Vec<HostEntry>,
    no_network: bool,
    insecure: bool,
    shm_size: u64,
    limits: Limits,
    claims: crate::rootfs::Claims,
    cancel: Cancel,
    isolation: Isolation,
}

/// What a step did.
#[derive(Debug)]
struct Ran {
    exit: Result<Exit, SandboxError>,
    output: String,
}

impl Kit {
    /// `None` where the machine cannot run the test, which is said aloud.
    fn new(isolation: Isolation) -> Option<Self> {
        let why = if !rustix::process::geteuid().is_root() {
            "not root"
        } else if !Path::new("/bin/busybox").exists() {
            "no /bin/busybox (package busybox-static)"
        } else {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let base = dir.path().join("base");
            fs::create_dir_all(base.join("bin")).expect("create");
            fs::create_dir_all(base.join("tmp")).expect("create");
            fs::copy("/bin/busybox", base.join("bin/busybox")).expect("copy");
            for applet in
                "sh cat ls echo id sleep true kill pwd stat env grep mkdir rm mv touch hostname ps ip wc mknod \
                           tr cut sort dd chmod ln test head"
                    .split_whitespace()
            {
                symlink("busybox", base.join("bin").join(applet)).expect("link");
            }
            for name in ["upper", "work"] {
                fs::create_dir(dir.path().join(name)).expect("create");
            }
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
            return Some(Self {
                lowers: vec![base],
                dir,
                mounts: Vec::new(),
                env: vec![PATH.to_owned()],
                cwd: "/".to_owned(),
                user: User::default(),
                hosts: Vec::new(),
                no_network: false,
                insecure: false,
                shm_size: 0,
                limits: Limits::default(),
                claims: crate::rootfs::Claims::default(),
                cancel: Cancel::new().expect("an eventfd"),
                isolation,
            });
        };
        let mut stderr = std::io::stderr();
        std::io::Write::write_all(&mut stderr, format!("SKIPPED: {why}\n").as_bytes()).expect("stderr");
        None
    }

    fn root() -> Option<Self> {
        Self::new(Isolation::Root)
    }

    /// Where a step's changes are.
    fn upper(&self) -> PathBuf {
        match self.isolation {
            Isolation::Root => self.dir.path().join("upper"),
            _ => self.lowers[0].clone(),
        }
    }

    fn run(&self, argv: &[&str]) -> Ran {
        let root = match self.isolation {
            Isolation::Root => {
                Root::Overlay { lowers: self.lowers.clone(), upper: self.upper(), work: self.dir.path().join("work") }
            }
            _ => Root::Directory(self.lowers[0].clone()),
        };
        self.run_in(&root, argv)
    }

    fn run_in(&self, root: &Root, argv: &[&str]) -> Ran {
        // Each step has its own.
        let work = self.dir.path().join("work");
        fs::remove_dir_all(&work).expect("the work directory is free");
        fs::create_dir(&work).expect("create");
        let argv: Vec<_> = argv.iter().map(ToString::to_string).collect();
        let process = Process {
            argv: &argv,
            env: &self.env,
            cwd: &self.cwd,
            user: &self.user,
            root,
            mounts: &self.mounts,
            hostname: "buildkitsandbox",
            hosts: &self.hosts,
            no_network: self.no_network,
            insecure: self.insecure,
            shm_size: self.shm_size,
            limits: &self.limits,
            cgroup: None,
            claims: &self.claims,
            cancel: &self.cancel,
        };
        let mut output = Vec::new();
        let exit = run(self.isolation, &process, &mut |bytes| output.extend_from_slice(bytes));
        Ran { exit, output: String::from_utf8_lossy(&output).into_owned() }
    }

    /// Runs a shell script that must succeed, and yields its output.
    fn sh(&self, script: &str) -> String {
        let ran = self.run(&["/bin/sh", "-c", script]);
        assert!(matches!(ran.exit, Ok(Exit::Code(0))), "{script}: {ran:?}");
        ran.output
    }

    fn mount(&mut self, target: &str, kind: SandboxMountKind, read_only: bool) {
        self.mounts.push(SandboxMount { target: target.to_owned(), kind, read_only });
    }

    /// All paths in the upper, sorted.
    fn left(&self) -> Vec<String> {
        let upper = self.upper();
        walkdir::WalkDir::new(&upper)
            .sort_by_file_name()
            .min_depth(1)
            .into_iter()
            .map(|entry| entry.expect("an entry").path().strip_prefix(&upper).expect("below").display().to_string())
            .filter(|path| self.isolation == Isolation::Root || !(path.starts_with("bin") || path == "tmp"))
            .collect()
    }
}

fn file(content: &str, mode: u32) -> SandboxMountKind {
    SandboxMountKind::File { content: content.as_bytes().to_vec(), mode, uid: 0, gid: 0 }
}
