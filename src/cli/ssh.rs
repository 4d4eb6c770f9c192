//! The value of `--ssh`.

use std::path::PathBuf;

use crate::build::SshAgent;

use super::failure::Failure;
use super::options::Checked;
use super::surroundings::Surroundings;

/// `--ssh` (SSH-1): `ID[=PATH[,PATH…]]`. What the paths are is looked at when the build begins.
pub(super) fn parse(text: &str, around: Surroundings<'_>) -> Checked<SshAgent> {
    let (id, paths) = text.split_once('=').unwrap_or((text, ""));
    if id.is_empty() {
        let hint = "write `--ssh default`, `--ssh ID=SOCKET` or `--ssh ID=KEY`";
        return Err(Failure::usage(format!("--ssh `{text}` has no id"), Some(hint)));
    }
    let mut paths: Vec<PathBuf> = paths.split(',').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
    if paths.is_empty() {
        let socket = around.path("SSH_AUTH_SOCK").ok_or_else(|| {
            let hint = format!("start one with `eval $(ssh-agent)`, or pass `--ssh {id}=KEY`");
            Failure::usage(format!("--ssh {id}: there is no agent, SSH_AUTH_SOCK is not set"), Some(&hint))
        })?;
        paths.push(socket);
    }
    Ok(SshAgent { id: id.to_owned(), paths })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_1_forms() {
        let around = |agent: bool| {
            let variable: &'static dyn Fn(&str) -> Option<std::ffi::OsString> =
                if agent { &|name| (name == "SSH_AUTH_SOCK").then(|| "/s".into()) } else { &|_| None };
            Surroundings { variable, stdout_is_terminal: false }
        };
        for (text, agent, want) in [
            ("default", true, Ok("default /s")),
            ("a=", true, Ok("a /s")),
            ("a=/k,/l", true, Ok("a /k /l")),
            ("a=/x=y", false, Ok("a /x=y")),
            ("default", false, Err("SSH_AUTH_SOCK is not set")),
            ("=x", true, Err("has no id")),
            ("", true, Err("has no id")),
        ] {
            let got = parse(text, around(agent)).map_err(|failure| failure.to_string()).map(|agent| {
                let paths = agent.paths.iter().map(|path| path.display().to_string());
                [agent.id.clone()].into_iter().chain(paths).collect::<Vec<_>>().join(" ")
            });
            match (got, want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want, "{text}"),
                (Err(got), Err(want)) => assert!(got.contains(want), "{text}: {got}"),
                (got, want) => panic!("{text}: {got:?}, not {want:?}"),
            }
        }
    }
}
