use crate::dockerfile::{CommandLine, Diagnostic, Heredoc, Word};

use super::history;
use super::mounts;
use super::paths;
use super::place::Problem;
use super::state::{Site, State};
use super::{Network, Op, RunOp, RunScript, Security};

/// The parts of a RUN.
pub(super) struct Run<'a> {
    pub(super) command: &'a CommandLine,
    pub(super) heredocs: &'a [Heredoc],
    pub(super) mounts: &'a [Word],
    pub(super) network: Option<&'a str>,
    pub(super) security: Option<&'a str>,
    pub(super) devices: &'a [Word],
}

/// RUN: the operation and its history text.
pub(super) fn run(site: &mut Site<'_>, state: &State, run: &Run<'_>) -> Result<(Op, String), Diagnostic> {
    if let Some(device) = run.devices.first() {
        let problem = Problem::new("D-48", format!("--device is not supported by kiln: {}", device.text));
        return Err(site.error_at(site.place.of_word(device), problem));
    }
    let mut script = None;
    let argv = match run.command {
        CommandLine::Exec(words) => words.clone(),
        CommandLine::Shell(word) => {
            if word.text.trim().is_empty() {
                site.warn("RUN-3", "RUN without a command does nothing");
            }
            let (command, file) = shell_command(&word.text, run.heredocs);
            script = file;
            let mut argv = state.shell();
            argv.push(command);
            argv
        }
    };
    let created_by = history::run(&argv, &state.args, &state.env);
    let op = RunOp {
        argv,
        env: state.env.list(),
        proxy_env: site.shared.proxy_env.clone(),
        cwd: state.directory(),
        user: state.config.user.clone(),
        network: match run.network {
            Some("none") => Network::None,
            Some("host") => Network::Host,
            _ => site.shared.options.network,
        },
        security: if run.security == Some("insecure") { Security::Insecure } else { Security::Sandbox },
        mounts: mounts::mounts(site, state, run.mounts)?,
        script,
    };
    Ok((Op::Run(Box::new(op)), created_by))
}

/// What the shell gets, and the file that it then needs (RUN-4 to RUN-6).
fn shell_command(line: &str, heredocs: &[Heredoc]) -> (String, Option<RunScript>) {
    if let [heredoc] = heredocs
        && is_heredoc_alone(line)
    {
        let body = body(heredoc);
        if !body.starts_with("#!") {
            return (body, None);
        }
        let path = format!("/dev/pipes{}", paths::join("/", &heredoc.name));
        return (path.clone(), Some(RunScript { path, content: body.into_bytes() }));
    }
    let mut command = line.to_owned();
    for heredoc in heredocs {
        command.push('\n');
        command.push_str(&heredoc.body);
        command.push_str(&heredoc.name);
    }
    (command, None)
}

/// Whether the line is one heredoc word and nothing else.
fn is_heredoc_alone(line: &str) -> bool {
    let rest = line.trim().trim_start_matches(|char: char| char.is_ascii_digit());
    let Some(rest) = rest.strip_prefix("<<") else { return false };
    let word = rest.strip_prefix('-').unwrap_or(rest).trim_start();
    let mut quote = None;
    let mut chars = word.chars();
    while let Some(char) = chars.next() {
        match (quote, char) {
            (None, '\'' | '"') => quote = Some(char),
            (Some(open), _) if open == char => quote = None,
            (None | Some('"'), '\\') => {
                chars.next();
            }
            (None, _) if char.is_whitespace() => return false,
            _ => {}
        }
    }
    !word.is_empty()
}

/// The body as it is used: `<<-` takes leading tabs from every line (LEX-57).
pub(super) fn body(heredoc: &Heredoc) -> String {
    if !heredoc.strip_tabs {
        return heredoc.body.clone();
    }
    heredoc.body.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heredoc(name: &str, body: &str, strip_tabs: bool) -> Heredoc {
        Heredoc { name: name.to_owned(), body: body.to_owned(), expand: true, strip_tabs, fd: None }
    }

    #[test]
    fn run_4_a_heredoc_alone_is_the_command() {
        let body = heredoc("EOF", "a\n\tb\n", true);
        for line in ["<<-EOF", "3<<-'EOF'", "<<- EOF ", "<<-\"E O F\""] {
            assert_eq!(shell_command(line, std::slice::from_ref(&body)), ("a\nb\n".to_owned(), None), "{line}");
        }
    }

    #[test]
    fn run_5_a_script_becomes_a_file() {
        let (command, script) = shell_command("<<EOF", &[heredoc("EOF", "#!/bin/x\ny\n", false)]);
        assert_eq!(command, "/dev/pipes/EOF");
        let script = script.unwrap();
        assert_eq!((script.path.as_str(), script.content.as_slice()), ("/dev/pipes/EOF", b"#!/bin/x\ny\n".as_slice()));
        let (command, _) = shell_command("<<../../etc", &[heredoc("../../etc", "#!", false)]);
        assert_eq!(command, "/dev/pipes/etc");
    }

    #[test]
    fn run_6_other_uses_are_left_to_the_shell() {
        let (command, script) =
            shell_command("cat <<A <<-B >x", &[heredoc("A", "1\n", false), heredoc("B", "\t2\n", true)]);
        assert_eq!(command, "cat <<A <<-B >x\n1\nA\n\t2\nB");
        assert_eq!(script, None);
        let (command, _) = shell_command("<<EOF python3", &[heredoc("EOF", "#!x\n", false)]);
        assert_eq!(command, "<<EOF python3\n#!x\nEOF");
    }
}
