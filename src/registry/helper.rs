//! Programs that keep credentials: `docker-credential-NAME` (AUTH-4).

use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

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
    let answer = call(name, "get", server.as_bytes()).ok()?;
    let answer: Answer = serde_json::from_slice(&answer).ok()?;
    Some(match answer.username.as_str() {
        IDENTITY_TOKEN => Credential::IdentityToken(answer.secret),
        _ => Credential::Password(answer.username, answer.secret),
    })
}

/// Gives the helper a user's password to keep.
pub(super) fn keep(name: &str, server: &str, user: &str, password: &str) -> io::Result<()> {
    let told = json!({ "ServerURL": server, "Username": user, "Secret": password });
    call(name, "store", told.to_string().as_bytes()).map(drop)
}

/// Lets the helper forget what it keeps for `server`. One that knows nothing of it says so, and that is well.
pub(super) fn forget(name: &str, server: &str) -> io::Result<()> {
    match call(name, "erase", server.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::Other => Err(error),
        _ => Ok(()),
    }
}

/// What the helper writes when it is told to do something. One that says no is an error of kind `Other`.
fn call(name: &str, verb: &str, told: &[u8]) -> io::Result<Vec<u8>> {
    if name.contains('/') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the name of a helper has no slash"));
    }
    let mut child = Command::new(format!("docker-credential-{name}"))
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    let (sender, answers) = mpsc::channel();
    let told = told.to_owned();
    thread::spawn(move || {
        let mut answer = Vec::new();
        // A helper may answer without reading what it is told, and be gone before all is written: its status decides.
        let asked = match stdin.write_all(&told) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            asked => asked,
        };
        drop(stdin);
        let read = stdout.take(MAX_ANSWER).read_to_end(&mut answer);
        let _nobody_waits = sender.send(asked.and(read).map(|_| answer));
    });
    let answer = answers.recv_timeout(PATIENCE);
    if answer.is_err() {
        let _ended = child.kill();
    }
    let status = child.wait()?;
    let answer = answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    if status.success() {
        return Ok(answer);
    }
    // Helpers say on standard output what is wrong.
    let said = String::from_utf8_lossy(&answer).trim().to_owned();
    Err(io::Error::other(if said.is_empty() { status.to_string() } else { said }))
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
