//! What this process may do, and how an ordinary user comes to be root in a user namespace (`user_namespaces(7)`).
//!
//! A process of several threads cannot enter a user namespace. So [`enter`] is for the start of the program, for what is going
//! to make root filesystems; everything after it then simply is root, of those ids that the namespace has.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::{getegid, geteuid};
use rustix::thread::UnshareFlags;

use super::{Isolation, sys, sys_user};

/// What this process is to the machine. It decides what files on disk can be: see [`Standing::suffix`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Root that may mount.
    Admin,
    /// Root that may not, as in most containers.
    Root,
    /// Root of a user namespace with many ids.
    ManyIds,
    /// Root of a user namespace with one id.
    OneId,
    /// An ordinary user.
    User,
}

impl Standing {
    /// What this process is now.
    pub fn current() -> Self {
        ENTERED.get().map_or_else(Self::found, |entered| entered.now)
    }

    /// What this process was when kiln started, whatever it has entered since.
    pub(super) fn at_start() -> Self {
        ENTERED.get().map_or_else(Self::found, |entered| entered.at_start)
    }

    fn found() -> Self {
        if !geteuid().is_root() {
            return Self::User;
        }
        match ids_here() {
            0 | 1 => Self::OneId,
            // A namespace that somebody else has made, or that of the machine: there trusted attributes can be set.
            _ if !may_mount() => Self::Root,
            count if count < ALL_IDS => Self::ManyIds,
            _ => Self::Admin,
        }
    }

    /// Distinguishes files on disk that mean the same, but are not: with real owners and privileged overlay marks, or
    /// with ids of a namespace, or with claims beside files of one owner, or with owners only in a layer's list.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Admin => "",
            Self::Root => "-root",
            Self::ManyIds => "-mapped",
            Self::OneId => "-claimed",
            Self::User => "-listed",
        }
    }
}

/// Ids of a namespace that has all: 2^32 - 1.
const ALL_IDS: u64 = u32::MAX as u64;

/// Fewer are of no use: Debian's `nogroup` is 65534.
const ENOUGH_IDS: u64 = 65_535;

/// What [`enter`] has come to, and what it could not.
static ENTERED: OnceLock<Entered> = OnceLock::new();

struct Entered {
    at_start: Standing,
    now: Standing,
    refused: Vec<(Isolation, String)>,
}

/// Becomes root of a user namespace where that helps: for `wanted`, or for the strongest rung there is. Must be called
/// before the process has a second thread. What cannot be had is remembered for [`super::probe()`].
pub fn enter(wanted: Option<Isolation>) {
    if ENTERED.get().is_some() || matches!(wanted, Some(Isolation::Root | Isolation::Chroot | Isolation::Files)) {
        return;
    }
    let at_start = Standing::current();
    if !matches!(at_start, Standing::User | Standing::Root) && wanted.is_none() {
        return;
    }
    let mut refused = Vec::new();
    let mut now = at_start;
    let many = if wanted == Some(Isolation::SingleId) { None } else { Some(Maps::many()) };
    let many = many.and_then(|many| many.map_err(|why| refused.push((Isolation::Rootless, why))).ok());
    if many.is_some() || wanted != Some(Isolation::Rootless) {
        match unshare_and_map(many.as_ref()) {
            Ok(None) => now = Standing::ManyIds,
            Ok(Some(why)) => {
                refused.extend(many.map(|_| (Isolation::Rootless, why)));
                now = Standing::OneId;
            }
            Err(error) => {
                let why = format!("cannot make a user namespace: {error}");
                refused.retain(|(rung, _)| *rung != Isolation::Rootless);
                refused.extend([(Isolation::Rootless, why.clone()), (Isolation::SingleId, why)]);
            }
        }
    }
    ENTERED.get_or_init(|| Entered { at_start, now, refused });
}

/// Why this process is not what a rung in a user namespace needs; `None` if it is, and for the other rungs.
pub fn refusal(isolation: Isolation) -> Option<String> {
    let needed = match isolation {
        Isolation::Rootless => Standing::ManyIds,
        Isolation::SingleId => Standing::OneId,
        Isolation::Root | Isolation::Chroot | Isolation::Files => return None,
    };
    if Standing::current() == needed {
        return None;
    }
    let known = ENTERED.get().and_then(|entered| entered.refused.iter().find(|(rung, _)| *rung == isolation));
    Some(match (known, Standing::current()) {
        (Some((_, why)), _) => why.clone(),
        (None, Standing::ManyIds) => "a user namespace with many ids is in use".to_owned(),
        (None, _) => "kiln has made no user namespace".to_owned(),
    })
}

/// The ids that a user namespace is to have: lines of inside, outside and count.
struct Maps {
    users: Vec<[u64; 3]>,
    groups: Vec<[u64; 3]>,
    /// `newuidmap` and `newgidmap`; root writes the maps itself.
    helpers: Option<[PathBuf; 2]>,
}

impl Maps {
    fn many() -> Result<Self, String> {
        if geteuid().is_root() {
            let all = |file| -> Result<_, String> {
                Ok(identity(&fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?))
            };
            return Ok(Self { users: all("/proc/self/uid_map")?, groups: all("/proc/self/gid_map")?, helpers: None });
        }
        let helper = |name: &str| in_path(name).ok_or_else(|| format!("`{name}` is not installed"));
        let helpers = Some([helper("newuidmap")?, helper("newgidmap")?]);
        let uid = geteuid().as_raw();
        let name = user_name(uid);
        let range = |file: &str, own: u32| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let ranges = ranges(&text, name.as_deref(), uid);
            let count: u64 = ranges.iter().map(|[_, count]| count).sum();
            if count < ENOUGH_IDS {
                let who = name.clone().unwrap_or_else(|| uid.to_string());
                return Err(format!("{file} gives {who} {count} ids, of {ENOUGH_IDS} that images need"));
            }
            let mut inside = 1;
            let mut map = vec![[0, u64::from(own), 1]];
            for [start, count] in ranges {
                map.push([inside, start, count]);
                inside += count;
            }
            Ok(map)
        };
        Ok(Self { users: range("/etc/subuid", uid)?, groups: range("/etc/subgid", getegid().as_raw())?, helpers })
    }
}

/// The map that leaves every id what it is.
fn identity(map: &str) -> Vec<[u64; 3]> {
    map.lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse::<u64>);
            let (inside, _outside, count) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
            Some([inside, inside, count])
        })
        .collect()
}

/// Start and count of each line of subuid(5) for a user, by name or number.
fn ranges(text: &str, name: Option<&str>, uid: u32) -> Vec<[u64; 2]> {
    let number = uid.to_string();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let who = fields.next()?;
            let (start, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
            (who == number || Some(who) == name).then_some([start, count])
        })
        .collect()
}

/// As `/etc/passwd` has it. Users of other databases are found in subuid(5) by number.
fn user_name(uid: u32) -> Option<String> {
    let number = uid.to_string();
    let text = fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    })
}

/// A program of this machine.
pub(super) fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// Ids that this process's namespace has.
fn ids_here() -> u64 {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok()).sum()
}

/// Whether this process has `CAP_SYS_ADMIN`.
pub(super) fn may_mount() -> bool {
    rustix::thread::capabilities(None)
        .is_ok_and(|sets| sets.effective.contains(rustix::thread::CapabilitySet::SYS_ADMIN))
}

/// Yields why there is one id only, if so.
fn unshare_and_map(many: Option<&Maps>) -> io::Result<Option<String>> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    match many {
        // The maps are written from outside, by a child that has stayed there.
        Some(maps) if sys_user::unshare_user(&|parent| maps.write(parent))? => return Ok(None),
        Some(_) => {}
        None => sys::unshare(UnshareFlags::NEWUSER)?,
    }
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1\n"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1\n"))?;
    Ok(Some("`newuidmap` and `newgidmap` refuse the ids of /etc/subuid and /etc/subgid".to_owned()))
}

impl Maps {
    /// Gives process `pid`, which has just made a user namespace, its ids. Runs in a child of it.
    fn write(&self, pid: u32) -> bool {
        let Some([for_users, for_groups]) = &self.helpers else {
            let written = |name: &str, map: &[[u64; 3]]| {
                let lines = map.iter().fold(String::new(), |mut text, [inside, outside, count]| {
                    let _infallible = writeln!(text, "{inside} {outside} {count}");
                    text
                });
                fs::write(format!("/proc/{pid}/{name}"), lines).is_ok()
            };
            return written("uid_map", &self.users) && written("gid_map", &self.groups);
        };
        let mapped = |helper: &PathBuf, map: &[[u64; 3]]| {
            let numbers = map.iter().flatten().map(ToString::to_string);
            Command::new(helper).arg(pid.to_string()).args(numbers).output().is_ok_and(|output| output.status.success())
        };
        mapped(for_groups, &self.groups) && mapped(for_users, &self.users)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subordinate_ids_are_found_by_name_and_by_number() {
        let text = "# comment\nann:100000:65536\n1001:300000:65536\nbob:1:x\nann:500000:10\n";
        assert_eq!(ranges(text, Some("ann"), 7), [[100_000, 65_536], [500_000, 10]]);
        assert_eq!(ranges(text, Some("bob"), 1001), [[300_000, 65_536]]);
        assert_eq!(ranges(text, None, 7), Vec::<[u64; 2]>::new());
    }

    #[test]
    fn root_keeps_the_ids_that_it_has() {
        let map = "         0     100000      65536\n     70000          5          1\n";
        assert_eq!(identity(map), [[0, 0, 65_536], [70_000, 70_000, 1]]);
    }

    #[test]
    fn every_standing_keeps_its_files_apart() {
        let all = [Standing::Admin, Standing::Root, Standing::ManyIds, Standing::OneId, Standing::User];
        let mut suffixes = all.map(Standing::suffix).to_vec();
        suffixes.sort_unstable();
        suffixes.dedup();
        assert_eq!(suffixes.len(), all.len());
    }
}
