use std::collections::BTreeMap;

/// What a registry asks for before it answers (AUTH-5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Challenge {
    /// User name and password with each request.
    Basic,
    /// A token of the server `realm`.
    Bearer { realm: String, service: Option<String> },
}

impl Challenge {
    /// Reads the values of `WWW-Authenticate` (RFC 9110, section 11.6.1). Of several challenges a token counts first.
    pub(super) fn parse<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut basic = None;
        for value in values {
            let (scheme, rest) = value.trim().split_once(char::is_whitespace).unwrap_or((value.trim(), ""));
            if scheme.eq_ignore_ascii_case("bearer") {
                let mut parameters = parameters(rest);
                if let Some(realm) = parameters.remove("realm") {
                    return Some(Self::Bearer { realm, service: parameters.remove("service") });
                }
            } else if scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Self::Basic);
            }
        }
        basic
    }
}

/// `name="value"` or `name=value`, separated by commas; commas in quotes separate nothing.
fn parameters(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches(|c: char| c == ',' || c.is_whitespace()).to_ascii_lowercase();
        let (value, after) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => quoted_string(quoted),
            None => {
                let (value, after) = after.split_once(',').unwrap_or((after, ""));
                (value.trim().to_owned(), after)
            }
        };
        found.insert(name, value);
        rest = after;
    }
    found
}

/// The text up to the closing quote, escapes resolved, and what comes after it.
fn quoted_string(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auth_5_challenges_as_registries_write_them() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) })
        };
        for (text, want) in [
            (
                r#"Bearer realm="https://a/t",service="s, x",scope="repository:a:pull""#,
                bearer("https://a/t", Some("s, x")),
            ),
            ("bearer Realm=https://a/t , service=s", bearer("https://a/t", Some("s"))),
            (r#"Bearer realm="a\"b""#, bearer("a\"b", None)),
            (r#"Bearer realm="cut"#, bearer("cut", None)),
            ("Bearer", None),
            (r#"Basic realm="x""#, Some(Challenge::Basic)),
            ("Negotiate", None),
            ("", None),
        ] {
            assert_eq!(Challenge::parse([text]), want, "{text}");
        }
        let both = Challenge::parse(["Basic realm=x", "Bearer realm=y"]);
        assert_eq!(both, bearer("y", None));
    }
}
