//! Who a process takes itself for: the rules of setuid(2) and its relatives, for ids that the kernel does not know.

use rustix::io::Errno;

/// The four ids that the kernel keeps of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Ids {
    pub(super) real: u32,
    pub(super) effective: u32,
    pub(super) saved: u32,
    /// Decides about files.
    pub(super) file: u32,
}

/// The identity of a process.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Credentials {
    pub(super) user: Ids,
    pub(super) group: Ids,
    pub(super) groups: Vec<u32>,
    /// Whether it asked for its capabilities to stay when it is root no more (`PR_SET_KEEPCAPS`).
    pub(super) keeps_capabilities: bool,
    /// Whether they have stayed.
    pub(super) is_capable: bool,
}

/// Stands for "as it is" in calls that set several ids.
pub(super) const KEEP: u32 = u32::MAX;

impl Ids {
    pub(super) fn all(id: u32) -> Self {
        Self { real: id, effective: id, saved: id, file: id }
    }

    fn has(&self, id: u32) -> bool {
        [self.real, self.effective, self.saved].contains(&id)
    }

    /// setuid(2).
    pub(super) fn set(&mut self, id: u32, privileged: bool) -> Result<(), Errno> {
        if id == KEEP {
            return Err(Errno::INVAL);
        }
        if privileged {
            *self = Self::all(id);
        } else if id == self.real || id == self.saved {
            (self.effective, self.file) = (id, id);
        } else {
            return Err(Errno::PERM);
        }
        Ok(())
    }

    /// setreuid(2).
    pub(super) fn set_real_effective(&mut self, real: u32, effective: u32, privileged: bool) -> Result<(), Errno> {
        let may_real = privileged || real == KEEP || real == self.real || real == self.effective;
        let may_effective = privileged || effective == KEEP || self.has(effective);
        if !may_real || !may_effective {
            return Err(Errno::PERM);
        }
        let before = self.real;
        replace(&mut self.real, real);
        replace(&mut self.effective, effective);
        if real != KEEP || (effective != KEEP && effective != before) {
            self.saved = self.effective;
        }
        self.file = self.effective;
        Ok(())
    }

    /// setresuid(2).
    pub(super) fn set_each(&mut self, real: u32, effective: u32, saved: u32, privileged: bool) -> Result<(), Errno> {
        if !privileged && [real, effective, saved].iter().any(|id| *id != KEEP && !self.has(*id)) {
            return Err(Errno::PERM);
        }
        replace(&mut self.real, real);
        replace(&mut self.effective, effective);
        replace(&mut self.saved, saved);
        self.file = self.effective;
        Ok(())
    }

    /// setfsuid(2): yields the id before, whatever became of it.
    pub(super) fn set_file(&mut self, id: u32, privileged: bool) -> u32 {
        let before = self.file;
        if id != KEEP && (privileged || self.has(id) || id == before) {
            self.file = id;
        }
        before
    }

    /// What becomes of the ids when a program is executed, which may be set-id.
    fn execute(&mut self, owner: Option<u32>) {
        if let Some(id) = owner {
            self.effective = id;
        }
        (self.saved, self.file) = (self.effective, self.effective);
    }
}

fn replace(place: &mut u32, id: u32) {
    if id != KEEP {
        *place = id;
    }
}

impl Credentials {
    /// As a process starts (USER).
    pub(super) fn new(user: &crate::sandbox::User) -> Self {
        // As the kernel keeps and shows them.
        let mut groups = user.groups.clone();
        groups.sort_unstable();
        Self { user: Ids::all(user.uid), group: Ids::all(user.gid), groups, ..Self::default() }
    }

    /// Whether it may become anybody. Capabilities one by one are not followed.
    pub(super) fn is_privileged(&self) -> bool {
        self.user.effective == 0 || self.is_capable
    }

    /// The same with other ids of the user.
    pub(super) fn with_user(&self, user: Ids) -> Self {
        Self { user, is_capable: self.keeps_capabilities && self.is_privileged(), ..self.clone() }
    }

    /// Whether new files belong to it as they do to root.
    pub(super) fn makes_files_of_root(&self) -> bool {
        self.user.file == 0 && self.group.file == 0
    }

    /// Whether it is a member of `group`, as far as files are concerned.
    pub(super) fn is_in(&self, group: u32) -> bool {
        self.group.file == group || self.groups.contains(&group)
    }

    /// execve(2) of a program: `user` and `group` are its owners as far as the set-id bits are set.
    pub(super) fn execute(&mut self, user: Option<u32>, group: Option<u32>) {
        self.user.execute(user);
        self.group.execute(group);
        (self.keeps_capabilities, self.is_capable) = (false, false);
    }

    /// Whether the permission bits `wanted` (4 read, 2 write, 1 execute) are given by a file with this owner and mode.
    pub(super) fn may(&self, wanted: u32, owner: (u32, u32), mode: u32) -> bool {
        if self.user.file == 0 {
            return true;
        }
        let shift = if owner.0 == self.user.file {
            6
        } else if self.is_in(owner.1) {
            3
        } else {
            0
        };
        (mode >> shift) & wanted == wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Ids = Ids { real: 1000, effective: 1000, saved: 1000, file: 1000 };

    #[test]
    fn setuid_by_root_is_for_good_and_by_others_goes_back_only() {
        let mut ids = Ids::default();
        ids.set(1000, true).expect("root may");
        assert_eq!(ids, USER);
        assert_eq!(ids.set(0, false), Err(Errno::PERM));
        let mut set_id = Ids { effective: 5, saved: 5, ..USER };
        set_id.set(1000, false).expect("the real id");
        assert_eq!(set_id, Ids { saved: 5, ..USER });
        set_id.set(5, false).expect("the saved id");
        assert_eq!(set_id.effective, 5);
        assert_eq!(ids.set(KEEP, true), Err(Errno::INVAL));
    }

    #[test]
    fn setreuid_saves_the_effective_id_when_the_real_one_changes() {
        let mut ids = Ids::default();
        ids.set_real_effective(KEEP, 1000, true).expect("root may");
        assert_eq!(ids, Ids { real: 0, effective: 1000, saved: 1000, file: 1000 });
        // The reference's way of swapping: real and effective change places.
        let mut swapping = Ids { real: 1000, effective: 0, saved: 0, file: 0 };
        swapping.set_real_effective(0, 1000, false).expect("both are its own");
        assert_eq!(swapping, Ids { real: 0, effective: 1000, saved: 1000, file: 1000 });
        assert_eq!(Ids { ..USER }.set_real_effective(0, KEEP, false), Err(Errno::PERM));
    }

    #[test]
    fn setresuid_takes_any_of_the_three() {
        let mut ids = Ids { real: 1, effective: 2, saved: 3, file: 2 };
        ids.set_each(3, 1, 2, false).expect("all its own");
        assert_eq!(ids, Ids { real: 3, effective: 1, saved: 2, file: 1 });
        assert_eq!(ids.set_each(KEEP, 0, KEEP, false), Err(Errno::PERM));
    }

    #[test]
    fn setfsuid_tells_the_id_before_even_when_refused() {
        let mut ids = USER;
        assert_eq!(ids.set_file(0, false), 1000);
        assert_eq!(ids.file, 1000);
        assert_eq!(ids.set_file(7, true), 1000);
        assert_eq!(ids.file, 7);
    }

    #[test]
    fn a_set_id_program_changes_effective_and_saved_ids() {
        let mut credentials = Credentials { user: USER, group: USER, ..Credentials::default() };
        credentials.execute(Some(0), None);
        assert_eq!(credentials.user, Ids { real: 1000, effective: 0, saved: 0, file: 0 });
        assert_eq!(credentials.group, USER);
        assert!(credentials.is_privileged());
    }

    #[test]
    fn capabilities_stay_until_the_next_program_for_who_asked() {
        let root = Credentials::default();
        assert!(!root.with_user(USER).is_privileged());
        let mut keeping = Credentials { keeps_capabilities: true, ..root }.with_user(USER);
        assert!(keeping.is_privileged() && keeping.with_user(Ids::all(7)).is_privileged());
        keeping.execute(None, None);
        assert!(!keeping.is_privileged());
        assert!(!Credentials { keeps_capabilities: true, ..keeping }.with_user(USER).is_privileged());
    }

    #[test]
    fn permission_bits_go_by_the_first_class_that_fits() {
        let credentials = Credentials { user: USER, group: USER, groups: vec![50], ..Credentials::default() };
        for (row, owner, mode, may) in [
            ("the owner", (1000, 0), 0o200, true),
            ("the owner, who may less than others", (1000, 0), 0o077, false),
            ("the group", (0, 50), 0o020, true),
            ("others", (0, 0), 0o755, false),
            ("others may", (0, 0), 0o1777, true),
        ] {
            assert_eq!(credentials.may(2, owner, mode), may, "{row}");
        }
    }
}
