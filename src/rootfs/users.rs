//! Users and groups by name, from the `/etc/passwd` and `/etc/group` of a root filesystem.

use std::io;

use super::{ResolveError, RootFs, RootPath};

/// `/etc/passwd` and `/etc/group` are not read beyond this many bytes (RUN-12).
const LIMIT: u64 = 10 << 20;
/// Numbers above this are no users or groups.
const MAX_ID: i64 = i32::MAX as i64;

/// Who runs a process (RUN-12).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RunUser {
    /// Numeric user.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Further groups, in the order of `/etc/group`; empty when a group was named.
    pub groups: Vec<u32>,
    /// The home directory that `/etc/passwd` gives the user number.
    pub home: Option<String>,
}

/// A user cannot be looked up (D-50).
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// No such name in `/etc/passwd`.
    #[error("unable to find user {0}")]
    UnknownUser(String),
    /// No such name in `/etc/group`.
    #[error("unable to find group {0}")]
    UnknownGroup(String),
    /// A number that is no user or group.
    #[error("user and group numbers must be between 0 and {MAX_ID}: {0}")]
    OutOfRange(String),
    /// The file is there, but it cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// `/etc/passwd` or `/etc/group`.
        path: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// One line of `/etc/passwd`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PasswdEntry {
    /// Login name.
    pub name: String,
    /// User number.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Home directory, perhaps empty.
    pub home: String,
}

/// One line of `/etc/group`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupEntry {
    /// Its name.
    pub name: String,
    /// Its number.
    pub gid: u32,
    /// Names of the members that have it as a further group.
    pub members: Vec<String>,
}

/// One half of `user:group`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who<'a> {
    Nobody,
    Number(u32),
    Name(&'a str),
}

/// Looks up the user that USER names: `user[:group]`, each a name or a number (RUN-12).
///
/// A number without an entry runs with group 0. Nothing at all, and `root`, are 0:0 even where there is no
/// `/etc/passwd`.
pub fn run_user(root: &RootFs, spec: &str) -> Result<RunUser, UserError> {
    let mut parts = spec.split(':');
    let user = who(parts.next().unwrap_or_default())?;
    let group = who(parts.next().unwrap_or_default())?;
    let is_root = matches!(user, Who::Nobody | Who::Name("root"));
    let entries = match passwd(root) {
        Err(_) if is_root || matches!((user, group), (Who::Number(_), Who::Number(_))) => Vec::new(),
        entries => entries?,
    };
    let entry = entries.into_iter().find(|entry| match user {
        Who::Nobody => entry.uid == 0,
        Who::Number(uid) => entry.uid == uid,
        Who::Name(name) => entry.name == name,
    });
    let (uid, gid) = match (user, &entry) {
        (_, Some(entry)) => (entry.uid, entry.gid),
        (Who::Number(uid), None) => (uid, 0),
        (Who::Nobody | Who::Name("root"), None) => (0, 0),
        (Who::Name(name), None) => return Err(UserError::UnknownUser(name.to_owned())),
    };
    let home = entry.as_ref().map(|entry| entry.home.clone()).filter(|home| !home.is_empty());
    let (gid, groups) = match group {
        Who::Number(gid) => (gid, Vec::new()),
        Who::Name("root") => (0, Vec::new()),
        Who::Name(name) => {
            let known = groups(root)?.into_iter().find(|entry| entry.name == name);
            (known.ok_or_else(|| UserError::UnknownGroup(name.to_owned()))?.gid, Vec::new())
        }
        Who::Nobody => (gid, entry.map_or_else(|| Ok(Vec::new()), |entry| groups_with(root, &entry.name))?),
    };
    // The group itself is among the further groups, as container runtimes have it.
    let groups = std::iter::once(gid).chain(groups.into_iter().filter(|other| *other != gid)).collect();
    Ok(RunUser { uid, gid, groups, home })
}

fn who(text: &str) -> Result<Who<'_>, UserError> {
    if text.is_empty() {
        return Ok(Who::Nobody);
    }
    match text.parse::<i64>() {
        Ok(number) if (0..=MAX_ID).contains(&number) => {
            u32::try_from(number).map(Who::Number).map_err(|_| UserError::OutOfRange(text.to_owned()))
        }
        Ok(_) => Err(UserError::OutOfRange(text.to_owned())),
        Err(_) => Ok(Who::Name(text)),
    }
}

fn groups_with(root: &RootFs, member: &str) -> Result<Vec<u32>, UserError> {
    let all = groups(root)?.into_iter();
    Ok(all.filter(|group| group.members.iter().any(|name| name == member)).map(|group| group.gid).collect())
}

/// The entries of `/etc/passwd`, none when there is no such file. Lines without numbers are passed over.
pub fn passwd(root: &RootFs) -> Result<Vec<PasswdEntry>, UserError> {
    let text = read(root, "/etc/passwd")?;
    let entry = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        Some(PasswdEntry {
            name: (*fields.first()?).to_owned(),
            uid: fields.get(2)?.parse().ok()?,
            gid: fields.get(3)?.parse().ok()?,
            home: fields.get(5).copied().unwrap_or_default().to_owned(),
        })
    };
    Ok(text.lines().map(str::trim).filter_map(entry).collect())
}

/// The entries of `/etc/group`, none when there is no such file. Lines without numbers are passed over.
pub fn groups(root: &RootFs) -> Result<Vec<GroupEntry>, UserError> {
    let text = read(root, "/etc/group")?;
    let entry = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let members = fields.get(3).copied().unwrap_or_default();
        Some(GroupEntry {
            name: (*fields.first()?).to_owned(),
            gid: fields.get(2)?.parse().ok()?,
            members: members.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        })
    };
    Ok(text.lines().map(str::trim).filter_map(entry).collect())
}

fn read(root: &RootFs, path: &'static str) -> Result<String, UserError> {
    let wrap = |source| UserError::Read { path, source };
    let resolved = match root.resolve(RootPath::clamped(path.as_bytes()).as_bytes(), true) {
        Ok(resolved) => resolved,
        Err(ResolveError::NotADirectory(_)) => return Ok(String::new()),
        Err(error @ ResolveError::Loop(_)) => return Err(wrap(io::Error::other(error))),
    };
    let Some(node) = resolved.node else { return Ok(String::new()) };
    let file = node.as_file().ok_or_else(|| wrap(io::Error::other("not a regular file")))?;
    Ok(String::from_utf8_lossy(&file.read(LIMIT).map_err(wrap)?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::{File, Inode, Kind, Meta, Node};
    use super::*;

    fn with(passwd: Option<&str>, group: Option<&str>) -> RootFs {
        let mut root = RootFs::empty();
        root.make_directories(&RootPath::clamped(b"etc"), &Meta::with_mode(0o755)).unwrap();
        for (name, text) in [("etc/passwd", passwd), ("etc/group", group)] {
            let Some(text) = text else { continue };
            let kind = Kind::File(File::inline(text.as_bytes()));
            let inode = Inode::new(Meta::with_mode(0o644), kind);
            assert!(root.insert(&RootPath::clamped(name.as_bytes()), inode.into()));
        }
        root
    }

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n# no entry\nbroken:x:y:1::/:\n\
        worker:x:1000:1001:Worker:/home/worker:/bin/sh\nlast:x:7:8::";
    const GROUP: &str = "root:x:0:\nwheel:x:10:worker\nstaff:x:50:other,worker\nother:x:60:else\n";

    #[test]
    fn run_12_users_are_looked_up() {
        let root = with(Some(PASSWD), Some(GROUP));
        let home = Some("/home/worker");
        for (spec, uid, gid, groups, want_home) in [
            ("", 0, 0, &[][..], Some("/root")),
            ("root", 0, 0, &[], Some("/root")),
            ("worker", 1000, 1001, &[10, 50], home),
            ("1000", 1000, 1001, &[10, 50], home),
            ("worker:", 1000, 1001, &[10, 50], home),
            ("worker:wheel", 1000, 10, &[], home),
            ("worker:5", 1000, 5, &[], home),
            ("1000:5", 1000, 5, &[], home),
            ("5555", 5555, 0, &[], None),
            ("5555:wheel", 5555, 10, &[], None),
            ("last", 7, 8, &[], None),
            ("root:root", 0, 0, &[], Some("/root")),
        ] {
            let groups = [&[gid], groups].concat();
            let want = RunUser { uid, gid, groups, home: want_home.map(str::to_owned) };
            assert_eq!(run_user(&root, spec).unwrap(), want, "{spec}");
        }
    }

    #[test]
    fn run_12_root_and_numbers_need_no_files() {
        let root = RootFs::empty();
        for (spec, uid, gid) in [("", 0, 0), ("root", 0, 0), ("12:34", 12, 34), ("12", 12, 0), ("0:0", 0, 0)] {
            let found = run_user(&root, spec).unwrap();
            assert_eq!((found.uid, found.gid), (uid, gid), "{spec}");
        }
    }

    #[test]
    fn d_50_unknown_names_are_errors() {
        let root = with(Some(PASSWD), Some(GROUP));
        for (spec, message) in [
            ("nobody", "unable to find user nobody"),
            ("broken", "unable to find user broken"),
            ("worker:nogroup", "unable to find group nogroup"),
            ("a b", "unable to find user a b"),
            ("-1", "user and group numbers must be between 0 and 2147483647: -1"),
            ("99999999999", "user and group numbers must be between 0 and 2147483647: 99999999999"),
        ] {
            assert_eq!(run_user(&root, spec).unwrap_err().to_string(), message);
        }
        assert!(run_user(&with(None, None), "worker").is_err());
    }

    #[test]
    fn run_12_links_are_followed_inside_the_root_and_other_kinds_refused() {
        let mut root = with(None, None);
        let link =
            |target: &str| Node::from(Inode::new(Meta::with_mode(0o777), Kind::Symlink(target.as_bytes().into())));
        let file = Inode::new(Meta::with_mode(0o644), Kind::File(File::inline(PASSWD.as_bytes())));
        assert!(root.insert(&RootPath::clamped(b"real"), file.into()));
        assert!(root.insert(&RootPath::clamped(b"etc/passwd"), link("../../../real")));
        assert_eq!(run_user(&root, "worker").unwrap().uid, 1000);
        assert!(root.insert(&RootPath::clamped(b"etc/passwd"), link("/etc")));
        assert!(matches!(run_user(&root, "worker"), Err(UserError::Read { .. })));
        assert_eq!(run_user(&root, "").unwrap().uid, 0);
    }
}
