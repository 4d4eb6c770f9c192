//! Where a repository is, and what a ref may be called.

use super::query::decoded;
use super::{Credentials, GitReferenceError, redacted};

/// `user@host:path`, without a scheme.
pub(super) fn is_scp(text: &str) -> bool {
    let Some((user, rest)) = text.split_once('@') else { return false };
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    rest.split_once(':').is_some_and(|(host, path)| plain(user) && plain(host) && !path.is_empty())
}

/// The URL without what is secret in it. A name that a program could take for an option is refused.
pub(super) fn without_credentials(place: &str) -> Result<(String, Option<Credentials>), GitReferenceError> {
    let bad = || GitReferenceError::Url(redacted(place));
    if place.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(bad());
    }
    let Some((scheme, rest)) = place.split_once("://") else {
        let (user, rest) = place.split_once('@').ok_or_else(bad)?;
        return if user.starts_with('-') || rest.starts_with('-') { Err(bad()) } else { Ok((place.to_owned(), None)) };
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    if host.is_empty() || host.starts_with('-') || user.is_some_and(|user| user.starts_with('-')) {
        return Err(bad());
    }
    let Some((name, password)) = user.map(|user| user.split_once(':').unwrap_or((user, ""))) else {
        return Ok((place.to_owned(), None));
    };
    Ok(match scheme {
        // With ssh the user is a part of the address, and a password is of no use.
        "ssh" => (format!("ssh://{name}@{host}{path}"), None),
        "http" | "https" => {
            let credentials = Credentials { user: decoded(name), password: decoded(password) };
            (format!("{scheme}://{host}{path}"), Some(credentials))
        }
        _ => (format!("{scheme}://{host}{path}"), None),
    })
}

/// git-check-ref-format(1), for a ref with or without `refs/…` in front.
pub(super) fn is_ref(name: &str) -> bool {
    let bad_byte = |byte: u8| byte <= b' ' || byte == 0x7f || b"~^:?*[\\".contains(&byte);
    let bad_part = |part: &str| {
        let is_lock = part.strip_suffix(".lock").is_some();
        part.is_empty() || part.starts_with('.') || is_lock
    };
    !name.starts_with('-')
        && !name.ends_with('.')
        && !name.contains("..")
        && !name.contains("@{")
        && !name.bytes().any(bad_byte)
        && !name.split('/').any(bad_part)
}
