//! Sources elsewhere, as text: git references and URLs, read without a network, and shown without credentials.

mod address;
mod error;
mod git_reference;
mod query;
mod shown;

pub use error::GitReferenceError;
pub use git_reference::{Credentials, GitReference, Mtime};
pub use query::{decoded, decoded_bytes};
pub use shown::{in_source, redacted};

/// A build context that lies elsewhere (CTX-1, NCTX-3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// A git repository.
    Git(Box<GitReference>),
    /// A file by `http://` or `https://`.
    Url(String),
}

/// What a value that may name a context elsewhere names; `None` for anything else, such as a path.
pub fn context(text: &str) -> Result<Option<Source>, GitReferenceError> {
    // A bare name of a well-known host is a repository there (GIT-1).
    let whole = if text.starts_with("github.com/") { format!("https://{text}") } else { text.to_owned() };
    let found = if whole == text { GitReference::parse(text)? } else { Some(GitReference::of_url(&whole)?) };
    Ok(match found {
        Some(reference) => Some(Source::Git(Box::new(reference))),
        None if is_url(text) => Some(Source::Url(text.to_owned())),
        None => None,
    })
}

/// Whether a text is a URL that can be downloaded (ADD-2, once it is no git reference).
pub fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_1_and_http_1_contexts_elsewhere() {
        for (text, want) in [
            ("github.com/owner/repo#v1:sub", "git https://github.com/owner/repo"),
            ("https://example.com/x.git", "git https://example.com/x.git"),
            ("git@example.com:a/b", "git git@example.com:a/b"),
            ("https://example.com/x.tar.gz", "url https://example.com/x.tar.gz"),
            ("./x.git", "none"),
            ("dir", "none"),
            ("file:///x.git", "none"),
        ] {
            let got = match context(text).unwrap() {
                Some(Source::Git(reference)) => format!("git {}", reference.url),
                Some(Source::Url(url)) => format!("url {url}"),
                None => "none".to_owned(),
            };
            assert_eq!(got, want, "{text}");
        }
        assert!(context("https://example.com/x.git?depth=1").is_err());
    }
}
