//! Words for tests of whole builds: a [`Kit`] is a context, a Dockerfile, flags and a store; [`Kit::build`] runs the real
//! program and gives a [`Built`]; its [`Image`] is read with nothing of kiln's own, so that one mistake is not made twice.
//!
//! ```text
//! let Some(mut kit) = Kit::with_busybox() else { return };
//! kit.file("a", "x").dockerfile("FROM busybox\nCOPY a /\n").build().succeeds().last_layer().lists(&["a: file"]);
//! ```

mod base;
mod bucket;
mod built;
mod cache_server;
mod faulty;
mod git;
mod image;
mod layer;
mod registry;
mod web;
mod wire;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

pub(crate) use base::hex;
pub(crate) use bucket::{AZURE_ACCOUNT, AZURE_KEY, BUCKET, BucketServer};
pub(crate) use built::Built;
pub(crate) use cache_server::{CacheServer, TOKEN as CACHE_TOKEN};
pub(crate) use faulty::{Fault, Faulty};
pub(crate) use git::{Daemon, Repository, SmartHttp};
pub(crate) use image::Image;
pub(crate) use layer::Kind as EntryKind;
pub(crate) use registry::{HTPASSWD, Registry};
pub(crate) use web::{Page, Web};
pub(crate) use wire::Wire;

/// A build that takes longer hangs.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Everything a build needs, in a temporary directory.
pub(crate) struct Kit {
    dir: TempDir,
    flags: Vec<String>,
    env: Vec<(String, String)>,
}

/// The capabilities that container engines give by default: no `CAP_SYS_ADMIN` among them.
pub(crate) const CONTAINER: &str = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap";

/// Says why a test does not run, so that nobody takes its pass for a proof.
#[expect(clippy::print_stderr, reason = "a test's report")]
pub(crate) fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// Whether `program` can be found; says so when it cannot.
pub(crate) fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    if !found {
        skipped(&format!("{program} is not installed"));
    }
    found
}

/// Whether the tests run as root; says so when they do not.
pub(crate) fn root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        skipped("needs root");
    }
    root
}

impl Kit {
    /// An empty context and an empty store.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("context")).unwrap();
        Self { dir, flags: Vec::new(), env: Vec::new() }
    }

    /// The same, and `FROM busybox` means an image that the kit has made. `None` where there is no static busybox.
    pub(crate) fn with_busybox() -> Option<Self> {
        let Some(layout) = base::busybox() else {
            skipped("no static busybox at /bin/busybox (Debian: busybox-static)");
            return None;
        };
        let mut kit = Self::new();
        kit.flag(&["--build-context", &format!("busybox=oci-layout://{}", layout.display())]);
        Some(kit)
    }

    /// A path beside the context.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn in_context(&self, path: &str) -> PathBuf {
        let path = self.path("context").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// Writes a file of the context, mode 0644, with the directories above it.
    pub(crate) fn file(&mut self, path: &str, text: &str) -> &mut Self {
        let path = self.in_context(path);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        self
    }

    /// Sets the mode of something in the context.
    pub(crate) fn mode(&mut self, path: &str, mode: u32) -> &mut Self {
        fs::set_permissions(self.in_context(path), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    /// Makes a symbolic link in the context.
    pub(crate) fn symlink(&mut self, path: &str, target: &str) -> &mut Self {
        symlink(target, self.in_context(path)).unwrap();
        self
    }

    /// Gives the file `first` of the context another name.
    pub(crate) fn hard_link(&mut self, first: &str, path: &str) -> &mut Self {
        fs::hard_link(self.in_context(first), self.in_context(path)).unwrap();
        self
    }

    /// Sets the time of a file in the context, as `touch` does.
    pub(crate) fn touch(&mut self, path: &str, seconds: u64) -> &mut Self {
        let time = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
        fs::File::options().write(true).open(self.in_context(path)).unwrap().set_modified(time).unwrap();
        self
    }

    /// Writes the Dockerfile. It lies beside the context, not in it, so that `COPY .` copies the files of the test alone.
    pub(crate) fn dockerfile(&mut self, text: &str) -> &mut Self {
        fs::write(self.path("Dockerfile"), text).unwrap();
        self
    }

    /// Adds words to the command line.
    pub(crate) fn flag(&mut self, words: &[&str]) -> &mut Self {
        self.flags.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// The words added so far.
    pub(crate) fn flags(&self) -> &[String] {
        &self.flags
    }

    /// Takes words of [`Kit::flag`] back.
    pub(crate) fn without_flag(&mut self, words: &[&str]) -> &mut Self {
        let at = self.flags.windows(words.len()).position(|window| window == words);
        if let Some(at) = at {
            self.flags.drain(at..at + words.len());
        }
        self
    }

    /// Sets an environment variable of the build.
    pub(crate) fn env(&mut self, name: &str, value: &str) -> &mut Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Forgets everything that was built.
    pub(crate) fn new_store(&mut self) -> &mut Self {
        let _absent = fs::remove_dir_all(self.path("store"));
        self
    }

    /// Builds into an OCI archive.
    pub(crate) fn build(&self) -> Built {
        let archive = self.path("out.tar");
        let _absent = fs::remove_file(&archive);
        let output = format!("type=oci,dest={}", archive.display());
        Built::new(self.run(&["-o", &output]), archive)
    }

    /// Builds another context than the kit's into an OCI archive, without its Dockerfile.
    pub(crate) fn build_at(&self, context: &str, more: &[&str]) -> Built {
        let archive = self.path("out.tar");
        let _absent = fs::remove_file(&archive);
        let output = format!("type=oci,dest={}", archive.display());
        let store = self.path("store");
        let mut words = vec!["build", "--progress", "plain", "--store", text(&store), "-o", &output];
        words.extend(self.flags.iter().map(String::as_str));
        words.extend(more);
        words.push(context);
        Built::new(self.kiln(&words), archive)
    }

    /// Builds with the flags of the kit and `more`, and no output that is not among them.
    pub(crate) fn run(&self, more: &[&str]) -> std::process::Output {
        assert_cmd::Command::from_std(self.command(more)).timeout(TIMEOUT).output().unwrap()
    }

    /// Runs another command of the program than `build`.
    pub(crate) fn kiln(&self, words: &[&str]) -> std::process::Output {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kiln"));
        self.surround(&mut command);
        command.args(words);
        assert_cmd::Command::from_std(command).timeout(TIMEOUT).output().unwrap()
    }

    /// The same, with bytes on standard input.
    pub(crate) fn kiln_fed(&self, words: &[&str], stdin: &[u8]) -> std::process::Output {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kiln"));
        self.surround(&mut command);
        command.args(words);
        assert_cmd::Command::from_std(command).write_stdin(stdin).timeout(TIMEOUT).output().unwrap()
    }

    /// Runs another command of the program on the kit's store.
    pub(crate) fn on_store(&self, words: &[&str]) -> std::process::Output {
        let store = self.path("store");
        self.kiln(&[words, &["--store", text(&store)]].concat())
    }

    /// The command of [`Kit::run`], not started.
    pub(crate) fn command(&self, more: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kiln"));
        self.surround(&mut command);
        command
            .args(["build", "--progress", "plain", "--store"])
            .arg(self.path("store"))
            .arg("-f")
            .arg(self.path("Dockerfile"))
            .args(&self.flags)
            .args(more)
            .arg(self.path("context"));
        command
    }
}

impl Kit {
    /// The environment: the kit's own alone.
    fn surround(&self, command: &mut std::process::Command) {
        for name in [
            "SOURCE_DATE_EPOCH",
            "DOCKER_DEFAULT_PLATFORM",
            "BUILDKIT_PROGRESS",
            "KILN_STORE",
            "KILN_CONFIG",
            "DOCKER_CONFIG",
            "REGISTRY_AUTH_FILE",
            "SSH_AUTH_SOCK",
            "XDG_DATA_HOME",
            "XDG_CONFIG_HOME",
            "XDG_RUNTIME_DIR",
        ] {
            command.env_remove(name);
        }
        command.env("HOME", self.dir.path()).envs(self.env.iter().map(|(name, value)| (name, value)));
    }
}

/// Runs another program and gives its standard output.
pub(crate) fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program).args(arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Processes whose command line begins with `words`.
pub(crate) fn processes_with(words: &str) -> usize {
    let wanted = words.replace(' ', "\0");
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| String::from_utf8_lossy(line).starts_with(&wanted))
        .count()
}

/// So many bytes of text that hardly compresses.
pub(crate) fn noise(size: usize) -> String {
    let words: Vec<String> =
        (0..size / 16).map(|n: usize| format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    words.concat()
}

/// The text of a path, for a command line.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
