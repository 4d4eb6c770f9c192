use crate::context::ComponentGlob;
use crate::rootfs::{Directory, Node, ResolveError, RootFs, RootPath};

use super::CopyError;

/// What a source names.
#[derive(Debug)]
pub(super) struct Match {
    /// The path as written, with the names that its wildcards matched. Not resolved: the last name is the one
    /// that a file keeps (COPY-18).
    pub(super) path: RootPath,
    /// What is there once links are followed.
    pub(super) node: Node,
}

/// Whether a path component is a pattern: it holds `*`, `?` or `[` that no backslash guards.
pub(super) fn is_pattern(component: &[u8]) -> bool {
    let mut bytes = component.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'*' | b'?' | b'[' => return true,
            _ => {}
        }
    }
    false
}

/// What the source `path` names below `root`, in the order of copying (COPY-10, COPY-13 to COPY-18).
///
/// Without wildcards that is one entry or an error. With wildcards, none is no error; what they match is taken in
/// byte order, and directories reached through links are not searched.
pub(super) fn matches(root: &RootFs, path: &RootPath) -> Result<Vec<Match>, CopyError> {
    let names: Vec<&[u8]> = path.components().collect();
    let Some(first) = names.iter().position(|name| is_pattern(name)) else {
        let node = follow(root, &RootPath::root(), path.as_bytes(), path)?;
        return node
            .map(|node| vec![Match { path: path.clone(), node }])
            .ok_or_else(|| CopyError::NotFound(path.clone()));
    };
    let written = names[..first].iter().fold(RootPath::root(), |path, name| path.join(name));
    let globs: Result<Vec<_>, _> = names[first..].iter().map(|name| ComponentGlob::new(name)).collect();
    let globs = globs.map_err(|source| CopyError::Wildcard { pattern: path.to_string().split_off(1), source })?;
    let resolved = match root.resolve(written.as_bytes(), true) {
        Ok(resolved) => resolved,
        Err(ResolveError::NotADirectory(_)) => return Ok(Vec::new()),
        Err(ResolveError::Loop(at)) => return Err(CopyError::Loop(at)),
    };
    let mut found = Vec::new();
    if let Some(Node::Directory(directory)) = resolved.node {
        let search = Search { root, globs: &globs };
        search.directory(&directory, &Place { written, real: resolved.path }, 0, &mut found)?;
    }
    Ok(found)
}

struct Search<'a> {
    root: &'a RootFs,
    globs: &'a [ComponentGlob],
}

/// A directory under its two names.
struct Place {
    written: RootPath,
    real: RootPath,
}

impl Search<'_> {
    fn directory(
        &self,
        directory: &Directory,
        at: &Place,
        depth: usize,
        found: &mut Vec<Match>,
    ) -> Result<(), CopyError> {
        let last = depth + 1 == self.globs.len();
        for (name, node) in directory.children.iter().filter(|(name, _)| self.globs[depth].matches(name)) {
            let written = at.written.join(name);
            if last {
                let node = match node.as_symlink() {
                    Some(_) => follow(self.root, &at.real, name, &written)?,
                    None => Some(node.clone()),
                };
                let node = node.ok_or_else(|| CopyError::NotFound(written.clone()))?;
                found.push(Match { path: written, node });
            } else if let Node::Directory(below) = node {
                self.directory(below, &Place { written, real: at.real.join(name) }, depth + 1, found)?;
            }
        }
        Ok(())
    }
}

/// What is at `path` from `start`; `None` when nothing is.
fn follow(root: &RootFs, start: &RootPath, path: &[u8], shown: &RootPath) -> Result<Option<Node>, CopyError> {
    match root.resolve_from(start, path, true) {
        Ok(resolved) => Ok(resolved.node),
        Err(ResolveError::NotADirectory(_)) => Ok(None),
        Err(ResolveError::Loop(_)) => Err(CopyError::Loop(shown.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{file, link, path, tree};
    use super::*;

    fn sample() -> RootFs {
        tree([
            file("a.txt", "a"),
            file("b.txt", "b"),
            file("long.txt", "l"),
            file("x.md", "x"),
            file(".hidden.txt", "h"),
            file("dir1/f1", "11"),
            file("dir2/f2", "22"),
            file("dir2/sub/f3", "33"),
            file("a*.txt", "star"),
            file("[x].txt", "bracket"),
            file("a\\b", "backslash"),
            link("ldir", "/dir2"),
            link("lfile", "dir1/f1"),
            link("out", "../../../a.txt"),
            link("dangling", "nowhere"),
            link("circle", "circle"),
        ])
    }

    #[test]
    fn copy_10_to_18_sources() {
        let root = sample();
        for (source, want) in [
            ("a.txt", &["/a.txt"][..]),
            ("../../a.txt", &["/a.txt"]),
            ("dir1/../a.txt", &["/a.txt"]),
            ("/", &["/"]),
            ("lfile", &["/lfile"]),
            ("ldir/f2", &["/ldir/f2"]),
            ("out", &["/out"]),
            ("a\\b", &["/a\\b"]),
            ("?.txt", &["/a.txt", "/b.txt"]),
            ("*.txt", &["/.hidden.txt", "/[x].txt", "/a*.txt", "/a.txt", "/b.txt", "/long.txt"]),
            ("[a-b].txt", &["/a.txt", "/b.txt"]),
            ("[^a].txt", &["/b.txt"]),
            ("a[*].txt", &["/a*.txt"]),
            ("[[]x].txt", &["/[x].txt"]),
            ("dir*/f*", &["/dir1/f1", "/dir2/f2"]),
            ("dir?", &["/dir1", "/dir2"]),
            ("**/f*", &["/dir1/f1", "/dir2/f2"]),
            ("ldir/f*", &["/ldir/f2"]),
            ("l*", &["/ldir", "/lfile", "/long.txt"]),
            ("*dir/f*", &[]),
            ("none*", &[]),
            ("no/such/*", &[]),
            ("a.txt/*", &[]),
        ] {
            let found = matches(&root, &path(source)).unwrap();
            let found: Vec<String> = found.iter().map(|found| found.path.to_string()).collect();
            assert_eq!(found, want, "{source}");
        }
        let followed = matches(&root, &path("lfile")).unwrap();
        assert_eq!(followed[0].node.as_file().unwrap().read(9).unwrap(), b"11");
    }

    #[test]
    fn d_87_and_d_89_sources_that_cannot_be_had() {
        let root = sample();
        for (source, code, message) in [
            ("no/x", "D-87", "failed to calculate checksum of the source: \"/no/x\": not found"),
            ("A.TXT", "D-87", "failed to calculate checksum of the source: \"/A.TXT\": not found"),
            ("a.txt/x", "D-87", "failed to calculate checksum of the source: \"/a.txt/x\": not found"),
            ("dangling", "D-87", "failed to calculate checksum of the source: \"/dangling\": not found"),
            ("dang*", "D-87", "failed to calculate checksum of the source: \"/dangling\": not found"),
            ("circle", "D-87", "too many levels of symbolic links in /circle"),
            ("dir/[a-", "D-89", "invalid wildcard in source `dir/[a-`"),
        ] {
            let error = matches(&root, &path(source)).unwrap_err();
            assert_eq!((error.code(), error.to_string().as_str()), (code, message));
        }
    }
}
