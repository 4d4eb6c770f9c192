//! URLs as they may be shown and kept.

/// `text` with `xxxxx` for the credentials of every URL in it: for messages, history and records.
///
/// Of `http` and `https` all before the `@` counts, since a token may stand there alone; of others only a password.
pub fn redacted(text: &str) -> String {
    replaced(text, |_| "xxxxx".to_owned())
}

/// The same for a text that somebody wrote: as many bytes as before, so that what stands behind keeps its place;
/// variables stay, since their names tell nothing.
pub fn in_source(text: &str) -> String {
    replaced(text, |user| if user.contains('$') { user.to_owned() } else { "x".repeat(user.len()) })
}

fn replaced(text: &str, replacement: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | ',' | ']');
        let authority = &after[..after.find(ends).unwrap_or(after.len())];
        rest = after;
        let Some((user, _)) = authority.rsplit_once('@') else { continue };
        let is_web = before.ends_with("http://") || before.ends_with("https://");
        if is_web || user.contains(':') {
            out.push_str(&replacement(user));
            rest = &after[user.len()..];
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_urls_are_not_shown() {
        for (text, want) in [
            ("https://me:secret@h/x", "https://xxxxx@h/x"),
            ("https://token@h:8/x@y", "https://xxxxx@h:8/x@y"),
            ("ADD http://a:b@h http://c@h?x=1 /", "ADD http://xxxxx@h http://xxxxx@h?x=1 /"),
            ("ssh://git@h/x", "ssh://git@h/x"),
            ("ssh://git:pw@h/x", "ssh://xxxxx@h/x"),
            ("git@h:x", "git@h:x"),
            ("https://h/x", "https://h/x"),
            ("https://", "https://"),
        ] {
            assert_eq!(redacted(text), want);
        }
        assert_eq!(in_source("ADD https://me:pw@h /x"), "ADD https://xxxxx@h /x");
        assert_eq!(in_source("ADD https://$USER:$PW@h /x"), "ADD https://$USER:$PW@h /x");
    }
}
