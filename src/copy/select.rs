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
