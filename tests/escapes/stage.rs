//! The rungs of this machine, and a build on each of them with something outside that it must not touch.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use crate::kit::{CONTAINER, Image, Kit, installed, skipped, text};

/// A secret of the builder's: in a file and in its environment, never in a step's.
pub(super) const CANARY: &str = "canary-of-the-builder-41c7";

/// A way to isolate, and how a process gets there from root.
#[derive(Clone, Debug)]
pub(super) struct Rung {
    /// Names it in messages.
    pub(super) name: &'static str,
    /// `--isolation`
    pub(super) isolation: &'static str,
    /// Who builds.
    uid: u32,
    /// What to put before the command.
    before: Vec<String>,
}

/// All that can be tried here; what cannot is said aloud.
pub(super) fn rungs() -> &'static [Rung] {
    static RUNGS: LazyLock<Vec<Rung>> = LazyLock::new(|| {
        if !crate::kit::root() || !installed("setpriv") {
            return Vec::new();
        }
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let as_user = |uid: u32, gid: u32| {
            words(&["setpriv", &format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups"])
        };
        let capabilities = format!("--bounding-set={CONTAINER}");
        let mut rungs = vec![
            Rung { name: "root", isolation: "root", uid: 0, before: Vec::new() },
            Rung { name: "chroot of a machine's root", isolation: "chroot", uid: 0, before: Vec::new() },
            Rung {
                name: "chroot in a container",
                isolation: "chroot",
                uid: 0,
                before: words(&["setpriv", &capabilities, "--inh-caps=-all"]),
            },
            Rung { name: "single-id", isolation: "single-id", uid: 65534, before: as_user(65534, 65534) },
        ];
        match user_with_ids() {
            Some((uid, gid)) => {
                rungs.push(Rung { name: "rootless", isolation: "rootless", uid, before: as_user(uid, gid) });
            }
            None => {
                skipped("no ordinary user with subordinate ids and `newuidmap`: nothing is tried on the rung rootless");
            }
        }
        rungs
    });
    &RUNGS
}

/// The rungs on which a row of a table is tried, by its number: `count` of them in turn, so that each rung has its share of every
/// table; all where the variable `KILN_ESCAPES` is `all`.
pub(super) fn turns(row: usize, count: usize) -> impl Iterator<Item = usize> {
    let rungs = rungs().len();
    let count = if std::env::var("KILN_ESCAPES").is_ok_and(|value| value == "all") { rungs } else { count.min(rungs) };
    (0..count).map(move |turn| (row + 2 * turn) % rungs)
}

/// User and group of somebody whom `/etc/subuid` and `/etc/subgid` give ids.
fn user_with_ids() -> Option<(u32, u32)> {
    if !installed("newuidmap") {
        return None;
    }
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let has = |file: &str, name: &str| read(file).lines().any(|line| line.split(':').next() == Some(name));
    read("/etc/passwd").lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        (uid != 0 && has("/etc/subuid", name) && has("/etc/subgid", name)).then_some((uid, gid))
    })
}

/// Whether an attack was held off, and if not, what it got to.
pub(super) type Held = Result<(), String>;

pub(super) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Held {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// What was not held off, all of it: one hole may hide another.
#[derive(Default)]
pub(super) struct Holes(Vec<String>);

impl Holes {
    pub(super) fn note(&mut self, row: &str, rung: &str, held: Held) {
        if let Err(why) = held {
            self.0.push(format!("{row}, on {rung}: {why}"));
        }
    }

    pub(super) fn none(self) {
        assert!(self.0.is_empty(), "{} holes:\n{}", self.0.len(), self.0.join("\n"));
    }
}

/// A kit that a rung's user can use, and a directory beside it that must stay as it is.
pub(super) struct Stage {
    pub(super) kit: Kit,
    rung: Rung,
}

impl Stage {
    /// `None` where there is no static busybox.
    pub(super) fn new(rung: &Rung) -> Option<Self> {
        let mut kit = Kit::with_busybox()?;
        // The base lies where only the tests' own user may look.
        let base = kit.path("base");
        let layout = kit.flags().iter().find_map(|flag| flag.strip_prefix("busybox=oci-layout://")).unwrap().to_owned();
        copy_tree(Path::new(&layout), &base);
        kit.without_flag(&[&format!("busybox=oci-layout://{layout}")]);
        kit.flag(&[&format!("busybox=oci-layout://{}", base.display())]);
        kit.flag(&["--isolation", rung.isolation]).env("CANARY_OF_BUILDER", CANARY);
        for name in ["store", "outside", "outside/dir"] {
            fs::create_dir(kit.path(name)).unwrap();
        }
        fs::write(kit.path("outside/secret"), CANARY).unwrap();
        fs::write(kit.path("outside/passwd"), "outsider:x:4242:4242::/:/bin/sh\n").unwrap();
        Some(Self { kit, rung: rung.clone() })
    }

    /// The name of the rung, for messages.
    pub(super) fn rung(&self) -> &'static str {
        self.rung.name
    }

    /// One for each rung; none where there is no static busybox.
    pub(super) fn all() -> Vec<Self> {
        rungs().iter().map_while(Self::new).collect()
    }

    /// A path of the directory that must stay as it is.
    pub(super) fn outside(&self, name: &str) -> PathBuf {
        self.kit.path("outside").join(name)
    }

    /// Builds as the rung's user, writing an archive to `out.tar`.
    pub(super) fn build(&self, more: &[&str]) -> Output {
        let archive = format!("type=oci,dest={}", self.kit.path("out.tar").display());
        self.run(&[&["-o", &*archive], more].concat())
    }

    /// Builds as the rung's user, without an output.
    pub(super) fn run(&self, more: &[&str]) -> Output {
        assert_cmd::Command::from_std(self.command(more)).timeout(std::time::Duration::from_secs(120)).output().unwrap()
    }

    /// The command of [`Stage::run`], not started.
    pub(super) fn command(&self, more: &[&str]) -> Command {
        let build = self.kit.command(more);
        let kiln = self.kit.path("kiln");
        if !kiln.exists() {
            fs::hard_link(build.get_program(), &kiln)
                .or_else(|_| fs::copy(build.get_program(), &kiln).map(drop))
                .unwrap();
        }
        self.give_away();
        let mut words = self.rung.before.iter().map(String::as_str).chain([text(&kiln)]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(build.get_args()).current_dir(self.kit.path(""));
        for (name, value) in build.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    fn give_away(&self) {
        let uid = self.rung.uid;
        for entry in walkdir::WalkDir::new(self.kit.path("")) {
            let Ok(entry) = entry else { continue };
            // One inode with the tests' own program.
            if entry.file_name() != "kiln" && entry.metadata().unwrap().uid() == 0 && uid != 0 {
                lchown(entry.path(), Some(uid), Some(uid)).unwrap();
            }
        }
        fs::set_permissions(self.kit.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What is outside must be what it was.
    pub(super) fn outside_is_untouched(&self) -> Held {
        let mut names: Vec<String> = walkdir::WalkDir::new(self.outside(""))
            .min_depth(1)
            .into_iter()
            .map(|entry| entry.unwrap().path().strip_prefix(self.outside("")).unwrap().display().to_string())
            .collect();
        names.sort();
        let meta =
            |name: &str| fs::symlink_metadata(self.outside(name)).map_or((0, 0), |it| (it.mode() & 0o7777, it.uid()));
        let uid = self.rung.uid;
        let secret = fs::read_to_string(self.outside("secret")).unwrap_or_default();
        ensure(names == ["dir", "passwd", "secret"], || format!("{names:?} are outside"))?;
        ensure(secret == CANARY, || format!("a file outside holds {secret:?}"))?;
        ensure((meta("secret"), meta("dir")) == ((0o644, uid), (0o755, uid)), || "owner or mode outside".to_owned())
    }

    /// A build that ended like this must not have crashed, and its image must hold nothing of the machine. `refused`: whether
    /// it must have been, where that is known.
    pub(super) fn is_contained(&self, output: &Output, refused: Option<bool>) -> Held {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let told = || format!("{}: {stderr}", output.status);
        ensure(matches!(output.status.code(), Some(0 | 1)) && !stderr.contains("panicked"), told)?;
        ensure(!stderr.contains(CANARY), told)?;
        if let Some(refused) = refused {
            ensure(output.status.success() != refused, told)?;
        }
        self.outside_is_untouched()?;
        let left = fs::read_dir(self.kit.path("store/kiln/tmp")).map_or(0, Iterator::count);
        ensure(left == 0, || "work in progress is left in the store".to_owned())?;
        let archive = self.kit.path("out.tar");
        if output.status.success() && archive.exists() {
            let image = Image::read(&archive);
            fs::remove_file(archive).unwrap();
            for (path, entry) in image.flattened() {
                let stolen = String::from_utf8_lossy(&entry.content).contains(CANARY);
                ensure(!stolen, || format!("{path} is of the machine"))?;
                ensure(entry.uid != 4242, || format!("{path} belongs to a user of the machine"))?;
                ensure(path.split('/').all(|name| !matches!(name, "." | "..")), || path.clone())?;
            }
        }
        Ok(())
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

/// A device number in the words of `mknod`.
pub(super) fn device_numbers(device: u64) -> (u32, u32) {
    (rustix::fs::major(device), rustix::fs::minor(device))
}

/// The program of `attack.c`, static; `None` where there is no compiler, which is said aloud.
pub(super) fn attack() -> Option<&'static Path> {
    static ATTACK: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        if !installed("gcc") {
            return None;
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/escapes/attack.c");
        let aside = tempfile::Builder::new().prefix("attack-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap().keep();
        let program = aside.join("attack");
        let output =
            Command::new("gcc").args(["-static", "-O1", "-o", text(&program), text(&source)]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("cannot find -lc") {
            skipped("gcc makes no static program without a static libc");
            return None;
        }
        assert!(output.status.success(), "{said}");
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("attack");
        fs::rename(&program, &place).unwrap();
        let _empty = fs::remove_dir(aside);
        Some(place)
    });
    ATTACK.as_deref()
}
