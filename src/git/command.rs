use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use super::{Error, Git};

/// A server that says nothing for so long will say nothing any more.
const STALL: Duration = Duration::from_secs(180);
/// Most bytes of its answer that are taken: refs of a large repository.
const MAX_ANSWER: usize = 64 << 20;
/// The last bytes of what it says on standard error.
const MAX_TOLD: usize = 16 << 10;

/// What git may see of the environment: how programs are found, and servers reached.
const ENVIRONMENT: [&str; 17] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "LD_LIBRARY_PATH",
];

/// git-config(1): no program but git itself and its transports, nothing in the background, and an end to a connection
/// that has gone silent.
const SETTINGS: [(&str, &str); 10] = [
    ("core.hooksPath", "/dev/null"),
    ("core.attributesFile", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("credential.helper", ""),
    ("advice.detachedHead", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("submodule.recurse", "false"),
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "60"),
];

/// No questions; a host that was never seen is taken for what it says it is, one that has changed is not.
const SSH: &str = "ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o ConnectTimeout=20";

/// Whether a command speaks to a server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Local,
    Remote,
}

impl Git<'_> {
    /// Runs git with `arguments` in `dir`, and gives what it writes on standard output.
    pub(super) fn run<S: AsRef<OsStr>>(&self, work: Work, dir: &Path, arguments: &[S]) -> Result<Vec<u8>, Error> {
        let shown = || self.reference.shown.clone();
        let mut child = self.command(dir).args(arguments).spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::Missing { shown: shown() },
            _ => Error::Io(error),
        })?;
        let mut told = Vec::new();
        let mut answer = Vec::new();
        let heard = self.listen(work, &mut child, &mut answer, &mut told);
        if heard.is_err()
            && let Some(group) = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default())
        {
            // Its transports are programs of their own.
            let _gone = kill_process_group(group, Signal::KILL);
        }
        let status = child.wait()?;
        heard?;
        if status.success() {
            return Ok(answer);
        }
        Err(Error::Failed { shown: shown(), told: self.summary(&told) })
    }

    /// The program, isolated: see the head of the room.
    fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new("git");
        command.env_clear();
        for name in ENVIRONMENT {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        if let Some(socket) = self.access.agent() {
            command.env("SSH_AUTH_SOCK", socket);
        }
        let settings = SETTINGS.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let settings: Vec<_> = settings.into_iter().chain(self.access.settings()).collect();
        command.env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (number, (key, value)) in settings.into_iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{number}"), key).env(format!("GIT_CONFIG_VALUE_{number}"), value);
        }
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ALLOW_PROTOCOL", "git:http:https:ssh")
            .env("GIT_SSH_COMMAND", SSH)
            .env("LC_ALL", "C")
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        command
    }

    /// Reads both outputs to their ends, unless the build is stopped or the server goes silent.
    fn listen(&self, work: Work, child: &mut Child, answer: &mut Vec<u8>, told: &mut Vec<u8>) -> Result<(), Error> {
        let mut stdout = child.stdout.take();
        let mut stderr = child.stderr.take();
        let patience = match work {
            Work::Remote => Some(Timespec::try_from(STALL).map_err(io::Error::other)?),
            Work::Local => None,
        };
        let mut buffer = vec![0; 64 << 10];
        while stdout.is_some() || stderr.is_some() {
            let mut waiting = vec![PollFd::from_borrowed_fd(self.cancel.fd(), PollFlags::IN)];
            waiting.extend(stdout.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
            waiting.extend(stderr.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
            match poll(&mut waiting, patience.as_ref()) {
                Ok(0) => {
                    return Err(Error::Stalled { shown: self.reference.shown.clone(), seconds: STALL.as_secs() });
                }
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(Error::Io(error.into())),
            }
            if self.cancel.is_set() {
                return Err(Error::Cancelled);
            }
            let mut ready = waiting.iter().skip(1).map(|pipe| !pipe.revents().is_empty());
            let answers = stdout.is_some() && ready.next().unwrap_or_default();
            let tells = stderr.is_some() && ready.next().unwrap_or_default();
            if answers {
                take(&mut stdout, &mut buffer, answer)?;
                if answer.len() > MAX_ANSWER {
                    let told = "its answer is too long".to_owned();
                    return Err(Error::Failed { shown: self.reference.shown.clone(), told });
                }
            }
            if tells {
                take(&mut stderr, &mut buffer, told)?;
                let surplus = told.len().saturating_sub(MAX_TOLD);
                told.drain(..surplus);
            }
        }
        Ok(())
    }

    /// What it said of its failure, on one line: progress left out, and whatever it might know of a secret.
    fn summary(&self, told: &[u8]) -> String {
        let text = crate::remote::redacted(&String::from_utf8_lossy(told));
        let lines: Vec<&str> = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect();
        let failures = ["fatal: ", "error: ", "remote: ", "ssh: "];
        let mut kept: Vec<&str> = Vec::new();
        for line in &lines {
            let is_progress = line.contains("% (") || line.contains("done.");
            let telling = failures.iter().any(|start| line.starts_with(start))
                || line.contains("Permission denied")
                || line.contains("Host key verification failed");
            let line = line.strip_prefix("fatal: ").unwrap_or(line);
            if telling && !is_progress && !kept.contains(&line) {
                kept.push(line);
            }
        }
        let said =
            if kept.is_empty() { lines.last().copied().unwrap_or("git failed").to_owned() } else { kept.join("; ") };
        match self.access.secret() {
            Some(secret) if !secret.is_empty() => said.replace(secret, "xxxxx"),
            _ => said,
        }
    }
}

/// Reads what is there; at the end the pipe is closed.
fn take<R: Read + AsFd>(pipe: &mut Option<R>, buffer: &mut [u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let Some(reader) = pipe else { return Ok(()) };
    match reader.read(buffer) {
        Ok(0) => *pipe = None,
        Ok(count) => out.extend_from_slice(&buffer[..count]),
        Err(error) if error.kind() == ErrorKind::Interrupted => {}
        Err(error) => return Err(Error::Io(error)),
    }
    Ok(())
}
