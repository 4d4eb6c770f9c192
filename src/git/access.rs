use std::fmt;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::remote::GitReference;

use super::Error;

/// Secrets that give access, and what each holds (GIT-7).
const SECRETS: [(&str, Form); 2] = [("GIT_AUTH_HEADER", Form::Header), ("GIT_AUTH_TOKEN", Form::Token)];

/// The user that a token stands for.
const TOKEN_USER: &str = "x-access-token";

#[derive(Clone, Copy)]
enum Form {
    /// The whole value of the `Authorization` header.
    Header,
    /// A password.
    Token,
}

/// What opens a repository; never shown.
#[derive(Clone, Default)]
pub struct Access {
    /// The value of `Authorization`, and for which URLs it is.
    header: Option<(String, String)>,
    /// The socket of an ssh agent, in place of the environment's.
    agent: Option<std::path::PathBuf>,
}

impl Access {
    /// What the URL itself holds, else the secret of its host, `NAME.HOST`, else the secret for all (GIT-7). `secret`
    /// looks one up by its id.
    ///
    /// A secret for a host is sent to all of that host, submodules too; any other to the repository alone, as the
    /// reference builder does, but for one host where a token is good for all.
    pub fn new(reference: &GitReference, secret: &dyn Fn(&str) -> io::Result<Option<Vec<u8>>>) -> Result<Self, Error> {
        let Some(origin) = reference.origin() else { return Ok(Self::default()) };
        let whole = format!("{origin}/");
        let narrow = if origin == "https://github.com" { whole.clone() } else { reference.url.clone() };
        if let Some(own) = &reference.credentials {
            return Ok(Self::with(basic(&own.user, &own.password), narrow));
        }
        let host = reference.host();
        let candidates = SECRETS.map(|(name, form)| (format!("{name}.{host}"), form, &whole)).into_iter();
        for (name, form, scope) in candidates.chain(SECRETS.map(|(name, form)| (name.to_owned(), form, &narrow))) {
            let Some(bytes) = secret(&name)? else { continue };
            let text = String::from_utf8(bytes).unwrap_or_else(|_| "\n.".to_owned());
            let text = text.trim();
            if text.contains(char::is_control) || text == "." {
                return Err(Error::Secret { name });
            }
            let value = match form {
                Form::Header => text.to_owned(),
                Form::Token => basic(TOKEN_USER, text),
            };
            return Ok(Self::with(value, scope.clone()));
        }
        Ok(Self::default())
    }

    fn with(header: String, scope: String) -> Self {
        Self { header: Some((header, scope)), ..Self::default() }
    }

    /// With the socket of an ssh agent.
    #[must_use]
    pub fn through_agent(self, socket: Option<std::path::PathBuf>) -> Self {
        Self { agent: socket, ..self }
    }

    /// The agent to use in place of the environment's.
    pub(super) fn agent(&self) -> Option<&std::path::Path> {
        self.agent.as_deref()
    }

    /// Settings of git that make it send the header. It would send it along to wherever it is redirected, so then it
    /// must not follow.
    pub(super) fn settings(&self) -> Vec<(String, String)> {
        let Some((header, scope)) = &self.header else { return Vec::new() };
        vec![
            (format!("http.{scope}.extraHeader"), format!("Authorization: {header}")),
            ("http.followRedirects".to_owned(), "false".to_owned()),
        ]
    }

    /// What must not be in any message.
    pub(super) fn secret(&self) -> Option<&str> {
        self.header.as_ref().map(|(header, _)| header.rsplit(' ').next().unwrap_or(header))
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Access")
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(text: &str, secrets: &[(&str, &str)]) -> Vec<(String, String)> {
        let reference = GitReference::parse(text).unwrap().unwrap();
        let find = |name: &str| {
            let found = secrets.iter().find(|(known, _)| *known == name);
            Ok(found.map(|(_, value)| value.as_bytes().to_vec()))
        };
        Access::new(&reference, &find).unwrap().settings()
    }

    #[test]
    fn git_7_which_secret_goes_where() {
        let token = |token: &str| format!("Authorization: {}", basic(TOKEN_USER, token));
        let all = [("GIT_AUTH_TOKEN", "one\n"), ("GIT_AUTH_HEADER.h:8", "Bearer two"), ("GIT_AUTH_TOKEN.g", "three")];
        for (text, key, value) in [
            ("https://f/x.git#main", "http.https://f/x.git.extraHeader", token("one")),
            ("https://github.com/a/b.git", "http.https://github.com/.extraHeader", token("one")),
            ("https://h:8/x.git", "http.https://h:8/.extraHeader", "Authorization: Bearer two".to_owned()),
            ("https://g/x.git", "http.https://g/.extraHeader", token("three")),
            (
                "https://me:pw@g/x.git",
                "http.https://g/x.git.extraHeader",
                format!("Authorization: {}", basic("me", "pw")),
            ),
        ] {
            let settings = access(text, &all);
            assert_eq!((settings[0].0.as_str(), &settings[0].1), (key, &value), "{text}");
            assert_eq!(settings[1].1, "false");
        }
        for text in ["git://h:8/x", "ssh://g/x", "git@g:x"] {
            assert!(access(text, &all).is_empty(), "{text}");
        }
    }

    #[test]
    fn git_7_a_secret_of_several_lines_is_refused() {
        let reference = GitReference::parse("https://h/x.git").unwrap().unwrap();
        for bad in [&b"a\nHost: evil"[..], b"\xff"] {
            let error = Access::new(&reference, &|_| Ok(Some(bad.to_vec()))).unwrap_err();
            assert!(error.to_string().contains("GIT_AUTH_HEADER"), "{error}");
        }
    }
}
