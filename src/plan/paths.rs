//! Paths as text, in the manner of the reference: lexical, `/` only.

/// The shortest equal path: no `.`, no `..` where it can be resolved, no double or final slash; `.` when nothing is left.
pub(super) fn clean(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if absolute => {}
                _ => parts.push(part),
            },
            part => parts.push(part),
        }
    }
    match (absolute, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// `path` seen from the absolute `directory`; clean and absolute.
pub(super) fn join(directory: &str, path: &str) -> String {
    if path.starts_with('/') { clean(path) } else { clean(&format!("/{directory}/{path}")) }
}

/// The last component of a path; empty for the root.
pub(super) fn base(path: &str) -> String {
    clean(&format!("/{path}")).rsplit('/').next().unwrap_or_default().to_owned()
}

/// A destination of COPY seen from `directory`: absolute, a final `/` or `/.` kept (COPY-20).
pub(super) fn destination(directory: &str, path: &str) -> String {
    let path = if path.is_empty() || path == "." { "./" } else { path };
    let mut whole = join(directory, path);
    if path.ends_with('/') && !whole.ends_with('/') {
        whole.push('/');
    } else if path.ends_with("/.") {
        whole.push_str(if whole.ends_with('/') { "." } else { "/." });
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned() {
        for (path, want) in [
            ("/a/../b/", "/b"),
            ("//", "/"),
            ("/../..", "/"),
            ("a/./b", "a/b"),
            ("", "."),
            ("../x", "../x"),
            ("a/..", "."),
        ] {
            assert_eq!(clean(path), want, "{path}");
        }
        assert_eq!(base("/a/b/"), "b");
        assert_eq!(base("/"), "");
    }

    #[test]
    fn copy_20_destinations_keep_their_ending() {
        for (path, want) in [
            ("x", "/w/x"),
            ("x/", "/w/x/"),
            (".", "/w/"),
            ("./", "/w/"),
            ("x/.", "/w/x/."),
            ("/", "/"),
            ("/d//e/", "/d/e/"),
            ("..", "/"),
        ] {
            assert_eq!(destination("/w", path), want, "{path}");
        }
    }
}
