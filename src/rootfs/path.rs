use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// A path below a root: bytes, components joined by single slashes, none of them empty, `.` or `..`.
/// The root itself is the empty path. Ordered so that a directory comes before what it holds. A clone shares the bytes:
/// trees, lists and indices of many files all know them by path.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct RootPath(Arc<[u8]>);

/// A text cannot name something below a root.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PathError {
    /// `..` would leave the root.
    #[error("`{0}` leads out of the root")]
    Escapes(String),
    /// A NUL byte.
    #[error("`{0}` holds a NUL byte")]
    Nul(String),
}

impl RootPath {
    /// The root itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// Reads a path lexically: leading, trailing and doubled slashes and `.` vanish, `..` takes one component
    /// back and stays at the root when there is none (as a path in a chroot does).
    pub fn clamped(text: &[u8]) -> Self {
        let mut kept: Vec<&[u8]> = Vec::new();
        for part in text.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    kept.pop();
                }
                name => kept.push(name),
            }
        }
        Self(kept.join(&b'/').into())
    }

    /// As [`RootPath::clamped`], but a `..` above the root or a NUL byte is an error: for names in archives.
    pub fn strict(text: &[u8]) -> Result<Self, PathError> {
        let shown = || String::from_utf8_lossy(text).into_owned();
        if text.contains(&0) {
            return Err(PathError::Nul(shown()));
        }
        let mut depth = 0usize;
        for part in text.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => depth = depth.checked_sub(1).ok_or_else(|| PathError::Escapes(shown()))?,
                _ => depth += 1,
            }
        }
        Ok(Self::clamped(text))
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes, without a leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path as `std` wants it, relative; `.` for the root, so that `openat` accepts it.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(if self.0.is_empty() { b"." } else { &self.0 }))
    }

    /// The components from the root down.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|part| !part.is_empty())
    }

    /// The path with one more component. `name` must be a plain file name.
    #[must_use]
    pub fn join(&self, name: &[u8]) -> Self {
        debug_assert!(!name.is_empty() && !name.contains(&b'/') && name != b"." && name != b"..");
        if self.0.is_empty() {
            return Self(name.into());
        }
        Self([&self.0, &b"/"[..], name].concat().into())
    }

    /// The path with all of `below` appended.
    #[must_use]
    pub fn join_path(&self, below: &Self) -> Self {
        below.components().fold(self.clone(), |path, name| path.join(name))
    }

    /// The directory that holds this path and its name in it; `None` for the root.
    pub fn split_last(&self) -> Option<(Self, &[u8])> {
        if self.0.is_empty() {
            return None;
        }
        Some(match self.0.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (Self(self.0[..slash].into()), &self.0[slash + 1..]),
            None => (Self::root(), &self.0[..]),
        })
    }

    /// What is left of this path below `top`; `None` when it is not below it (a path is below itself).
    pub fn strip_prefix(&self, top: &Self) -> Option<Self> {
        if top.is_root() {
            return Some(self.clone());
        }
        let rest = self.0.strip_prefix(&*top.0)?;
        match rest.split_first() {
            None => Some(Self::root()),
            Some((b'/', rest)) => Some(Self(rest.into())),
            Some(_) => None,
        }
    }

    /// Whether this path is `top` or below it.
    pub fn starts_with(&self, top: &Self) -> bool {
        self.strip_prefix(top).is_some()
    }
}

impl PartialOrd for RootPath {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RootPath {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.components().cmp(other.components())
    }
}

impl fmt::Display for RootPath {
    /// Absolute, as people read it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_clamped_to_the_root() {
        for (text, want) in
            [("/a//b/./c/", "/a/b/c"), ("../../x", "/x"), ("a/../..", "/"), ("", "/"), ("a/..b", "/a/..b")]
        {
            assert_eq!(RootPath::clamped(text.as_bytes()).to_string(), want, "{text}");
        }
    }

    #[test]
    fn strict_paths_may_not_climb() {
        assert!(RootPath::strict(b"a/../../b").is_err());
        assert!(RootPath::strict(b"a\0b").is_err());
        assert_eq!(RootPath::strict(b"./a/../b").unwrap().to_string(), "/b");
    }

    #[test]
    fn tar_3_a_directory_sorts_before_its_content_and_that_before_its_longer_siblings() {
        let path = |text: &str| RootPath::clamped(text.as_bytes());
        let mut paths = vec![path("a-b"), path("a/z"), path("a")];
        paths.sort();
        assert_eq!(paths, [path("a"), path("a/z"), path("a-b")]);
    }

    #[test]
    fn prefixes_end_at_components() {
        let path = |text: &str| RootPath::clamped(text.as_bytes());
        assert_eq!(path("a/b/c").strip_prefix(&path("a")), Some(path("b/c")));
        assert_eq!(path("ab").strip_prefix(&path("a")), None);
        assert_eq!(path("a").strip_prefix(&path("a")), Some(RootPath::root()));
        assert_eq!(path("a/b").split_last(), Some((path("a"), &b"b"[..])));
    }
}
