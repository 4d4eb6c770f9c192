//! Paths of the image as text: joined and cleaned lexically, links unseen.

/// `path` made absolute from `cwd`, without `.`, `..` and doubled slashes.
pub(super) fn absolute(cwd: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{cwd}/{path}") };
    let mut kept: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            part => kept.push(part),
        }
    }
    format!("/{}", kept.join("/"))
}

/// A destination of COPY: absolute, and still ending in `/` or `/.` where it did (COPY-20).
pub(super) fn destination(cwd: &str, path: &str) -> String {
    let clean = absolute(cwd, path);
    let is_directory = path.ends_with('/') || path.ends_with("/.") || path == "." || path.is_empty();
    if is_directory && clean != "/" { format!("{clean}/") } else { clean }
}

/// The last component; `/` for the root.
pub(super) fn base_name(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit('/').next() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => "/".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_20_destinations() {
        for (cwd, path, want) in [
            ("/w", "a", "/w/a"),
            ("/w", "a/", "/w/a/"),
            ("/w", "./", "/w/"),
            ("/w", ".", "/w/"),
            ("/", ".", "/"),
            ("/w", "/a/../b/.", "/b/"),
            ("/w", "../..", "/"),
        ] {
            assert_eq!(destination(cwd, path), want, "{path}");
        }
    }
}
