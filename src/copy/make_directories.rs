use super::chown::Owner;
use crate::rootfs::{Directory, Meta, RootFs, RootPath, Time};

/// Makes the directories of `path` that are missing (COPY-23, WORKDIR-3). Those that exist stay as they are;
/// all of them must be directories, not links: `false` when one is not.
///
/// Below a set-group-id directory a new one gets that bit as well, and the group unless an owner is given: so the
/// kernel does it for the reference (M-6).
pub(super) fn make_directories(root: &mut RootFs, path: &RootPath, mode: u32, owner: Option<Owner>, now: Time) -> bool {
    let mut at = RootPath::root();
    for name in path.components() {
        let parent = std::mem::replace(&mut at, RootPath::root());
        at = parent.join(name);
        match root.get(&at) {
            Some(node) if node.is_directory() => {}
            Some(_) => return false,
            None => {
                let Some(above) = root.get(&parent) else { return false };
                let inherits = above.meta().mode & 0o2000;
                let group = if inherits == 0 { 0 } else { above.meta().gid };
                let Owner { uid, gid } = owner.unwrap_or(Owner { uid: 0, gid: group });
                let meta = Meta { mode: mode | inherits, uid, gid, mtime: now, ..Meta::default() };
                root.insert(&at, Directory { meta, ..Directory::default() }.into());
            }
        }
    }
    true
}
