use std::sync::Arc;

use super::CopyError;
use super::filter::{Filter, only};
use super::selection::{Part, Selection};
use super::sources::{Match, is_pattern, matches};
use crate::context::{PatternError, Patterns};
use crate::plan::{CopyOp, CopySource};
use crate::rootfs::{Node, RootFs, RootPath};

/// What the path sources of `op` name below `root`, which holds the context, stage or image that the files come
/// from. URLs and git references are passed over: where there are any, use [`select_path`] for the paths and
/// [`Selection::append`] to keep the order. Heredocs are no part of a selection.
pub fn select(root: &RootFs, op: &CopyOp) -> Result<Selection, CopyError> {
    let mut selection = Selection::default();
    for source in &op.sources {
        if let CopySource::Path(path) = source {
            selection.append(select_path(root, op, path)?);
        }
    }
    Ok(selection)
}

/// What the one source `path` of `op` names below `root`.
pub fn select_path(root: &RootFs, op: &CopyOp, path: &str) -> Result<Selection, CopyError> {
    let unpack = op.add && op.unpack != Some(false);
    let exclude = exclude(op)?;
    if op.parents {
        return with_parents(root, path, exclude);
    }
    let filter = Filter { include: None, exclude };
    let found = matches(root, &RootPath::clamped(path.as_bytes()))?;
    let part = |Match { path, node }| {
        let node = match node {
            Node::Directory(directory) => Node::Directory(filter.prune(&directory)),
            // `--exclude` does not apply to the source itself (COPY-42).
            inode @ Node::Inode(_) => inode,
        };
        Part { path, node, unpack, keeps_directories: false }
    };
    Ok(Selection { parts: found.into_iter().map(part).collect() })
}

fn exclude(op: &CopyOp) -> Result<Option<Patterns>, CopyError> {
    if op.exclude.is_empty() {
        return Ok(None);
    }
    let patterns = Patterns::from_list(&op.exclude);
    patterns.map(Some).map_err(|source| CopyError::Exclude { patterns: op.exclude.clone(), source })
}

/// COPY-44: a directory, of which only what the pattern matches is copied, with the directories that lead there.
/// A `/./` ends the path of the directory; without one it is the root.
fn with_parents(root: &RootFs, path: &str, exclude: Option<Patterns>) -> Result<Selection, CopyError> {
    let (base, pattern) = path.split_once("/./").unwrap_or(("", path));
    let base = RootPath::clamped(base.as_bytes());
    let pattern = RootPath::clamped(pattern.as_bytes());
    let literal = !pattern.components().any(is_pattern);
    let include = if literal { None } else { Some(include(&pattern)?) };
    let filter = Filter { include, exclude };
    let mut parts = Vec::new();
    for Match { path, node } in matches(root, &base)? {
        let missing = || CopyError::NotFound(path.join_path(&pattern));
        let Node::Directory(directory) = node else { return Err(missing()) };
        let kept = if literal { only(&directory, &pattern).ok_or_else(missing)? } else { directory };
        let kept = filter.prune(&kept);
        if literal && only(&kept, &pattern).is_none() {
            return Err(missing());
        }
        parts.push(Part { path, node: Node::Directory(Arc::clone(&kept)), unpack: false, keeps_directories: true });
    }
    Ok(Selection { parts })
}

fn include(pattern: &RootPath) -> Result<Patterns, CopyError> {
    let text = pattern.to_string().split_off(1);
    // A name that begins with `!` is no exception.
    let guarded = if text.starts_with('!') { format!("\\{text}") } else { text.clone() };
    let wrap = |source: PatternError| CopyError::Include { pattern: text.clone(), source };
    Patterns::from_list(&[guarded]).map_err(wrap)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, directory, file, link, op, path, tree};
    use super::*;

    fn source() -> RootFs {
        tree([
            directory("a", 0o711, 3, 4),
            directory("a/b", 0o750, 0, 0),
            file("a/b/c.txt", "c"),
            file("a/b/d.md", "d"),
            file("a/x.txt", "x"),
            link("a/l", "x.txt"),
            file("top.txt", "t"),
            directory("hollow", 0o755, 0, 0),
            link("way", "a"),
        ])
    }

    #[test]
    fn copy_42_exclude() {
        check(
            &RootFs::empty(),
            &source(),
            &[
                (
                    "relative to the source",
                    "COPY --exclude=b --exclude=l a /e",
                    &["/e/ 0755 0:0", "/e/x.txt 0644 0:0 \"x\""],
                ),
                ("relative to each match", "COPY --exclude=*.md a/b* /e", &["/e/ 0755 0:0", "/e/c.txt 0644 0:0 \"c\""]),
                (
                    "not the source itself",
                    "COPY --exclude=*.txt top.txt /e/",
                    &["/e/ 0755 0:0", "/e/top.txt 0644 0:0 \"t\""],
                ),
                (
                    "taken back",
                    "COPY --exclude=** --exclude=!b/c.txt a /e",
                    &["/e/ 0755 0:0", "/e/b/ 0750 0:0", "/e/b/c.txt 0644 0:0 \"c\""],
                ),
                ("all", "COPY --exclude=* a /e", &["/e/ 0755 0:0"]),
                ("malformed", "COPY --exclude=[a- a /e", &["D-89: invalid excludepatterns: [a-"]),
            ],
        );
    }

    #[test]
    fn copy_44_parents() {
        let not_found = |name: &str| format!("D-87: failed to calculate checksum of the source: \"{name}\": not found");
        check(
            &RootFs::empty(),
            &source(),
            &[
                (
                    "parents take the source's mode and owner",
                    "COPY --parents a/b/c.txt top.txt /d",
                    &[
                        "/d/ 0755 0:0",
                        "/d/a/ 0711 3:4",
                        "/d/a/b/ 0750 0:0",
                        "/d/a/b/c.txt 0644 0:0 \"c\"",
                        "/d/top.txt 0644 0:0 \"t\"",
                    ],
                ),
                (
                    "a directory",
                    "COPY --parents --chown=9 a/b /d",
                    &[
                        "/d/ 0755 9:9",
                        "/d/a/ 0711 9:9",
                        "/d/a/b/ 0750 9:9",
                        "/d/a/b/c.txt 0644 9:9 \"c\"",
                        "/d/a/b/d.md 0644 9:9 \"d\"",
                    ],
                ),
                (
                    "cleaned",
                    "COPY --parents ./a/b/../x.txt /d",
                    &["/d/ 0755 0:0", "/d/a/ 0711 3:4", "/d/a/x.txt 0644 0:0 \"x\""],
                ),
                (
                    "the pivot",
                    "COPY --parents a/./b/c.txt /d",
                    &["/d/ 0755 0:0", "/d/b/ 0750 0:0", "/d/b/c.txt 0644 0:0 \"c\""],
                ),
                ("pivot and wildcard", "COPY --parents a/./*.txt /d", &["/d/ 0755 0:0", "/d/x.txt 0644 0:0 \"x\""]),
                (
                    "two stars",
                    "COPY --parents **/*.md /d",
                    &["/d/ 0755 0:0", "/d/a/ 0711 3:4", "/d/a/b/ 0750 0:0", "/d/a/b/d.md 0644 0:0 \"d\""],
                ),
                (
                    "a link is a link",
                    "COPY --parents a/l /d",
                    &["/d/ 0755 0:0", "/d/a/ 0711 3:4", "/d/a/l -> x.txt 0:0"],
                ),
                (
                    "the pivot follows links",
                    "COPY --parents way/./x.txt /d",
                    &["/d/ 0755 0:0", "/d/x.txt 0644 0:0 \"x\""],
                ),
                ("M-26: no match makes the destination", "COPY --parents no/*.such /d", &["/d/ 0755 0:0"]),
                ("missing", "COPY --parents a/none /d", &[&not_found("/a/none")]),
                ("missing before the pivot", "COPY --parents no/./none /d", &[&not_found("/no")]),
                ("M-26: excluded", "COPY --parents --exclude=a/b a/b /d", &[&not_found("/a/b")]),
                ("malformed", "COPY --parents [a- /d", &["D-89: invalid includepatterns: [a-"]),
            ],
        );
        let target = tree([directory("d/a", 0o700, 1, 1)]);
        check(
            &target,
            &source(),
            &[("what exists stays", "COPY --parents a/x.txt /d", &["/d/a/x.txt 0644 0:0 \"x\""])],
        );
    }

    #[test]
    fn the_order_of_sources_is_kept() {
        let op = op("ADD top.txt a/x.txt /d/");
        let mut selection = select_path(&source(), &op, "a/x.txt").unwrap();
        selection.append(select_path(&source(), &op, "top.txt").unwrap());
        let names: Vec<_> = selection.parts.iter().map(|part| part.path.clone()).collect();
        assert_eq!(names, [path("a/x.txt"), path("top.txt")]);
        assert_eq!(select(&source(), &op).unwrap().names(), 2);
    }
}
