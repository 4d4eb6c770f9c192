//! What a file on disk is meant to be, where kiln may own files by one id only and make no devices.
//!
//! Such a file belongs to whoever runs kiln. Beside it stands a claim: the owner that it has in the root filesystem, and the
//! device that it stands for. Regular files and directories carry theirs in an extended attribute, which stays with the
//! inode through renaming, linking and the copying up of an overlay. The kernel allows no such attribute on other
//! files; their claims are kept in [`Claims`] for the time of one step.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Kind;

/// The extended attribute that holds a claim. It is never in a layer.
pub const CLAIM: &str = "user.kiln.claim";

/// What a file is meant to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Claim {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// The device that an empty file stands for.
    pub device: Option<Device>,
    /// The owner and group that the file had when this was claimed, where a step can still change those itself: what has
    /// changed since counts, not the claim. `None` where nobody can.
    pub over: Option<(u32, u32)>,
}

/// Owner and group of files that are claimed for ids beyond the namespace's, where the namespace has this one. No
/// distribution uses it, so a file that a step gives to somebody is seen to have been.
pub const CLAIMED_ID: u32 = 65_533;

/// A device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Device {
    /// A block device, else a character device.
    pub is_block: bool,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

impl Claim {
    /// The claim of a file that is owned by `uid` and `gid`.
    pub fn owned(uid: u32, gid: u32) -> Self {
        Self { uid, gid, device: None, over: None }
    }

    /// Whether it says nothing: owned by root, no device.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Owner and group of a file that is really owned by `real`.
    pub fn owner(&self, real: (u32, u32)) -> (u32, u32) {
        let over = self.over.unwrap_or(real);
        (if real.0 == over.0 { self.uid } else { real.0 }, if real.1 == over.1 { self.gid } else { real.1 })
    }

    /// The value of the attribute: `UID GID`, then `b` or `c` and `MAJOR:MINOR` for devices, then `@UID:GID` for what the claim
    /// stands over.
    pub fn to_text(&self) -> String {
        let Self { uid, gid, device, over } = self;
        let device = device.map_or(String::new(), |Device { is_block, major, minor }| {
            format!(" {}{major}:{minor}", if is_block { 'b' } else { 'c' })
        });
        let over = over.map_or(String::new(), |(uid, gid)| format!(" @{uid}:{gid}"));
        format!("{uid} {gid}{device}{over}")
    }

    /// Reads the value of the attribute; `None` for anything that [`Claim::to_text`] does not write.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(bytes).ok()?.split(' ');
        let (uid, gid) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let mut claim = Self::owned(uid, gid);
        let mut word = words.next();
        if let Some(device) = word.filter(|word| !word.starts_with('@')) {
            claim.device = Some(Device::from_text(device)?);
            word = words.next();
        }
        if let Some(over) = word {
            let (uid, gid) = over.strip_prefix('@')?.split_once(':')?;
            claim.over = Some((uid.parse().ok()?, gid.parse().ok()?));
        }
        words.next().is_none().then_some(claim)
    }
}

impl Device {
    /// The device that an entry is.
    pub fn of(kind: &Kind) -> Option<Self> {
        match kind {
            Kind::CharDevice(major, minor) => Some(Self { is_block: false, major: *major, minor: *minor }),
            Kind::BlockDevice(major, minor) => Some(Self { is_block: true, major: *major, minor: *minor }),
            Kind::File(_) | Kind::Symlink(_) | Kind::Fifo => None,
        }
    }

    /// The entry that it is.
    pub fn kind(self) -> Kind {
        if self.is_block { Kind::BlockDevice(self.major, self.minor) } else { Kind::CharDevice(self.major, self.minor) }
    }

    fn from_text(word: &str) -> Option<Self> {
        let is_block = word.starts_with('b');
        let (major, minor) = word.strip_prefix(['b', 'c'])?.split_once(':')?;
        Some(Self { is_block, major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

/// The claims of one step's links, pipes and sockets: by inode and time of birth, as numbers of inodes come again.
#[derive(Debug, Default)]
pub struct Claims(Mutex<HashMap<Birth, Claim>>);

/// An inode of the file system that a step writes to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Birth {
    /// Its number.
    pub inode: u64,
    /// Seconds and nanoseconds; zeros where the file system does not know.
    pub born: (i64, u32),
}

impl Claims {
    /// Remembers a claim, in place of an earlier one.
    pub fn put(&self, inode: Birth, claim: Claim) {
        if claim.is_plain() {
            self.lock().remove(&inode);
        } else {
            self.lock().insert(inode, claim);
        }
    }

    /// What was put.
    pub fn get(&self, inode: &Birth) -> Option<Claim> {
        self.lock().get(inode).copied()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Birth, Claim>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_read_as_it_was_written() {
        let device = Device { is_block: true, major: 8, minor: 1 };
        for claim in [
            Claim::default(),
            Claim::owned(1000, 50),
            Claim { uid: 0, gid: 6, device: Some(device), over: None },
            Claim { uid: u32::MAX, gid: 1, device: Some(Device { is_block: false, ..device }), over: Some((5, 6)) },
            Claim { over: Some((65_533, 65_533)), ..Claim::owned(100_000, 0) },
        ] {
            assert_eq!(Claim::from_bytes(claim.to_text().as_bytes()), Some(claim));
        }
    }

    #[test]
    fn what_was_given_away_since_counts() {
        let claim = Claim { over: Some((65_533, 65_533)), ..Claim::owned(100_000, 200_000) };
        for (real, want) in [((65_533, 65_533), (100_000, 200_000)), ((0, 0), (0, 0)), ((65_533, 7), (100_000, 7))] {
            assert_eq!(claim.owner(real), want);
        }
        assert_eq!(Claim::owned(1, 2).owner((0, 0)), (1, 2));
    }

    #[test]
    fn what_no_claim_is_is_refused() {
        for bytes in [
            "",
            "1",
            "1 ",
            "1 2 ",
            "1 2 x1:1",
            "1 2 c1",
            "1 2 c1:1 9",
            "1 2 @1",
            "1 2 @1:2 c1:1",
            "-1 2",
            "4294967296 0",
        ] {
            assert_eq!(Claim::from_bytes(bytes.as_bytes()), None, "{bytes:?}");
        }
    }
}
