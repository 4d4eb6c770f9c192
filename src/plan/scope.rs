//! Which variables are seen where (EXP-10 to EXP-16, ARG-2 to ARG-11).

use std::collections::{BTreeMap, BTreeSet};

use crate::image::Platform;

use super::PlanOptions;
use super::budget::PER_TEXT;

/// Arguments with a meaning to proxies (ARG-9).
const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// ARGs that no process ever sees (ARG-7).
pub(super) const HIDDEN: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

/// Variables in the order in which they were first set; the last writer wins.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Variables {
    order: Vec<String>,
    values: BTreeMap<String, String>,
}

/// Names in the order in which they were first told, each once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Names {
    order: Vec<String>,
    known: BTreeSet<String>,
}

impl Names {
    pub(super) fn add(&mut self, name: &str) {
        if self.known.insert(name.to_owned()) {
            self.order.push(name.to_owned());
        }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.known.contains(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(String::as_str)
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}

impl Variables {
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.values.get(name).cloned()
    }

    pub(super) fn set(&mut self, name: &str, value: String) {
        if self.values.insert(name.to_owned(), value).is_none() {
            self.order.push(name.to_owned());
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(String::as_str)
    }

    /// How many bytes of text they are, about.
    pub(super) fn size(&self) -> usize {
        self.values.iter().map(|(name, value)| 2 * name.len() + value.len() + PER_TEXT).sum()
    }

    /// `NAME=value`, in order.
    pub(super) fn list(&self) -> Vec<String> {
        self.order.iter().filter_map(|name| self.values.get(name).map(|value| format!("{name}={value}"))).collect()
    }

    /// From `NAME=value` entries of an image config.
    pub(super) fn of_config(env: &[String]) -> Self {
        let mut variables = Self::default();
        for entry in env {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            variables.set(name, value.to_owned());
        }
        variables
    }
}

/// The platform arguments that need no declaration in the global scope (ARG-10). A build argument of the name wins.
pub(super) fn predefined(options: &PlanOptions, target_stage: &str) -> Variables {
    let mut variables = Variables::default();
    let filled = |text: &Option<String>| text.clone().unwrap_or_default();
    let build = &options.build_platform;
    let target = &options.platform;
    let rows = [
        ("BUILDPLATFORM", build.short()),
        ("BUILDOS", build.os.clone()),
        ("BUILDOSVERSION", filled(&build.os_version)),
        ("BUILDARCH", build.architecture.clone()),
        ("BUILDVARIANT", filled(&build.variant)),
        ("TARGETPLATFORM", Platform::to_string(target)),
        ("TARGETOS", target.os.clone()),
        ("TARGETOSVERSION", filled(&target.os_version)),
        ("TARGETARCH", target.architecture.clone()),
        ("TARGETVARIANT", filled(&target.variant)),
        ("TARGETSTAGE", target_stage.to_owned()),
    ];
    for (name, value) in rows {
        variables.set(name, options.build_args.get(name).cloned().unwrap_or(value));
    }
    variables
}

/// What every process sees of proxy arguments: both spellings, empty ones left out (ARG-9).
pub(super) fn proxies(options: &PlanOptions) -> Vec<String> {
    let mut env = Vec::new();
    for name in PROXIES {
        let given = options.build_args.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        if let Some((_, value)) = given.filter(|(_, value)| !value.is_empty()) {
            env.push(format!("{name}={value}"));
            env.push(format!("{}={value}", name.to_lowercase()));
        }
    }
    env
}
