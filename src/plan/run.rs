//! RUN: the process to run, its environment and mounts (RUN-1 to RUN-6, RUN-10, RUN-51).

use crate::dockerfile::{CommandLine, Diagnostic, Heredoc, Word, attach_heredocs, opens_alone};

use super::evaluate::{Evaluated, Evaluator, Source};
use super::expand::{Unset, expand_noting};
use super::mounts::{self, Unlinked};
use super::scope::HIDDEN;
use super::{Mount, MountFrom, MountKind, Network, Op, RunOp, RunScript, Security};

impl Evaluator<'_> {
    pub(super) fn run(
        &mut self,
        source: &Source<'_>,
        (command, heredocs): (&CommandLine, &[Heredoc]),
        mounts: &[Word],
        (network, security): (Option<&str>, Option<&str>),
    ) -> Evaluated<(Op, Option<String>)> {
        self.ssh_mounts = 0;
        self.charge(source, source.at.span, self.scope.variables.size())?;
        let (argv, script) = self.process(command, heredocs);
        let mut linked = Vec::new();
        for mount in mounts {
            linked.push(self.mount(source, mount)?);
        }
        let mut env = self.scope.variables.list();
        env.retain(|entry| !HIDDEN.iter().any(|name| entry.split('=').next() == Some(name)));
        let history = format!("RUN {}{} # buildkit", self.declared_args(), argv.join(" "));
        let op = RunOp {
            argv,
            env,
            proxy_env: self.planner.proxies.clone(),
            cwd: super::path::absolute("/", self.scope.cwd()),
            user: self.scope.config.user.clone(),
            network: match network {
                Some("none") => Network::None,
                Some("host") => Network::Host,
                _ => self.planner.options.network,
            },
            security: if security == Some("insecure") { Security::Insecure } else { Security::Sandbox },
            mounts: linked,
            script,
        };
        Ok((Op::Run(Box::new(op)), Some(history)))
    }

    /// The words to execute, and the file of a heredoc with an interpreter line (RUN-4 to RUN-6).
    fn process(&self, command: &CommandLine, heredocs: &[Heredoc]) -> (Vec<String>, Option<RunScript>) {
        let CommandLine::Shell(line) = command else { return (self.scope.words(command), None) };
        match heredocs {
            [] => (self.scope.words(command), None),
            [only] if opens_alone(&line.text) => {
                let body = if only.strip_tabs { without_tabs(&only.body) } else { only.body.clone() };
                if !body.starts_with("#!") {
                    return (self.scope.in_shell(&body), None);
                }
                let path = format!("/dev/pipes/{}", only.name);
                let argv = self.scope.in_shell(&path);
                (argv, Some(RunScript { path, content: body.into_bytes() }))
            }
            several => (self.scope.in_shell(&attach_heredocs(&line.text, several)), None),
        }
    }

    /// `|2 A=1 B= ` (RUN-51).
    fn declared_args(&self) -> String {
        if self.scope.args.len() == 0 {
            return String::new();
        }
        let mut text = format!("|{} ", self.scope.args.len());
        for name in self.scope.args.iter() {
            let value = self.scope.variables.get(name).unwrap_or_default();
            text.push_str(name);
            text.push('=');
            text.push_str(&value);
            text.push(' ');
        }
        text
    }

    fn mount(&mut self, source: &Source<'_>, word: &Word) -> Evaluated<Mount> {
        let escape = if source.is_trigger { '\\' } else { self.planner.escape };
        let expand_value = |value: &str| {
            let mut unset = Unset::new();
            let text = expand_noting(value, escape, &|name| self.scope.variables.get(name), &mut unset)
                .map_err(|found| found.to_string())?;
            self.undefined(source, word.span, unset);
            self.planner.budget.take(text.len())?;
            Ok(text)
        };
        let namespace =
            self.planner.options.build_args.get("BUILDKIT_CACHE_MOUNT_NS").map(String::as_str).unwrap_or_default();
        let Unlinked { target, mut kind, read_only, from } =
            mounts::read(&word.text, self.scope.cwd(), namespace, self.ssh_mounts, &expand_value).map_err(|wrong| {
                let found = source.error(wrong.code, word.span, wrong.message);
                Box::new(Diagnostic { help: wrong.help, ..*found })
            })?;
        if matches!(kind, MountKind::Ssh { .. }) {
            self.ssh_mounts += 1;
        }
        if let Some(name) = from
            && let MountKind::Bind { from, .. } | MountKind::Cache { from, .. } = &mut kind
        {
            *from = self.mounted_from(source, word, &name, &target)?;
        }
        let span = if source.is_trigger { source.at.span } else { word.span };
        Ok(Mount { target, kind, read_only, span })
    }

    /// RUN-38.
    fn mounted_from(&self, source: &Source<'_>, word: &Word, name: &str, target: &str) -> Evaluated<MountFrom> {
        if let Some(stage) = self.planner.stages.named(name) {
            return match self.numbers[stage] {
                Some(number) if stage < self.index => Ok(MountFrom::Stage(number)),
                _ => {
                    let message = format!(
                        "cannot mount from stage \"{name}\" to \"{target}\", stage needs to be defined before current command"
                    );
                    Err(source.error("D-46", word.span, message))
                }
            };
        }
        match self.planner.outside(name, &self.scope.platform) {
            Ok(found) => Ok(found.into()),
            Err(error) => {
                let found = source.error("D-27", word.span, error.message);
                Err(Box::new(Diagnostic { help: error.help, ..*found }))
            }
        }
    }
}

/// LEX-57.
pub(super) fn without_tabs(body: &str) -> String {
    body.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
}
