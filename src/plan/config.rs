//! Instructions that change only the config. Each gives the text of its history entry.

use crate::dockerfile::{ArgPair, CommandLine, Diagnostic, Pair, Word};
use crate::image::{Healthcheck, RunConfig};

use super::expand::expand_words;
use super::history::{healthcheck, plain_list, quoted_list};
use super::place::Problem;
use super::scope::reaches_processes;
use super::state::{Site, State};
use super::{paths, ports, values};

/// ARG: each item sees those before it (EXP-13, ARG-3, ARG-4).
pub(super) fn arg(site: &Site<'_>, state: &mut State, pairs: &[ArgPair]) -> Result<String, Diagnostic> {
    let globals = &site.shared.outline.globals;
    let mut text = "ARG".to_owned();
    for pair in pairs {
        let name = &pair.name.text;
        let value = match (globals.build_arg(name), &pair.default) {
            (Some(given), _) => Some(given.to_owned()),
            (None, Some(default)) => Some(site.word(state, default)?),
            (None, None) => globals.inherited(name).map(str::to_owned),
        };
        text.push(' ');
        text.push_str(name);
        if !state.args.contains(name) {
            state.args.push(name.clone());
        }
        if let Some(value) = value {
            text.push('=');
            text.push_str(&value);
            if reaches_processes(name) {
                state.env.set(name, value);
            }
        }
    }
    Ok(text)
}

/// Names and values, all with the environment from before the instruction (EXP-12).
fn pairs(site: &Site<'_>, state: &State, pairs: &[Pair]) -> Result<Vec<(String, String)>, Diagnostic> {
    pairs.iter().map(|pair| Ok((site.word(state, &pair.name)?, site.word(state, &pair.value)?))).collect()
}

fn pairs_text(keyword: &str, pairs: &[(String, String)]) -> String {
    pairs.iter().fold(keyword.to_owned(), |text, (name, value)| format!("{text} {name}={value}"))
}

/// ENV replaces in place (ENV-5).
pub(super) fn env(site: &Site<'_>, state: &mut State, written: &[Pair]) -> Result<String, Diagnostic> {
    let pairs = pairs(site, state, written)?;
    for (name, value) in &pairs {
        if name.is_empty() {
            return Err(site.error(Problem::new("D-65", "ENV names can not be blank")));
        }
        let entry = format!("{name}={value}");
        let same = |old: &&mut String| old.split_once('=').map_or(old.as_str(), |(name, _)| name) == name;
        match state.config.env.iter_mut().find(same) {
            Some(old) => *old = entry,
            None => state.config.env.push(entry),
        }
        state.env.set(name, value.clone());
    }
    Ok(pairs_text("ENV", &pairs))
}

/// LABEL.
pub(super) fn label(site: &Site<'_>, state: &mut State, written: &[Pair]) -> Result<String, Diagnostic> {
    let pairs = pairs(site, state, written)?;
    let text = pairs_text("LABEL", &pairs);
    state.config.labels.extend(pairs);
    Ok(text)
}

/// The words of a command: as they are, or given to the shell.
fn command(state: &State, line: &CommandLine) -> Vec<String> {
    match line {
        CommandLine::Exec(words) => words.clone(),
        CommandLine::Shell(word) => {
            let mut words = state.shell();
            words.push(word.text.clone());
            words
        }
    }
}

/// CMD (CMD-1, CMD-2).
pub(super) fn cmd(state: &mut State, line: &CommandLine) -> String {
    state.config.cmd = command(state, line);
    state.config.args_escaped = true;
    state.own_cmd = true;
    format!("CMD {}", quoted_list(&state.config.cmd))
}

/// ENTRYPOINT drops a CMD that is not the stage's own (ENT-2).
pub(super) fn entrypoint(state: &mut State, line: &CommandLine) -> String {
    state.config.entrypoint = command(state, line);
    if !state.own_cmd {
        state.config.cmd.clear();
    }
    format!("ENTRYPOINT {}", quoted_list(&state.config.entrypoint))
}

/// SHELL.
pub(super) fn shell(state: &mut State, words: &[String]) -> String {
    state.config.shell = words.to_vec();
    format!("SHELL {}", plain_list(words))
}

/// EXPOSE: sorted as written, then each expanded and split (EXP-51).
pub(super) fn expose(site: &Site<'_>, state: &mut State, words: &[Word]) -> Result<String, Diagnostic> {
    let mut sorted: Vec<&Word> = words.iter().collect();
    sorted.sort_by(|a, b| a.text.cmp(&b.text));
    let mut all = Vec::new();
    for word in sorted {
        let wrong = |problem| site.error_at(site.place.of_word(word), problem);
        let texts = expand_words(&word.text, site.shared.outline.escape, &state.env)
            .map_err(|error| wrong(Problem::expansion(&word.text, &error)))?;
        for text in texts {
            all.extend(ports::ports(&text).map_err(|message| wrong(Problem::new("D-69", message)))?);
        }
    }
    let text = format!("EXPOSE {}", plain_list(&all));
    state.config.exposed_ports.extend(all);
    Ok(text)
}

/// VOLUME (VOLUME-1).
pub(super) fn volume(site: &Site<'_>, state: &mut State, words: &[Word]) -> Result<String, Diagnostic> {
    let mut all = Vec::new();
    for word in words {
        let path = site.word(state, word)?.trim().to_owned();
        if path.is_empty() {
            let problem = Problem::new("D-70", "VOLUME specified can not be an empty string");
            return Err(site.error_at(site.place.of_word(word), problem));
        }
        all.push(path);
    }
    let text = format!("VOLUME {}", plain_list(&all));
    state.config.volumes.extend(all);
    Ok(text)
}

/// USER (USER-1).
pub(super) fn user(site: &mut Site<'_>, state: &mut State, word: &Word) -> Result<String, Diagnostic> {
    state.config.user = site.word(state, word)?;
    if state.config.user.contains(char::is_whitespace) {
        site.warn("USER-1", "USER takes one name; the whole line is taken for it");
    }
    Ok(format!("USER {}", state.config.user))
}

/// WORKDIR: an absolute path is kept as written (WORKDIR-2).
pub(super) fn workdir(site: &Site<'_>, state: &mut State, word: &Word) -> Result<String, Diagnostic> {
    let path = site.word(state, word)?;
    if path.starts_with('/') {
        state.config.working_dir = path;
    } else if !path.is_empty() || state.config.working_dir.is_empty() {
        state.config.working_dir = paths::join(&state.directory(), &path);
    }
    Ok(format!("WORKDIR {}", state.config.working_dir))
}

/// STOPSIGNAL (STOP-1).
pub(super) fn stop_signal(site: &Site<'_>, state: &mut State, word: &Word) -> Result<String, Diagnostic> {
    let signal = site.word(state, word)?;
    if !values::is_signal(&signal) {
        let problem = Problem::new("D-71", format!("invalid signal: {signal}"));
        return Err(site.error_at(site.place.of_word(word), problem));
    }
    let text = format!("STOPSIGNAL {signal}");
    state.config.stop_signal = signal;
    Ok(text)
}

/// HEALTHCHECK: `check` holds the numbers; the last one replaces all (HC-5).
pub(super) fn health(state: &mut State, test: Option<&CommandLine>, check: Healthcheck) -> String {
    let test = match test {
        None => vec!["NONE".to_owned()],
        Some(CommandLine::Shell(word)) => vec!["CMD-SHELL".to_owned(), word.text.clone()],
        Some(CommandLine::Exec(words)) => std::iter::once("CMD".to_owned()).chain(words.iter().cloned()).collect(),
    };
    let check = Healthcheck { test, ..check };
    let text = healthcheck(&check);
    state.config.healthcheck = Some(check);
    text
}

/// The labels of the command line, over those of the file (LABEL-2).
pub(super) fn command_line_labels(config: &mut RunConfig, labels: &[(String, String)]) {
    config.labels.extend(labels.iter().cloned());
}
