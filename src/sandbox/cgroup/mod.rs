//! Limits of memory and processors, by cgroups of version 2 (`Documentation/admin-guide/cgroup-v2.rst` of the kernel).
//!
//! Each step gets a cgroup of its own, below the one that was asked for, or else below the one that kiln runs in. There may be
//! no process beside cgroups that have limits, so in the second case kiln itself moves one level down for the time of
//! the build; it moves no other process.

mod hierarchy;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hierarchy::Hierarchy;

/// Microseconds in which a quota of processor time counts, unless said otherwise.
const PERIOD: u64 = 100_000;

/// A cgroup is gone some moments after its last process.
const REMOVAL_ATTEMPTS: u32 = 100;

/// Limits of a step as a whole, and where its cgroup lies.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Resources {
    /// Bytes.
    pub memory: Option<u64>,
    /// Bytes of memory and swap together; `Some(None)` is no limit. As much swap as memory where it is not said.
    pub memory_and_swap: Option<Option<u64>>,
    /// Share of processor time in relation to others: 2 to 262144, usually 1024.
    pub cpu_shares: Option<u64>,
    /// Microseconds.
    pub cpu_period: Option<u64>,
    /// Microseconds of processor time in each period.
    pub cpu_quota: Option<u64>,
    /// Processors, as a list of ranges.
    pub cpus: Option<String>,
    /// Memory nodes, as a list of ranges.
    pub memory_nodes: Option<String>,
    /// The cgroup below which those of the steps are made, from the top of the hierarchy.
    pub parent: Option<String>,
}

impl Resources {
    /// Controller, file and value.
    fn settings(&self) -> Vec<(&'static str, &'static str, String)> {
        let swap = match (self.memory, self.memory_and_swap) {
            (_, Some(None)) => Some("max".to_owned()),
            (memory, Some(Some(both))) => Some(both.saturating_sub(memory.unwrap_or(0)).to_string()),
            (Some(memory), None) => Some(memory.to_string()),
            (None, None) => None,
        };
        // What systems before version 2 call shares lies in another range.
        let weight = self.cpu_shares.map(|shares| 1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142);
        let quota = self.cpu_quota.map(|quota| format!("{quota} {}", self.cpu_period.unwrap_or(PERIOD)));
        let period = self.cpu_period.map(|period| format!("max {period}"));
        let all = [
            ("memory", "memory.max", self.memory.map(|bytes| bytes.to_string())),
            ("memory", "memory.swap.max", swap),
            ("cpu", "cpu.weight", weight.map(|weight| weight.to_string())),
            ("cpu", "cpu.max", quota.or(period)),
            ("cpuset", "cpuset.cpus", self.cpus.clone()),
            ("cpuset", "cpuset.mems", self.memory_nodes.clone()),
        ];
        all.into_iter().filter_map(|(controller, file, value)| Some((controller, file, value?))).collect()
    }

    fn controllers(&self) -> Vec<&'static str> {
        let mut controllers: Vec<_> = self.settings().into_iter().map(|(controller, ..)| controller).collect();
        controllers.dedup();
        controllers
    }
}

/// The cgroup below which those of a build's steps are made.
#[derive(Debug)]
pub struct Cgroup {
    directory: PathBuf,
    settings: Vec<(&'static str, &'static str, String)>,
    /// Where kiln has moved to, and which controllers it has switched on for that.
    moved: Option<(PathBuf, Vec<&'static str>)>,
}

/// Numbers the cgroups of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

impl Cgroup {
    /// Prepares what `resources` ask for; `None` if they ask for nothing. An error says in one line why they cannot be had.
    pub fn open(resources: &Resources) -> Result<Option<Self>, String> {
        if *resources == Resources::default() {
            return Ok(None);
        }
        Self::open_in(&Hierarchy::of_this_process()?, resources).map(Some)
    }

    fn open_in(hierarchy: &Hierarchy, resources: &Resources) -> Result<Self, String> {
        let controllers = resources.controllers();
        let (directory, moved) = match resources.parent.as_deref().filter(|parent| !parent.is_empty()) {
            Some(parent) => (hierarchy.make(parent, &controllers)?, None),
            None => hierarchy.make_room(&controllers)?,
        };
        remove_left_behind(&directory);
        Ok(Self { directory, settings: resources.settings(), moved: moved.map(|place| (place, controllers)) })
    }

    /// A cgroup for one step.
    pub(super) fn step(&self) -> io::Result<StepGroup> {
        let directory = loop {
            let directory = self.directory.join(hierarchy::name(NEXT.fetch_add(1, Ordering::Relaxed)));
            match fs::create_dir(&directory) {
                // Of a kiln that counts processes in another namespace.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => break made.map(|()| directory)?,
            }
        };
        let group = StepGroup(directory);
        for (_, file, value) in &self.settings {
            match fs::write(group.0.join(file), value) {
                // A kernel without swap.
                Err(error) if *file == "memory.swap.max" && error.kind() == io::ErrorKind::PermissionDenied => {}
                written => written?,
            }
        }
        Ok(group)
    }
}

/// Kiln goes back to where it was.
impl Drop for Cgroup {
    fn drop(&mut self) {
        let Some((place, controllers)) = &self.moved else { return };
        let off = hierarchy::switch("-", controllers);
        let _best_effort = fs::write(self.directory.join(hierarchy::SWITCHES), off);
        let _best_effort = fs::write(self.directory.join(hierarchy::PROCESSES), std::process::id().to_string());
        let _best_effort = fs::remove_dir(place);
    }
}

/// The cgroup of one step, removed when this is dropped: all of its processes must be gone.
pub(super) struct StepGroup(PathBuf);

impl StepGroup {
    /// The file into which a process that is to enter writes `0`.
    pub(super) fn door(&self) -> io::Result<File> {
        File::options().write(true).open(self.0.join(hierarchy::PROCESSES))
    }

    /// Whether the kernel has killed a process because there was no memory left for the step.
    pub(super) fn ran_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(self.0.join("memory.events")).unwrap_or_default();
        let killed = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        killed.is_some_and(|count| count.trim() != "0")
    }
}

impl Drop for StepGroup {
    fn drop(&mut self) {
        for _ in 0..REMOVAL_ATTEMPTS {
            match fs::remove_dir(&self.0) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                _ => return,
            }
        }
    }
}

/// Which limits can be had for steps here; an error says in one line why none.
pub fn limitable() -> Result<Vec<String>, String> {
    Hierarchy::of_this_process()?.limitable()
}

/// Removes cgroups of builds that were killed.
fn remove_left_behind(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(hierarchy::is_left_behind) {
            // One with processes stays.
            let _best_effort = fs::remove_dir(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files in the place of the kernel's, with kiln in the cgroup `own`.
    fn fake(controllers: &str, switched: &str, processes: &str) -> (tempfile::TempDir, Hierarchy) {
        let dir = tempfile::tempdir().unwrap();
        for place in ["", "own"] {
            let place = dir.path().join(place);
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join("cgroup.controllers"), controllers).unwrap();
            fs::write(place.join(hierarchy::SWITCHES), switched).unwrap();
            fs::write(place.join(hierarchy::PROCESSES), processes).unwrap();
        }
        fs::write(dir.path().join("own/cgroup.type"), "domain\n").unwrap();
        let hierarchy = Hierarchy { top: dir.path().to_owned(), own: dir.path().join("own") };
        (dir, hierarchy)
    }

    fn written(dir: &Path, file: &str) -> String {
        fs::read_to_string(dir.join(file)).unwrap_or_default()
    }

    #[test]
    fn limits_are_what_the_kernel_reads() {
        let text = |resources: Resources| {
            let settings = resources.settings().into_iter().map(|(_, file, value)| format!("{file}={value}"));
            settings.collect::<Vec<_>>().join(",")
        };
        let none = Resources::default();
        for (row, resources, want) in [
            ("none", none.clone(), ""),
            ("memory", Resources { memory: Some(100), ..none.clone() }, "memory.max=100,memory.swap.max=100"),
            (
                "memory and swap",
                Resources { memory: Some(100), memory_and_swap: Some(Some(150)), ..none.clone() },
                "memory.max=100,memory.swap.max=50",
            ),
            (
                "any swap",
                Resources { memory: Some(100), memory_and_swap: Some(None), ..none.clone() },
                "memory.max=100,memory.swap.max=max",
            ),
            ("least shares", Resources { cpu_shares: Some(2), ..none.clone() }, "cpu.weight=1"),
            ("usual shares", Resources { cpu_shares: Some(1024), ..none.clone() }, "cpu.weight=39"),
            ("most shares", Resources { cpu_shares: Some(262_144), ..none.clone() }, "cpu.weight=10000"),
            ("quota", Resources { cpu_quota: Some(50_000), ..none.clone() }, "cpu.max=50000 100000"),
            ("period", Resources { cpu_period: Some(50_000), ..none.clone() }, "cpu.max=max 50000"),
            ("processors", Resources { cpus: Some("0-1".into()), ..none.clone() }, "cpuset.cpus=0-1"),
        ] {
            assert_eq!(text(resources), want, "{row}");
        }
    }

    #[test]
    fn a_step_gets_a_cgroup_below_kilns_own_while_kiln_moves_aside() {
        let own = std::process::id().to_string();
        let (dir, hierarchy) = fake("cpu memory pids", "", &own);
        let resources = Resources { memory: Some(1 << 20), ..Resources::default() };
        let cgroup = Cgroup::open_in(&hierarchy, &resources).unwrap();
        assert_eq!(written(&hierarchy.own, hierarchy::SWITCHES), "+memory");
        let (place, _) = cgroup.moved.clone().unwrap();
        assert_eq!(written(&place, hierarchy::PROCESSES), own, "kiln has moved");
        let step = cgroup.step().unwrap();
        assert_eq!(step.0.parent(), Some(&*hierarchy.own));
        assert_eq!(written(&step.0, "memory.max"), "1048576");
        assert!(!step.ran_out_of_memory());
        fs::write(step.0.join("memory.events"), "low 0\noom 1\noom_kill 1\n").unwrap();
        assert!(step.ran_out_of_memory());
        drop((step, cgroup));
        assert_eq!(written(&hierarchy.own, hierarchy::SWITCHES), "-memory");
        drop(dir);
    }

    #[test]
    fn the_parent_asked_for_is_made_and_gets_the_controllers() {
        let (dir, hierarchy) = fake("cpu memory", "", "1\n2\n");
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::write(dir.path().join("a/cgroup.controllers"), "cpu memory").unwrap();
        fs::write(dir.path().join("a/b/cgroup.controllers"), "cpu memory").unwrap();
        let parent = Some("/a/b".to_owned());
        let resources = Resources { cpu_quota: Some(1000), parent, ..Resources::default() };
        let cgroup = Cgroup::open_in(&hierarchy, &resources).unwrap();
        assert_eq!((&cgroup.directory, cgroup.moved.is_none()), (&dir.path().join("a/b"), true));
        for place in ["", "a", "a/b"] {
            assert_eq!(written(&dir.path().join(place), hierarchy::SWITCHES), "+cpu", "{place}");
        }
        let resources = Resources { parent: Some("../x".to_owned()), ..Resources::default() };
        assert!(Cgroup::open_in(&hierarchy, &resources).unwrap_err().contains("leads out"));
    }

    #[test]
    fn what_cannot_be_limited_is_said() {
        let memory = Resources { memory: Some(1), ..Resources::default() };
        let own = std::process::id().to_string();
        for (row, controllers, switched, processes, want) in [
            ("not delegated", "pids", "", &*own, "the controller `memory` is not delegated"),
            ("others are there", "memory", "", "1\n2\n", "other processes"),
        ] {
            let (_dir, hierarchy) = fake(controllers, switched, processes);
            let error = Cgroup::open_in(&hierarchy, &memory).unwrap_err();
            assert!(error.contains(want), "{row}: {error}");
            assert!(hierarchy.limitable().is_err(), "{row}");
        }
        let (_dir, hierarchy) = fake("memory cpu pids", "memory cpu", "1\n2\n");
        assert_eq!(hierarchy.limitable().unwrap(), ["memory", "cpu"], "switched on already");
    }
}
