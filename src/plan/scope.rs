use std::collections::{BTreeMap, HashMap};

use super::PlanOptions;
use super::expand::Variables;

/// Variables in the order they were first set; the last writer of a name wins (EXP-10).
#[derive(Clone, Default, Debug)]
pub(super) struct Environment {
    entries: Vec<(String, String)>,
    places: HashMap<String, usize>,
}

impl Environment {
    pub(super) fn set(&mut self, name: &str, value: String) {
        if let Some(&place) = self.places.get(name) {
            self.entries[place].1 = value;
        } else {
            self.places.insert(name.to_owned(), self.entries.len());
            self.entries.push((name.to_owned(), value));
        }
    }

    /// `NAME=value`, in order.
    pub(super) fn list(&self) -> Vec<String> {
        self.entries.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }
}

impl Variables for Environment {
    fn get(&self, name: &str) -> Option<&str> {
        self.places.get(name).map(|&place| self.entries[place].1.as_str())
    }
}

/// Names that are arguments to the builder alone and never reach a process (ARG-7).
const NEVER_IN_ENVIRONMENT: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

/// Upper-case names of the arguments that every RUN sees without declaration (ARG-9).
const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// The build arguments, and the variables that FROM lines see (ARG-2, ARG-10).
#[derive(Clone, Debug)]
pub(super) struct Globals {
    build_args: BTreeMap<String, String>,
    pub(super) scope: Environment,
}

impl Globals {
    /// With the predefined platform arguments; `target_stage` is ARG-10's `TARGETSTAGE`.
    pub(super) fn new(options: &PlanOptions, target_stage: &str) -> Self {
        let mut globals = Self { build_args: options.build_args.clone(), scope: Environment::default() };
        let (target, build) = (&options.platform, &options.build_platform);
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        for (name, value) in [
            ("TARGETPLATFORM", target.to_string()),
            ("TARGETOS", target.os.clone()),
            ("TARGETOSVERSION", text(&target.os_version)),
            ("TARGETARCH", target.architecture.clone()),
            ("TARGETVARIANT", text(&target.variant)),
            ("BUILDPLATFORM", build.short()),
            ("BUILDOS", build.os.clone()),
            ("BUILDOSVERSION", text(&build.os_version)),
            ("BUILDARCH", build.architecture.clone()),
            ("BUILDVARIANT", text(&build.variant)),
            ("TARGETSTAGE", target_stage.to_owned()),
        ] {
            let value = globals.build_arg(name).map_or(value, str::to_owned);
            globals.scope.set(name, value);
        }
        globals
    }

    /// `--build-arg`, which may be empty (ARG-5).
    pub(super) fn build_arg(&self, name: &str) -> Option<&str> {
        self.build_args.get(name).map(String::as_str)
    }

    /// What `ARG name` without default gives in a stage (ARG-3).
    pub(super) fn inherited(&self, name: &str) -> Option<&str> {
        self.build_arg(name).or_else(|| self.scope.get(name))
    }

    /// Makes the resolved epoch the value that stages see (ARG-13).
    pub(super) fn set_epoch(&mut self, epoch: i64) {
        if let Some(value) = self.build_args.get_mut("SOURCE_DATE_EPOCH") {
            *value = epoch.to_string();
        }
        self.scope.set("SOURCE_DATE_EPOCH", epoch.to_string());
    }

    /// Proxy arguments as `NAME=value`, upper and lower case, empty ones left out (ARG-9).
    pub(super) fn proxy_env(&self) -> Vec<String> {
        let mut env = Vec::new();
        for proxy in PROXIES {
            // Lower case comes last in the map and wins, as most programs read that one first.
            let given = self.build_args.iter().rfind(|(name, _)| name.eq_ignore_ascii_case(proxy));
            if let Some((_, value)) = given.filter(|(_, value)| !value.is_empty()) {
                env.push(format!("{proxy}={value}"));
                env.push(format!("{}={value}", proxy.to_lowercase()));
            }
        }
        env
    }
}

/// Whether an ARG of this name may be seen by processes (ARG-7).
pub(super) fn reaches_processes(name: &str) -> bool {
    !NEVER_IN_ENVIRONMENT.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Network;

    fn options(build_args: &[(&str, &str)]) -> PlanOptions {
        PlanOptions {
            build_args: build_args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            target: None,
            labels: Vec::new(),
            platform: "linux/arm/v7".parse().unwrap(),
            build_platform: "linux/amd64".parse().unwrap(),
            network: Network::Default,
        }
    }

    #[test]
    fn exp_10_the_last_writer_wins_in_place() {
        let mut env = Environment::default();
        for (name, value) in [("A", "1"), ("B", "2"), ("A", "3")] {
            env.set(name, value.to_owned());
        }
        assert_eq!(env.list(), ["A=3", "B=2"]);
    }

    #[test]
    fn arg_10_platform_arguments_can_be_overridden() {
        let globals = Globals::new(&options(&[("TARGETARCH", "mine")]), "default");
        for (name, want) in
            [("TARGETPLATFORM", "linux/arm/v7"), ("TARGETVARIANT", "v7"), ("TARGETARCH", "mine"), ("BUILDVARIANT", "")]
        {
            assert_eq!(globals.inherited(name), Some(want), "{name}");
        }
    }

    #[test]
    fn arg_9_proxies_come_in_both_cases() {
        let globals = Globals::new(&options(&[("no_proxy", "x"), ("HTTP_PROXY", "")]), "default");
        assert_eq!(globals.proxy_env(), ["NO_PROXY=x", "no_proxy=x"]);
    }
}
