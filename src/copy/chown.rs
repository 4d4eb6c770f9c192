use super::CopyError;
use crate::rootfs::RootFs;
use crate::rootfs::users::{groups, passwd};

/// A numeric owner and group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// A half of `user:group`.
enum Who<'a> {
    Number(u32),
    Name(&'a str),
}

/// Whether the owner `spec` has a name that `/etc/passwd` and `/etc/group` of the destination decide (KEY-8).
pub fn needs_lookup(spec: &str) -> bool {
    spec.split(':').take(2).any(|half| matches!(who(half), Who::Name(_)))
}

/// What `--chown` means, or USER for WORKDIR (COPY-40); `None` when nothing is given.
///
/// An unknown name counts as 0, an unknown group as the user's own one. With `empty`, when the filesystem has no
/// layer at all, a name is an error.
pub(super) fn owner(root: &RootFs, spec: &str, empty: bool) -> Result<Option<Owner>, CopyError> {
    if spec.is_empty() {
        return Ok(None);
    }
    if empty && needs_lookup(spec) {
        return Err(CopyError::EmptyFilesystem(spec.to_owned()));
    }
    let wrap = |source| CopyError::Owner { name: spec.to_owned(), source };
    let mut halves = spec.splitn(2, ':');
    let mut owner = match who(halves.next().unwrap_or_default()) {
        Who::Number(number) => Owner { uid: number, gid: number },
        Who::Name(name) => {
            let entry = passwd(root).map_err(wrap)?.into_iter().find(|entry| entry.name == name);
            entry.map_or(Owner { uid: 0, gid: 0 }, |entry| Owner { uid: entry.uid, gid: entry.gid })
        }
    };
    match halves.next().map(who) {
        None => {}
        Some(Who::Number(gid)) => owner.gid = gid,
        Some(Who::Name(name)) => {
            if let Some(entry) = groups(root).map_err(wrap)?.into_iter().find(|entry| entry.name == name) {
                owner.gid = entry.gid;
            }
        }
    }
    Ok(Some(owner))
}

/// The names in the owner `spec` that `/etc/passwd` and `/etc/group` do not have (M-11); none where these cannot be read, which is
/// an error elsewhere.
pub fn unknown_names(root: &RootFs, spec: &str) -> Vec<String> {
    let mut halves = spec.splitn(2, ':').map(who);
    let mut unknown = Vec::new();
    if let Some(Who::Name(name)) = halves.next()
        && passwd(root).is_ok_and(|known| known.iter().all(|entry| entry.name != name))
    {
        unknown.push(name.to_owned());
    }
    if let Some(Who::Name(name)) = halves.next()
        && groups(root).is_ok_and(|known| known.iter().all(|entry| entry.name != name))
    {
        unknown.push(name.to_owned());
    }
    unknown
}

fn who(half: &str) -> Who<'_> {
    match half {
        // An empty half is 0, not a name: `www-data:` has group 0.
        "" | "root" => Who::Number(0),
        _ => match half.parse::<i32>().ok().and_then(|number| u32::try_from(number).ok()) {
            Some(number) => Who::Number(number),
            None => Who::Name(half),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{file, tree};
    use super::*;

    #[test]
    fn copy_40_owners() {
        let root = tree([
            file("etc/passwd", "root:x:0:0::/:\nworker:x:1000:1001::/:\n"),
            file("etc/group", "staff:x:50:\nworker:x:77:\n"),
        ]);
        for (spec, uid, gid) in [
            ("worker", 1000, 1001),
            ("worker:staff", 1000, 50),
            ("worker:7", 1000, 7),
            ("worker:nogroup", 1000, 1001),
            ("worker:", 1000, 0),
            ("1234", 1234, 1234),
            ("12:34", 12, 34),
            ("7:staff", 7, 50),
            ("7:nogroup", 7, 7),
            (":staff", 0, 50),
            ("root", 0, 0),
            ("0:root", 0, 0),
            ("nosuch", 0, 0),
            ("nosuch:staff", 0, 50),
            ("1:2:3", 1, 1),
            ("99999999999", 0, 0),
        ] {
            assert_eq!(owner(&root, spec, false).unwrap(), Some(Owner { uid, gid }), "{spec}");
        }
        assert_eq!(owner(&root, "", false).unwrap(), None);
    }

    #[test]
    fn d_99_a_name_in_an_empty_filesystem() {
        let root = RootFs::empty();
        for (spec, fails) in [("worker", true), ("1:staff", true), ("1:2", false), ("root", false), ("", false)] {
            let error = owner(&root, spec, true).err();
            assert_eq!(error.as_ref().map(CopyError::code), fails.then_some("D-99"), "{spec}");
        }
        assert_eq!(owner(&root, "worker", false).unwrap(), Some(Owner { uid: 0, gid: 0 }), "missing files count as 0");
    }
}
