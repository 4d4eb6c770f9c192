//! Where cgroups can be made.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, access};

/// Which controllers the cgroups below have.
pub(super) const SWITCHES: &str = "cgroup.subtree_control";
/// Which processes are in a cgroup, and how one enters.
pub(super) const PROCESSES: &str = "cgroup.procs";

/// The controllers of what kiln can limit.
const LIMITING: [&str; 3] = ["memory", "cpu", "cpuset"];

/// What this process sees of the machine's cgroups.
#[derive(Debug)]
pub(super) struct Hierarchy {
    /// The top.
    pub(super) top: PathBuf,
    /// That of this process.
    pub(super) own: PathBuf,
}

/// The name of a cgroup of this process.
pub(super) fn name(number: impl std::fmt::Display) -> String {
    format!("kiln-{}-{number}", std::process::id())
}

/// Whether a name is that of a process that is gone.
pub(super) fn is_left_behind(name: &str) -> bool {
    let Some((process, _)) = name.strip_prefix("kiln-").and_then(|rest| rest.split_once('-')) else { return false };
    process.parse::<u32>().is_ok_and(|process| !Path::new(&format!("/proc/{process}")).exists())
}

/// What is written to [`SWITCHES`] to switch controllers on (`+`) or off (`-`).
pub(super) fn switch(sign: &str, controllers: &[&str]) -> String {
    controllers.iter().map(|controller| format!("{sign}{controller}")).collect::<Vec<_>>().join(" ")
}

impl Hierarchy {
    /// Fails where there is none of version 2.
    pub(super) fn of_this_process() -> Result<Self, String> {
        let read = |file: &str| fs::read_to_string(file).map_err(|error| format!("{file}: {error}"));
        Self::parse(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?)
    }

    /// From `proc_pid_mountinfo(5)` and cgroups(7).
    fn parse(mounts: &str, cgroups: &str) -> Result<Self, String> {
        let mounted = mounts.lines().find_map(|line| {
            let (place, kind) = line.split_once(" - ")?;
            let mut fields = place.split(' ').skip(3);
            let (root, top) = (fields.next()?, fields.next()?);
            kind.starts_with("cgroup2 ").then_some((root, top))
        });
        let (root, top) = mounted.ok_or("no cgroups of version 2 are mounted")?;
        let own =
            cgroups.lines().find_map(|line| line.strip_prefix("0::")).ok_or("kiln is in no cgroup of version 2")?;
        let below = Path::new(own).strip_prefix(root).ok();
        let below = below.filter(|below| below.components().all(|part| matches!(part, Component::Normal(_))));
        let below = below.ok_or("kiln's cgroup lies outside of what is mounted")?;
        Ok(Self { top: PathBuf::from(top), own: Path::new(top).join(below) })
    }

    /// Makes a cgroup that was asked for, and switches controllers on from the top to it.
    pub(super) fn make(&self, path: &str, controllers: &[&str]) -> Result<PathBuf, String> {
        let mut place = self.top.clone();
        let parts: Vec<Component<'_>> = Path::new(path)
            .components()
            .filter(|part| !matches!(part, Component::RootDir | Component::CurDir))
            .collect();
        if parts.iter().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(format!("the cgroup `{path}` leads out of the hierarchy"));
        }
        switch_on(&place, controllers)?;
        for part in parts {
            place.push(part);
            match fs::create_dir(&place) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(format!("cannot make the cgroup {}: {error}", place.display()));
                }
                _ => switch_on(&place, controllers)?,
            }
        }
        Ok(place)
    }

    /// Makes room for cgroups below that of this process. Yields where, and where this process has moved for it.
    pub(super) fn make_room(&self, controllers: &[&'static str]) -> Result<(PathBuf, Option<PathBuf>), String> {
        self.check(controllers)?;
        if missing(&self.own, SWITCHES, controllers).is_empty() || self.is_root() {
            switch_on(&self.own, controllers)?;
            return Ok((self.own.clone(), None));
        }
        let aside = self.own.join(name("kiln"));
        let failed = |error: io::Error| format!("cannot make cgroups in {}: {error}", self.own.display());
        fs::create_dir(&aside).map_err(failed)?;
        let moved = fs::write(aside.join(PROCESSES), std::process::id().to_string()).map_err(failed);
        moved
            .and_then(|()| switch_on(&self.own, controllers))
            .map(|()| (self.own.clone(), Some(aside.clone())))
            .inspect_err(|_| {
                let _best_effort = fs::write(self.own.join(PROCESSES), std::process::id().to_string());
                let _best_effort = fs::remove_dir(&aside);
            })
    }

    /// Which controllers kiln could use; an error says why none.
    pub(super) fn limitable(&self) -> Result<Vec<String>, String> {
        let wanted: Vec<&'static str> = LIMITING
            .into_iter()
            .filter(|controller| missing(&self.own, "cgroup.controllers", &[controller]).is_empty())
            .collect();
        // With none there is, the first says what is missing.
        self.check(if wanted.is_empty() { &LIMITING[..1] } else { &wanted })?;
        Ok(wanted.into_iter().map(str::to_owned).collect())
    }

    /// Whether [`Hierarchy::make_room`] can succeed, as far as that shows.
    fn check(&self, controllers: &[&'static str]) -> Result<(), String> {
        let own = self.own.display();
        if let Some(controller) = missing(&self.own, "cgroup.controllers", controllers).first() {
            return Err(format!("the controller `{controller}` is not delegated to the cgroup {own}"));
        }
        if access(&self.own, Access::WRITE_OK).is_err() {
            return Err(format!("kiln may make no cgroups in {own}"));
        }
        let processes = fs::read_to_string(self.own.join(PROCESSES)).unwrap_or_default();
        let is_alone = processes.split_whitespace().all(|process| *process == std::process::id().to_string());
        if is_alone || self.is_root() || missing(&self.own, SWITCHES, controllers).is_empty() {
            return Ok(());
        }
        Err(format!("there are other processes in the cgroup {own}"))
    }

    /// The machine's topmost cgroup alone may have processes beside cgroups.
    fn is_root(&self) -> bool {
        !self.own.join("cgroup.type").exists()
    }
}

/// Those that a list in a file does not have.
fn missing<'a>(place: &Path, file: &str, controllers: &[&'a str]) -> Vec<&'a str> {
    let list = fs::read(place.join(file)).unwrap_or_default();
    let has =
        |name: &str| list.split(u8::is_ascii_whitespace).any(|word| word == std::ffi::OsStr::new(name).as_bytes());
    controllers.iter().copied().filter(|controller| !has(controller)).collect()
}

fn switch_on(place: &Path, controllers: &[&str]) -> Result<(), String> {
    let missing = missing(place, SWITCHES, controllers);
    if missing.is_empty() {
        return Ok(());
    }
    fs::write(place.join(SWITCHES), switch("+", &missing))
        .map_err(|error| format!("cannot use the controllers {} in {}: {error}", missing.join(", "), place.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cgroup_of_a_process_is_found_where_it_is_mounted() {
        let mount = |root: &str, top: &str| format!("31 23 0:28 {root} {top} rw,relatime - cgroup2 cgroup2 rw\n");
        let other = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
        for (row, mounts, cgroups, want) in [
            ("alone", mount("/", "/sys/fs/cgroup"), "0::/user/x\n", Ok("/sys/fs/cgroup/user/x")),
            ("beside others", format!("{other}{}", mount("/", "/c")), "4:cpu:/y\n0::/\n", Ok("/c/")),
            ("a part", mount("/pod", "/c"), "0::/pod/x\n", Ok("/c/x")),
            ("elsewhere", mount("/pod", "/c"), "0::/other\n", Err("outside")),
            ("above", mount("/", "/c"), "0::/../x\n", Err("outside")),
            ("older", other.to_owned(), "4:cpu:/y\n", Err("no cgroups of version 2")),
        ] {
            match (Hierarchy::parse(&mounts, cgroups), want) {
                (Ok(found), Ok(want)) => assert_eq!(found.own, Path::new(want), "{row}"),
                (Err(found), Err(want)) => assert!(found.contains(want), "{row}: {found}"),
                (found, want) => panic!("{row}: {found:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn only_cgroups_of_processes_that_are_gone_are_left_behind() {
        assert!(!is_left_behind(&name(7)), "this one runs");
        assert!(is_left_behind("kiln-4194305-1"), "no process has such a number");
        assert!(!is_left_behind("kiln-x") && !is_left_behind("user.slice"));
    }
}
