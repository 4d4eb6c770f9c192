/// The name of a file whose URL ends without one (ADD-10).
const UNNAMED: &str = "__unnamed__";

/// The name that the file gets in a directory (ADD-10): the last part of the URL's path, `%` escapes decoded (M-29).
pub(super) fn file_name(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let last = path.split_once('/').map_or("", |(_, path)| path).rsplit('/').next().unwrap_or_default();
    let decoded = crate::remote::decoded(last);
    if decoded.is_empty() || decoded == "." || decoded == ".." || decoded.contains(['/', '\0']) {
        return UNNAMED.to_owned();
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn add_10_names() {
        for (url, want) in [
            ("http://h/a/b.txt?x=1#y", "b.txt"),
            ("http://h/odd%20name.txt", "odd name.txt"),
            ("http://h/", UNNAMED),
            ("http://h", UNNAMED),
            ("http://h/%2e%2e", UNNAMED),
            ("http://h/a%2fb", UNNAMED),
        ] {
            assert_eq!(file_name(url), want, "{url}");
        }
    }
}
