//! Programs that keep credentials: `docker-credential-NAME` (AUTH-4).

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use super::credentials::Credential;

/// A helper may ask the user to unlock something, but not for ever.
const PATIENCE: Duration = Duration::from_secs(30);
/// No answer is longer.
const MAX_ANSWER: u64 = 1 << 20;
/// The user name that says: the secret is a token to get tokens with.
const IDENTITY_TOKEN: &str = "<token>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// What the helper `name` keeps for `server`. A helper that is missing, fails or knows nothing gives none, as for `docker`:
/// most images are public.
pub(super) fn ask(name: &str, server: &str) -> Option<Credential> {
    let answer = call(name, server)?;
    let answer: Answer = serde_json::from_slice(&answer).ok()?;
    Some(match answer.username.as_str() {
        IDENTITY_TOKEN => Credential::IdentityToken(answer.secret),
        _ => Credential::Password(answer.username, answer.secret),
    })
}

/// What the helper writes.
fn call(name: &str, server: &str) -> Option<Vec<u8>> {
    if name.contains('/') {
        return None;
    }
    let mut child = Command::new(format!("docker-credential-{name}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let (stdin, stdout) = (child.stdin.take()?, child.stdout.take()?);
    let (sender, answers) = mpsc::channel();
    let server = server.to_owned();
    thread::spawn(move || {
        let mut stdin = stdin;
        let mut answer = Vec::new();
        let asked = stdin.write_all(server.as_bytes());
        drop(stdin);
        let read = stdout.take(MAX_ANSWER).read_to_end(&mut answer);
        let _nobody_waits = sender.send(asked.and(read).map(|_| answer));
    });
    let answer = answers.recv_timeout(PATIENCE);
    if answer.is_err() {
        let _ended = child.kill();
    }
    let success = child.wait().is_ok_and(|status| status.success());
    answer.ok()?.ok().filter(|_| success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auth_4_a_helper_that_is_missing_gives_nothing() {
        assert_eq!(ask("no-such-helper", "example.com"), None);
        assert_eq!(ask("../../bin/cat", "example.com"), None);
    }
}
