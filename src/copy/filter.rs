use std::sync::Arc;

use crate::context::{Patterns, Verdict};
use crate::rootfs::{Directory, Node, RootPath};

/// Which entries below a source directory are copied: `--parents` and `--exclude`.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// Only what these match, and all below it; everything when `None`.
    pub(super) include: Option<Patterns>,
    /// Not what these match, nor anything below it (COPY-42); nothing when `None`.
    pub(super) exclude: Option<Patterns>,
}

impl Filter {
    /// Whether nothing is left out.
    pub(super) fn takes_all(&self) -> bool {
        self.include.is_none() && self.exclude.is_none()
    }

    /// `top` with only the entries that are taken. A directory that is not taken stays when something below it
    /// is (IGN-12, COPY-44). What is whole is shared with `top`.
    pub(super) fn prune(&self, top: &Arc<Directory>) -> Arc<Directory> {
        if self.takes_all() {
            return Arc::clone(top);
        }
        let start = |patterns: &Option<Patterns>| patterns.as_ref().map(Patterns::start);
        self.directory(top, &RootPath::root(), &Place { include: start(&self.include), exclude: start(&self.exclude) })
    }

    fn directory(&self, directory: &Arc<Directory>, at: &RootPath, place: &Place) -> Arc<Directory> {
        let mut kept = Directory { meta: directory.meta.clone(), ..Directory::default() };
        let mut whole = true;
        for (name, node) in &directory.children {
            match self.node(node, name, &at.join(name), place) {
                Some(new) => {
                    whole &= new.is(node);
                    kept.children.insert(name.clone(), new);
                }
                None => whole = false,
            }
        }
        if whole { Arc::clone(directory) } else { Arc::new(kept) }
    }

    fn node(&self, node: &Node, name: &[u8], path: &RootPath, above: &Place) -> Option<Node> {
        let place = Place {
            include: below(self.include.as_ref(), above.include.as_ref(), path, name),
            exclude: below(self.exclude.as_ref(), above.exclude.as_ref(), path, name),
        };
        let included = place.include.as_ref().is_none_or(Verdict::excluded);
        let excluded = place.exclude.as_ref().is_some_and(Verdict::excluded);
        let Node::Directory(directory) = node else { return (included && !excluded).then(|| node.clone()) };
        if included && self.exclude.is_none() {
            return Some(node.clone());
        }
        if excluded
            && let (Some(patterns), Some(verdict)) = (&self.exclude, &place.exclude)
            && !patterns.may_include_below(verdict, path.as_bytes())
        {
            return None;
        }
        let pruned = self.directory(directory, path, &place);
        ((included && !excluded) || !pruned.children.is_empty()).then_some(Node::Directory(pruned))
    }
}

/// What the patterns say of a directory.
struct Place {
    include: Option<Verdict>,
    exclude: Option<Verdict>,
}

fn below(patterns: Option<&Patterns>, above: Option<&Verdict>, path: &RootPath, name: &[u8]) -> Option<Verdict> {
    Some(patterns?.below(above?, path.as_bytes(), name))
}

/// `top` with nothing but what stands at `path` and the directories that lead there; `None` when nothing does.
/// Links are not followed.
pub(super) fn only(top: &Arc<Directory>, path: &RootPath) -> Option<Arc<Directory>> {
    let mut chain: Vec<(&Arc<Directory>, &[u8])> = Vec::new();
    let mut node = Node::Directory(Arc::clone(top));
    let mut above = top;
    for name in path.components() {
        if let Some((directory, last)) = chain.last() {
            above = directory.children.get(*last)?.as_directory()?;
        }
        node = above.children.get(name)?.clone();
        chain.push((above, name));
    }
    for (directory, name) in chain.into_iter().rev() {
        let mut alone = Directory { meta: directory.meta.clone(), ..Directory::default() };
        alone.children.insert(name.into(), node);
        node = alone.into();
    }
    node.as_directory().cloned()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{directory, file, listing, path, tree};
    use super::*;
    use crate::rootfs::RootFs;

    fn sample() -> RootFs {
        tree([
            file("a.txt", ""),
            file("b.md", ""),
            directory("empty", 0o755, 0, 0),
            file("d/one.txt", ""),
            file("d/e/two.txt", ""),
            file("d/e/three.md", ""),
        ])
    }

    fn names(top: Arc<Directory>) -> Vec<String> {
        let mut root = RootFs::empty();
        assert!(root.insert(&RootPath::root(), Node::Directory(top)));
        listing(&root).into_iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn copy_42_and_44_filters() {
        let sample = sample();
        for (include, exclude, want) in [
            (
                &[][..],
                &["*.txt"][..],
                &["/b.md", "/d/", "/d/e/", "/d/e/three.md", "/d/e/two.txt", "/d/one.txt", "/empty/"][..],
            ),
            (&[], &["**/*.txt", "empty"], &["/b.md", "/d/", "/d/e/", "/d/e/three.md"]),
            (&[], &["**", "!d/e/two.txt"], &["/d/", "/d/e/", "/d/e/two.txt"]),
            (&[], &["d"], &["/a.txt", "/b.md", "/empty/"]),
            (&[], &["d", "!d/one.txt"], &["/a.txt", "/b.md", "/d/", "/d/one.txt", "/empty/"]),
            (&["**/*.txt"], &[], &["/a.txt", "/d/", "/d/e/", "/d/e/two.txt", "/d/one.txt"]),
            (&["d/*"], &[], &["/d/", "/d/e/", "/d/e/three.md", "/d/e/two.txt", "/d/one.txt"]),
            (&["d"], &["**/*.md"], &["/d/", "/d/e/", "/d/e/two.txt", "/d/one.txt"]),
            (&["nothing*"], &[], &[]),
        ] {
            let patterns = |list: &[&str]| (!list.is_empty()).then(|| Patterns::from_list(list).unwrap());
            let filter = Filter { include: patterns(include), exclude: patterns(exclude) };
            assert_eq!(names(filter.prune(sample.root())), want, "{include:?} {exclude:?}");
        }
    }

    #[test]
    fn what_is_whole_is_shared() {
        let sample = sample();
        let exclude = Some(Patterns::from_list(&["a.txt"]).unwrap());
        let pruned = Filter { include: None, exclude }.prune(sample.root());
        assert!(pruned.children[&b"d"[..]].is(&sample.get(&path("d")).unwrap()));
    }

    #[test]
    fn copy_44_a_path_without_wildcards() {
        let sample = sample();
        let want = ["/d/", "/d/e/", "/d/e/two.txt"];
        assert_eq!(names(only(sample.root(), &path("d/e/two.txt")).unwrap()), want);
        assert!(Arc::ptr_eq(&only(sample.root(), &RootPath::root()).unwrap(), sample.root()));
        for missing in ["no", "d/no", "a.txt/x", "no/x"] {
            assert!(only(sample.root(), &path(missing)).is_none(), "{missing}");
        }
    }
}
