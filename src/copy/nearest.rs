use crate::dockerfile::suggest;
use crate::rootfs::{Node, RootFs, RootPath};

/// The path below `root` that somebody who wrote `path` most likely meant: each name that is not there is taken for a
/// misspelling of its nearest neighbour (DIAG-6). `None` where a name has no near neighbour, or where nothing is
/// misspelt.
pub fn nearest(root: &RootFs, path: &RootPath) -> Option<RootPath> {
    let mut at = RootPath::root();
    let mut differs = false;
    for name in path.components() {
        let Some(Node::Directory(directory)) = root.resolve(at.as_bytes(), true).ok()?.node else { return None };
        if directory.children.contains_key(name) {
            at = at.join(name);
            continue;
        }
        let wanted = std::str::from_utf8(name).ok()?;
        let names = directory.children.keys().filter_map(|name| std::str::from_utf8(name).ok());
        at = at.join(suggest(wanted, names)?.as_bytes());
        differs = true;
    }
    differs.then_some(at)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{file, path, tree};
    use super::*;

    #[test]
    fn diag_6_a_path_that_is_near() {
        let root = tree([file("package.json", ""), file("src/main.rs", ""), file("src/lib.rs", "")]);
        for (written, want) in [
            ("pakage.json", Some("/package.json")),
            ("scr/main.rs", Some("/src/main.rs")),
            ("scr/mian.rs", Some("/src/main.rs")),
            ("SRC/main.rs", Some("/src/main.rs")),
            ("src/main.rs", None),
            ("src/main.rs/x", None),
            ("elsewhere", None),
        ] {
            assert_eq!(nearest(&root, &path(written)).map(|found| found.to_string()).as_deref(), want, "{written}");
        }
    }
}
