//! The scope of ARGs before the first FROM, in which FROM is expanded (ARG-2, ARG-10).

use std::collections::BTreeMap;

use crate::dockerfile::{ArgPair, Diagnostic, Instruction, Word};
use crate::image::Reference;

use super::PlanOptions;
use super::budget::Budget;
use super::expand::{ExpandError, Unset, expand, expand_noting};
use super::remarks::{RemarkKind, Remarks};
use super::scope::{Names, Variables, predefined};
use super::stages::{error, expansion_error};

/// The global scope.
#[derive(Debug)]
pub(super) struct Globals {
    /// ARGs with a value, and the predefined ones.
    values: Variables,
    /// The same, had no build argument been given.
    defaults: Variables,
    /// ARGs with or without a value.
    declared: Names,
    /// What the global scope and the stages as such may come to.
    pub(super) budget: Budget,
    escape: char,
}

impl Globals {
    pub(super) fn new(options: &PlanOptions, target_stage: &str, escape: char) -> Self {
        let without = PlanOptions { build_args: BTreeMap::new(), ..options.clone() };
        Self {
            values: predefined(options, target_stage),
            defaults: predefined(&without, target_stage),
            declared: Names::default(),
            budget: Budget::default(),
            escape,
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.values.get(name)
    }

    /// An ARG before the first FROM (ARG-3 to ARG-5).
    pub(super) fn declare(
        &mut self,
        at: &Instruction,
        args: &[ArgPair],
        options: &PlanOptions,
        errors: &mut Vec<Diagnostic>,
        remarks: &Remarks,
    ) {
        for ArgPair { name: word, default } in args {
            let name = word.text.as_str();
            self.declared.add(name);
            if let Some(default) = default {
                if let Ok(value) = expand(&default.text, self.escape, &|name| self.defaults.get(name)) {
                    self.defaults.set(name, value);
                }
                if !options.build_args.contains_key(name) {
                    match expand(&default.text, self.escape, &|name| self.values.get(name)) {
                        Ok(value) => {
                            if let Err(message) = self.budget.take(2 * value.len()) {
                                errors.push(error("D-16", at, default.span, message));
                                return;
                            }
                            self.values.set(name, value);
                        }
                        Err(found) => errors.push(expansion_error(at, default.span, &found)),
                    }
                }
            }
            if let Some(given) = options.build_args.get(name) {
                self.values.set(name, given.clone());
            }
            let kind = RemarkKind::Argument { name: name.to_owned(), value: self.values.get(name) };
            remarks.add(at, word.span, kind);
        }
    }

    /// A word of the FROM `at`.
    pub(super) fn expand(&self, at: &Instruction, word: &Word, remarks: &Remarks) -> Result<String, ExpandError> {
        let mut unset = Unset::new();
        let lookup = |name: &str| {
            if self.declared.contains(name) {
                remarks.add(at, word.span, RemarkKind::ArgumentInFrom(name.to_owned()));
            }
            self.values.get(name)
        };
        let text = expand_noting(&word.text, self.escape, &lookup, &mut unset)?;
        for name in unset.into_iter().filter(|name| !self.declared.contains(name.as_str())) {
            let known = self.values.names().chain(self.declared.iter());
            remarks.add(at, word.span, RemarkKind::UndeclaredInFrom(remarks.unknown(name, known)));
        }
        Ok(text)
    }

    /// Remarks on an image of which the defaults alone make no name. `is_stage` knows the names of the stages before.
    pub(super) fn check_default(
        &self,
        at: &Instruction,
        image: &Word,
        is_stage: impl Fn(&str) -> bool,
        remarks: &Remarks,
    ) {
        if !image.text.contains('$') {
            return;
        }
        // What `${X?}` asks for is meant to be given.
        let Ok(text) = expand(&image.text, self.escape, &|name| self.defaults.get(name)) else { return };
        if text.parse::<Reference>().is_err() && !is_stage(&text) {
            remarks.add(at, image.span, RemarkKind::NoImageByDefault(image.text.clone()));
        }
    }
}
