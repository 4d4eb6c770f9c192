use std::fmt;

use super::address::{is_ref, is_scp, without_credentials};
use super::query::{boolean, pairs};
use super::{GitReferenceError, is_url, redacted};

/// Fewest digits of an abbreviated commit hash (GIT-5).
pub(super) const MIN_HASH: usize = 7;

/// A git repository and what is wanted of it (context.md, GIT; dockerfile.md, ADD-20).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GitReference {
    /// As it was written, without credentials.
    pub shown: String,
    /// What the `git` program is given: no query, no fragment, no credentials.
    pub url: String,
    /// User and password that the URL had.
    pub credentials: Option<Credentials>,
    /// Branch, tag, full ref or commit; `None` is the default branch.
    pub wanted: Option<String>,
    /// Which directory of the repository, relative and clean; empty is all of it.
    pub subdirectory: String,
    /// The commit that it must be, in lower case, perhaps abbreviated.
    pub checksum: Option<String>,
    /// Fetch the commit of `checksum`, whatever the ref says.
    pub fetch_by_commit: bool,
    /// Whether `.git` stays, where that is said.
    pub keep_git_dir: Option<bool>,
    /// Whether submodules are fetched too.
    pub submodules: bool,
    /// Which time files get.
    pub mtime: Mtime,
}

/// User and password of a URL, decoded. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user; may be a token.
    pub user: String,
    /// The password; may be empty.
    pub password: String,
}

/// Which time the files of a checkout get (GIT-8).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mtime {
    /// That of the checkout.
    #[default]
    Checkout,
    /// That of the commit.
    Commit,
}

impl GitReference {
    /// Reads a reference as ADD takes it; `None` where it is none (GIT-1, GIT-2).
    pub fn parse(text: &str) -> Result<Option<Self>, GitReferenceError> {
        let path = text.split(['#', '?']).next().unwrap_or_default();
        let has_suffix = std::path::Path::new(path).extension().is_some_and(|extension| extension == "git");
        let is_git = text.starts_with("git://") || text.starts_with("ssh://") || (is_url(text) && has_suffix);
        if is_git || is_scp(path) { Self::of_url(text).map(Some) } else { Ok(None) }
    }

    /// Reads a text that is a git reference for certain.
    pub(super) fn of_url(text: &str) -> Result<Self, GitReferenceError> {
        let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (url, credentials) = without_credentials(place)?;
        let (wanted, subdirectory) = fragment.split_once(':').unwrap_or((fragment, ""));
        let mut reference = Self {
            shown: redacted(text),
            url,
            credentials,
            wanted: filled(wanted),
            subdirectory: subdirectory.to_owned(),
            checksum: None,
            fetch_by_commit: false,
            keep_git_dir: None,
            submodules: true,
            mtime: Mtime::default(),
        };
        reference.query(query)?;
        if let Some(wanted) = reference.wanted.as_ref().filter(|wanted| !is_ref(wanted)) {
            return Err(GitReferenceError::Ref(wanted.clone()));
        }
        // GIT-3
        let path = crate::rootfs::RootPath::clamped(reference.subdirectory.as_bytes());
        reference.subdirectory = if path.is_root() { String::new() } else { path.to_string().split_off(1) };
        Ok(reference)
    }

    /// GIT-4.
    fn query(&mut self, query: &str) -> Result<(), GitReferenceError> {
        let mut seen: Vec<String> = Vec::new();
        let (mut branch, mut tag) = (None, None);
        for (key, value) in pairs(query) {
            if seen.contains(&key) {
                return Err(GitReferenceError::Repeated(key));
            }
            let text = || value.clone().and_then(|value| filled(&value)).ok_or(GitReferenceError::NoValue(key.clone()));
            let wrong = || GitReferenceError::Value { key: key.clone(), value: value.clone().unwrap_or_default() };
            let switch = || boolean(value.as_deref()).ok_or_else(wrong);
            match key.as_str() {
                "ref" => self.want(text()?)?,
                "branch" => branch = Some(qualified("refs/heads/", &text()?)),
                "tag" => tag = Some(qualified("refs/tags/", &text()?)),
                "subdir" => {
                    let subdir = text()?;
                    if !self.subdirectory.is_empty() && self.subdirectory != subdir {
                        let first = self.subdirectory.clone();
                        return Err(GitReferenceError::Conflict { what: "subdir", first, second: subdir });
                    }
                    self.subdirectory = subdir;
                }
                "checksum" | "commit" => self.set_checksum(&text()?)?,
                "keep-git-dir" => self.keep_git_dir = Some(switch()?),
                "submodules" => self.submodules = switch()?,
                "fetch-by-commit" => self.fetch_by_commit = switch()?,
                "mtime" => {
                    self.mtime = match value.as_deref() {
                        Some("checkout") => Mtime::Checkout,
                        Some("commit") => Mtime::Commit,
                        None | Some("") => return Err(GitReferenceError::NoValue(key)),
                        Some(_) => return Err(wrong()),
                    }
                }
                _ => return Err(GitReferenceError::Unexpected(key)),
            }
            seen.push(key);
        }
        if branch.is_some() && tag.is_some() {
            return Err(GitReferenceError::BranchAndTag);
        }
        branch.or(tag).map_or(Ok(()), |wanted| self.want(wanted))
    }

    fn want(&mut self, wanted: String) -> Result<(), GitReferenceError> {
        match self.wanted.replace(wanted.clone()) {
            Some(first) if first != wanted => Err(GitReferenceError::Conflict { what: "ref", first, second: wanted }),
            _ => Ok(()),
        }
    }

    /// Says which commit it must be (GIT-5).
    pub fn set_checksum(&mut self, text: &str) -> Result<(), GitReferenceError> {
        let is_hash = (MIN_HASH..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hash {
            return Err(GitReferenceError::Checksum(text.to_owned()));
        }
        self.checksum = Some(text.to_ascii_lowercase());
        Ok(())
    }

    /// Whether the repository is reached by ssh.
    pub fn is_ssh(&self) -> bool {
        self.url.starts_with("ssh://") || !self.url.contains("://")
    }

    /// `scheme://host[:port]` of the URL; `None` where it is reached in another way than by HTTP.
    pub fn origin(&self) -> Option<&str> {
        let authority = is_url(&self.url).then(|| self.url.find("://"))?? + 3;
        let end = self.url[authority..].find('/').map_or(self.url.len(), |at| authority + at);
        Some(&self.url[..end])
    }

    /// `host[:port]` of the URL.
    pub fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        let authority = if self.url.contains("://") { rest.split('/').next() } else { rest.split(':').next() };
        authority.unwrap_or_default().rsplit('@').next().unwrap_or_default()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

fn filled(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn qualified(prefix: &str, name: &str) -> String {
    if name.starts_with(prefix) { name.to_owned() } else { format!("{prefix}{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> GitReference {
        GitReference::parse(text).unwrap().expect(text)
    }

    #[test]
    fn git_1_and_2_what_is_recognised() {
        for (text, want) in [
            ("git://h/x", true),
            ("ssh://git@h:22/x", true),
            ("git@h:x/y", true),
            ("https://h/x.git#v1", true),
            ("http://h/x.git?ref=a", true),
            ("https://h/x", false),
            ("https://h/x?y=.git", false),
            ("file:///x.git", false),
            ("ext::sh -c x", false),
            ("./x.git", false),
            ("../a@b:c", false),
            ("a@b", false),
            ("github.com/a/b", false),
        ] {
            assert_eq!(GitReference::parse(text).unwrap().is_some(), want, "{text}");
        }
    }

    #[test]
    fn git_3_and_4_fragments_and_queries() {
        for (text, wanted, subdirectory) in [
            ("https://h/x.git", None, ""),
            ("https://h/x.git#", None, ""),
            ("https://h/x.git#main", Some("main"), ""),
            ("https://h/x.git#main:a/../b//c/", Some("main"), "b/c"),
            ("https://h/x.git#:../../etc", None, "etc"),
            ("https://h/x.git?ref=main&subdir=/a", Some("main"), "a"),
            ("https://h/x.git?tag=v1", Some("refs/tags/v1"), ""),
            ("https://h/x.git?tag=refs/tags/v1", Some("refs/tags/v1"), ""),
            ("git@h:x?branch=a%2Fb#refs/heads/a/b", Some("refs/heads/a/b"), ""),
        ] {
            let reference = parse(text);
            assert_eq!(
                (reference.wanted.as_deref(), reference.subdirectory.as_str()),
                (wanted, subdirectory),
                "{text}"
            );
        }
        let all = parse("https://h/x.git?commit=ABCDEF1&keep-git-dir&submodules=0&fetch-by-commit=1&mtime=commit");
        assert_eq!((all.checksum.as_deref(), all.keep_git_dir, all.submodules), (Some("abcdef1"), Some(true), false));
        assert_eq!((all.fetch_by_commit, all.mtime), (true, Mtime::Commit));
    }

    #[test]
    fn git_4_queries_that_are_wrong() {
        for (text, want) in [
            ("https://h/x.git?depth=1", "unexpected query \"depth\""),
            ("https://h/x.git?ref=a&ref=b", "query \"ref\" has multiple values"),
            ("https://h/x.git?ref", "query \"ref\" has no value"),
            ("https://h/x.git?mtime=", "query \"mtime\" has no value"),
            ("https://h/x.git?ref=a#b", "ref conflicts: \"b\" vs \"a\""),
            ("https://h/x.git?ref=a&tag=b", "ref conflicts: \"a\" vs \"refs/tags/b\""),
            ("https://h/x.git?subdir=a#:b", "subdir conflicts: \"b\" vs \"a\""),
            ("https://h/x.git?tag=a&branch=b", "branch conflicts with tag"),
            ("https://h/x.git?keep-git-dir=perhaps", "invalid keep-git-dir value: \"perhaps\""),
            ("https://h/x.git?mtime=now", "invalid mtime value: \"now\""),
            ("https://h/x.git?checksum=xyz", "invalid checksum \"xyz\""),
            ("https://h/x.git#--upload-pack=x", "invalid git ref"),
            ("https://h/x.git#a b", "invalid git ref"),
            ("https://h/x.git#a..b", "invalid git ref"),
            ("ssh://-oProxyCommand=x/y", "invalid git URL"),
            ("git@-h:x", "invalid git URL"),
            ("https:///x.git", "invalid git URL"),
        ] {
            let error = GitReference::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(want), "{text}: {error}");
        }
    }

    #[test]
    fn git_7_credentials_leave_the_url() {
        let reference = parse("https://me%40x:s%3Ac@h:8443/x.git#main");
        let credentials = reference.credentials.clone().unwrap();
        assert_eq!((credentials.user.as_str(), credentials.password.as_str()), ("me@x", "s:c"));
        assert_eq!((reference.url.as_str(), reference.origin()), ("https://h:8443/x.git", Some("https://h:8443")));
        assert_eq!((reference.host(), parse("git@h.x:a/b").host()), ("h:8443", "h.x"));
        assert!(!format!("{reference:?}").contains("s:c"), "{reference:?}");
        assert_eq!(parse("ssh://git:pw@h/x").url, "ssh://git@h/x");
    }
}
