use super::CopyError;
use super::chown::{Owner, owner};
use super::make_directories::make_directories;
use crate::rootfs::{ResolveError, RootFs, Time};

/// WORKDIR: makes the directory `path` and those above it that are missing, mode 0755, owned by `user` as
/// `--chown` would read it; `now` is their time (WORKDIR-3, WORKDIR-6). Links on the way are followed inside the root.
///
/// `destination_is_scratch`: the stage has no layer yet, so that a user name cannot be looked up (D-99).
pub fn workdir(
    root: &mut RootFs,
    path: &str,
    user: &str,
    destination_is_scratch: bool,
    now: Time,
) -> Result<(), CopyError> {
    let owner = owner(root, user, destination_is_scratch)?;
    // As `mkdir -p` does: what stands before a `..` is made as well.
    let mut prefix = String::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        prefix.push('/');
        prefix.push_str(part);
        if part != ".." {
            make(root, &prefix, owner, now)?;
        }
    }
    Ok(())
}

fn make(root: &mut RootFs, path: &str, owner: Option<Owner>, now: Time) -> Result<(), CopyError> {
    let resolved = root.resolve(path.as_bytes(), true).map_err(|error| match error {
        ResolveError::NotADirectory(path) => CopyError::WorkdirInTheWay(path),
        ResolveError::Loop(path) => CopyError::Loop(path),
    })?;
    match resolved.node {
        Some(node) if node.is_directory() => Ok(()),
        None if make_directories(root, &resolved.path, 0o755, owner, now) => Ok(()),
        _ => Err(CopyError::WorkdirInTheWay(resolved.path)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{directory, file, link, listing, tree};
    use super::*;
    use crate::rootfs::RootPath;

    const NOW: Time = Time { seconds: 7, nanos: 5 };

    #[test]
    fn workdir_3_missing_directories_are_made() {
        let root = tree([
            directory("ex", 0o700, 3, 4),
            directory("srv", 0o2775, 0, 33),
            directory("real", 0o755, 0, 0),
            link("link", "real"),
            link("abs", "/real/deep"),
            file("etc/passwd", "worker:x:1000:1001::/:\n"),
        ]);
        for (row, path, user, want) in [
            ("existing ones stay", "/ex", "9", &[][..]),
            ("parents belong to the user (M-15)", "/a/b", "worker", &["/a/ 0755 1000:1001", "/a/b/ 0755 1000:1001"]),
            ("a number without a group", "/ex/in", "12", &["/ex/in/ 0755 12:12"]),
            ("no user is root", "/n", "", &["/n/ 0755 0:0"]),
            ("M-6: set-group-id is inherited", "/srv/more", "root", &["/srv/more/ 2755 0:0"]),
            ("through a link", "/link/new", "", &["/real/new/ 0755 0:0"]),
            ("through a link to what is missing", "/abs/x", "", &["/real/deep/ 0755 0:0", "/real/deep/x/ 0755 0:0"]),
            ("cleaned", "/ex/../../up/", "", &["/up/ 0755 0:0"]),
            ("the root", "/", "", &[]),
        ] {
            let mut after = root.clone();
            workdir(&mut after, path, user, false, NOW).unwrap();
            let before = listing(&root);
            let new: Vec<String> = listing(&after).into_iter().filter(|line| !before.contains(line)).collect();
            assert_eq!(new, want, "{row}");
        }
    }

    #[test]
    fn workdir_6_the_new_directories_have_the_given_time() {
        let mut root = RootFs::empty();
        workdir(&mut root, "/a/b", "5:6", true, NOW).unwrap();
        for path in ["a", "a/b"] {
            assert_eq!(root.get(&RootPath::clamped(path.as_bytes())).unwrap().meta().mtime, NOW);
        }
    }

    #[test]
    fn d_92_a_file_in_the_way_and_d_99_a_name_in_scratch() {
        let mut root = tree([file("f", "x"), link("loop", "loop")]);
        for (path, user, scratch, code, message) in [
            ("/f", "", false, "D-92", "cannot make the working directory: /f: not a directory"),
            ("/f/x", "", false, "D-92", "cannot make the working directory: /f: not a directory"),
            ("/loop/x", "", false, "D-87", "too many levels of symbolic links in /loop"),
            ("/", "name", true, "D-99", "invalid user index: -1 (`name` cannot be looked up in an empty filesystem)"),
        ] {
            let error = workdir(&mut root, path, user, scratch, NOW).unwrap_err();
            assert_eq!((error.code(), error.to_string().as_str()), (code, message));
        }
    }
}
