use std::collections::VecDeque;
use std::sync::Arc;

use super::{Directory, Meta, Node, RootPath};

/// More links than this in one path is a loop (Linux: `MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// One state of a root filesystem. Cloning shares everything.
#[derive(Clone, Debug)]
pub struct RootFs {
    root: Arc<Directory>,
}

/// Where a path leads once its links are followed inside the root.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The path without links, missing components at its end included.
    pub path: RootPath,
    /// What is there; `None` when something is missing.
    pub node: Option<Node>,
    /// How many components of `path` are missing: 0 when `node` is there.
    pub missing: usize,
}

/// A path cannot be followed.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum ResolveError {
    /// A component that is no directory has something after it.
    #[error("{0} is not a directory")]
    NotADirectory(RootPath),
    /// Links lead in a circle.
    #[error("too many levels of symbolic links in {0}")]
    Loop(RootPath),
}

impl Default for RootFs {
    fn default() -> Self {
        Self::empty()
    }
}

impl RootFs {
    /// Nothing but a root directory, mode 0755.
    pub fn empty() -> Self {
        Self { root: Arc::new(Directory { meta: Meta::with_mode(0o755), ..Directory::default() }) }
    }

    /// The root directory.
    pub fn root(&self) -> &Arc<Directory> {
        &self.root
    }

    /// Gives the root directory another mode, owner and time.
    pub fn set_root_meta(&mut self, meta: Meta) {
        if self.root.meta != meta {
            Arc::make_mut(&mut self.root).meta = meta;
        }
    }

    /// What stands at `path`; links are not followed.
    pub fn get(&self, path: &RootPath) -> Option<Node> {
        let mut node = Node::Directory(Arc::clone(&self.root));
        for name in path.components() {
            node = node.as_directory()?.children.get(name)?.clone();
        }
        Some(node)
    }

    /// Follows `path` as the kernel would in a chroot: links are resolved inside the root, `..` stops there.
    /// With `follow_last` a link at the end is followed as well. Missing components are no error.
    pub fn resolve(&self, path: &[u8], follow_last: bool) -> Result<Resolved, ResolveError> {
        self.resolve_from(&RootPath::root(), path, follow_last)
    }

    /// As [`RootFs::resolve`], but a relative `path` begins at `start`, and an absolute one or an absolute link
    /// still means the root. `start` must be free of links.
    pub fn resolve_from(&self, start: &RootPath, path: &[u8], follow_last: bool) -> Result<Resolved, ResolveError> {
        let mut at = if path.starts_with(b"/") { RootPath::root() } else { start.clone() };
        // What stands at `at` and at each directory above, as far as it is there: looking it up anew for each component would
        // take a time that grows with the square of a path's length.
        let mut way = self.way_to(&at).unwrap_or_default();
        let mut missing = 0usize;
        let mut links = 0usize;
        let split = |text: &[u8]| text.split(|b| *b == b'/').map(Box::<[u8]>::from).collect::<Vec<_>>();
        let mut todo: VecDeque<Box<[u8]>> = split(path).into();
        while let Some(name) = todo.pop_front() {
            match &*name {
                b"" | b"." => continue,
                b".." => {
                    at = at.split_last().map_or_else(RootPath::root, |(parent, _)| parent);
                    if missing > 0 {
                        missing -= 1;
                    } else if way.len() > 1 {
                        way.pop();
                    }
                    continue;
                }
                _ => {}
            }
            if missing > 0 {
                at = at.join(&name);
                missing += 1;
                continue;
            }
            let Some(directory) = way.last().and_then(Node::as_directory) else {
                return Err(ResolveError::NotADirectory(at));
            };
            let next = at.join(&name);
            match directory.children.get(&name).cloned() {
                None => {
                    missing = 1;
                    at = next;
                }
                Some(node) => {
                    let last = todo.iter().all(|rest| matches!(&**rest, b"" | b"."));
                    match node.as_symlink() {
                        Some(target) if !last || follow_last => {
                            links += 1;
                            if links > MAX_LINKS {
                                return Err(ResolveError::Loop(next));
                            }
                            if target.starts_with(b"/") {
                                at = RootPath::root();
                                way.truncate(1);
                            }
                            for part in split(target).into_iter().rev() {
                                todo.push_front(part);
                            }
                        }
                        _ => {
                            at = next;
                            way.push(node);
                        }
                    }
                }
            }
        }
        let node = if missing == 0 { way.pop() } else { None };
        Ok(Resolved { path: at, node, missing })
    }

    /// What stands at the root, at each directory on the way to `path`, and there; `None` where something is missing.
    fn way_to(&self, path: &RootPath) -> Option<Vec<Node>> {
        let mut way = vec![Node::Directory(Arc::clone(&self.root))];
        for name in path.components() {
            let next = way.last()?.as_directory()?.children.get(name)?.clone();
            way.push(next);
        }
        Some(way)
    }

    /// Puts `node` at `path`, in place of whatever was there. The parent must be a directory: `false` and no
    /// change when it is not, or when `path` is the root and `node` is no directory.
    pub fn insert(&mut self, path: &RootPath, node: Node) -> bool {
        let Some((parent, name)) = path.split_last() else {
            let Node::Directory(directory) = node else { return false };
            self.root = directory;
            return true;
        };
        let Some(directory) = self.directory_mut(&parent) else { return false };
        directory.children.insert(name.into(), node);
        true
    }

    /// Takes away what stands at `path` and all below it. Nothing there is no error; the root stays.
    pub fn remove(&mut self, path: &RootPath) -> Option<Node> {
        let (parent, name) = path.split_last()?;
        if !self.get(&parent)?.as_directory()?.children.contains_key(name) {
            return None;
        }
        self.directory_mut(&parent)?.children.remove(name)
    }

    /// The directory at `path`, made unshared so that it can be changed. Links are not followed.
    pub fn directory_mut(&mut self, path: &RootPath) -> Option<&mut Directory> {
        if !self.get(path)?.is_directory() {
            return None;
        }
        let mut directory = Arc::make_mut(&mut self.root);
        for name in path.components() {
            match directory.children.get_mut(name)? {
                Node::Directory(next) => directory = Arc::make_mut(next),
                Node::Inode(_) => return None,
            }
        }
        Some(directory)
    }

    /// Makes `path` a directory with `meta` for each missing component; existing ones stay as they are.
    pub fn make_directories(&mut self, path: &RootPath, meta: &Meta) -> Result<(), ResolveError> {
        let mut at = RootPath::root();
        for name in path.components() {
            at = at.join(name);
            match self.get(&at) {
                Some(Node::Directory(_)) => {}
                Some(Node::Inode(_)) => return Err(ResolveError::NotADirectory(at)),
                None => {
                    self.insert(&at, Directory { meta: meta.clone(), ..Directory::default() }.into());
                }
            }
        }
        Ok(())
    }

    /// Calls `visit` for everything below the root, a directory before what it holds, siblings in byte order.
    pub fn walk<E>(&self, visit: &mut dyn FnMut(&RootPath, &Node) -> Result<(), E>) -> Result<(), E> {
        fn below<E>(
            directory: &Directory,
            at: &RootPath,
            visit: &mut dyn FnMut(&RootPath, &Node) -> Result<(), E>,
        ) -> Result<(), E> {
            for (name, node) in &directory.children {
                let path = at.join(name);
                visit(&path, node)?;
                if let Node::Directory(directory) = node {
                    below(directory, &path, visit)?;
                }
            }
            Ok(())
        }
        below(&self.root, &RootPath::root(), visit)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{File, Inode, Kind};
    use super::*;

    fn path(text: &str) -> RootPath {
        RootPath::clamped(text.as_bytes())
    }

    fn link(target: &str) -> Node {
        Inode::new(Meta::with_mode(0o777), Kind::Symlink(target.as_bytes().into())).into()
    }

    fn sample() -> RootFs {
        let mut fs = RootFs::empty();
        fs.make_directories(&path("a/b"), &Meta::with_mode(0o755)).unwrap();
        let file = Inode::new(Meta::with_mode(0o644), Kind::File(File::inline(*b"x")));
        assert!(fs.insert(&path("a/f"), file.into()));
        assert!(fs.insert(&path("abs"), link("/a/b")));
        assert!(fs.insert(&path("a/up"), link("../../../a/f")));
        assert!(fs.insert(&path("loop"), link("loop")));
        fs
    }

    #[test]
    fn copy_24_links_are_followed_inside_the_root() {
        let fs = sample();
        for (text, follow, want, missing) in [
            ("/abs/new/x", true, "/a/b/new/x", 2),
            ("abs", false, "/abs", 0),
            ("abs/", true, "/a/b", 0),
            ("a/up", true, "/a/f", 0),
            ("../../a", true, "/a", 0),
            ("nothing/../a", true, "/a", 0),
        ] {
            let got = fs.resolve(text.as_bytes(), follow).unwrap();
            assert_eq!((got.path.to_string().as_str(), got.missing), (want, missing), "{text}");
        }
        assert_eq!(fs.resolve(b"a/f/x", true).unwrap_err(), ResolveError::NotADirectory(path("a/f")));
        assert!(matches!(fs.resolve(b"loop", true), Err(ResolveError::Loop(_))));
    }

    #[test]
    fn a_clone_is_not_changed_by_what_comes_after() {
        let before = sample();
        let mut after = before.clone();
        assert!(after.remove(&path("a/f")).is_some());
        assert!(before.get(&path("a/f")).is_some() && after.get(&path("a/f")).is_none());
        assert!(!after.insert(&path("abs/x"), link("y")), "a link is no parent");
    }
}
