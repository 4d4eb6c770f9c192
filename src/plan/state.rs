use crate::dockerfile::{Diagnostic, Span, Word};
use crate::image::{DEFAULT_PATH, ImageConfig, Platform, RunConfig};

use super::expand::{ExpandError, expand};
use super::outline::Outline;
use super::place::{Place, Problem};
use super::scope::Environment;
use super::{Bases, PlanOptions};

/// What a stage has come to after some of its instructions.
#[derive(Clone)]
pub(super) struct State {
    pub(super) platform: Platform,
    pub(super) config: RunConfig,
    pub(super) author: Option<String>,
    /// For expansion and for processes (EXP-10).
    pub(super) env: Environment,
    /// ARGs in scope, in the order of their first declaration (RUN-51).
    pub(super) args: Vec<String>,
    /// A CMD stood in this very stage (ENT-2).
    pub(super) own_cmd: bool,
}

impl State {
    /// At the start of a stage on an image or on nothing; ONBUILD is taken away (FROM-15, FROM-16, ONB-5).
    pub(super) fn on_image(image: &ImageConfig, platform: Platform) -> Self {
        let mut config = image.config.clone();
        config.on_build.clear();
        if !config.env.iter().any(|entry| entry.starts_with("PATH=")) {
            config.env.push(DEFAULT_PATH.to_owned());
        }
        let mut env = Environment::default();
        for entry in &config.env {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            env.set(name, value.to_owned());
        }
        let author = (!image.author.is_empty()).then(|| image.author.clone());
        Self { platform, config, author, env, args: Vec::new(), own_cmd: false }
    }

    /// At the start of a stage on this one (FROM-18).
    pub(super) fn child(&self) -> Self {
        let mut child = self.clone();
        child.config.on_build.clear();
        child.own_cmd = false;
        child
    }

    /// The working directory, absolute and clean (FROM-17).
    pub(super) fn directory(&self) -> String {
        super::paths::join("/", &self.config.working_dir)
    }

    /// What a command in shell form is given to (RUN-1).
    pub(super) fn shell(&self) -> Vec<String> {
        if self.config.shell.is_empty() {
            vec!["/bin/sh".to_owned(), "-c".to_owned()]
        } else {
            self.config.shell.clone()
        }
    }
}

/// What all instructions of a build share.
pub(super) struct Shared<'a> {
    pub(super) outline: &'a Outline<'a>,
    pub(super) options: &'a PlanOptions,
    pub(super) bases: &'a dyn Bases,
    /// For each stage of the file, its number in the plan.
    pub(super) numbers: Vec<Option<usize>>,
    pub(super) proxy_env: Vec<String>,
}

/// One instruction under evaluation.
pub(super) struct Site<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) place: Place<'a>,
    /// The number of the stage in the file.
    pub(super) stage: usize,
    pub(super) warnings: Vec<Diagnostic>,
}

impl Site<'_> {
    /// A text of this instruction, expanded (EXP-1).
    pub(super) fn text(&self, state: &State, text: &str) -> Result<String, ExpandError> {
        expand(text, self.shared.outline.escape, &state.env)
    }

    /// A word of this instruction, expanded.
    pub(super) fn word(&self, state: &State, word: &Word) -> Result<String, Diagnostic> {
        self.text(state, &word.text)
            .map_err(|error| self.error_at(self.place.of_word(word), Problem::expansion(&word.text, &error)))
    }

    pub(super) fn error(&self, problem: Problem) -> Diagnostic {
        self.place.error(problem)
    }

    pub(super) fn error_at(&self, span: Span, problem: Problem) -> Diagnostic {
        self.place.error_at(span, problem)
    }

    pub(super) fn warn(&mut self, code: &'static str, message: &str) {
        self.warnings.push(self.place.warning(code, message));
    }
}
