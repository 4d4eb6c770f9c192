//! Package managers: what they leave behind in the layer.

use std::collections::BTreeSet;

use super::report::Report;
use super::switches::{pip_cache, pip_variable};
use super::view::{Run, Step, View};

/// What fills a cache, and what empties it.
struct Cache {
    code: &'static str,
    programs: &'static [&'static str],
    verbs: &'static [&'static str],
    /// Words of the command that cleans, any of these sets.
    cleans: &'static [&'static [&'static str]],
    /// Where it lies.
    paths: &'static [&'static str],
}

const CACHES: [Cache; 4] = [
    Cache {
        code: "DL3032",
        programs: &["yum"],
        verbs: &["install", "groupinstall", "localinstall", "reinstall"],
        cleans: &[&["clean", "all"]],
        paths: &["/var/cache/yum", "/var/cache/dnf"],
    },
    Cache {
        code: "DL3036",
        programs: &["zypper"],
        verbs: &["install", "in"],
        cleans: &[&["clean"], &["cc"]],
        paths: &["/var/cache/zypp"],
    },
    Cache {
        code: "DL3040",
        programs: &["dnf", "microdnf", "dnf5"],
        verbs: &["install", "groupinstall", "localinstall", "reinstall"],
        cleans: &[&["clean", "all"]],
        paths: &["/var/cache/dnf", "/var/cache/libdnf5", "/var/cache/yum"],
    },
    Cache {
        code: "DL3060",
        programs: &["yarn"],
        verbs: &["install"],
        cleans: &[&["cache", "clean"]],
        paths: &["/usr/local/share/.cache/yarn", "/root/.yarn", "/root/.cache/yarn"],
    },
];

pub(super) fn check(view: &View<'_>, report: &mut Report<'_>) {
    let final_stages: BTreeSet<usize> = view.final_stages().iter().map(|stage| stage.from.span.start).collect();
    let mut have_variable: Vec<bool> = Vec::new();
    for stage in &view.stages {
        let is_final = final_stages.contains(&stage.from.span.start);
        let mut has_variable = stage.base.and_then(|base| have_variable.get(base)).copied().unwrap_or_default();
        for step in &stage.steps {
            has_variable = pip_variable(step.command()).unwrap_or(has_variable);
            pip_cache(step, has_variable, report);
            let Some(run) = &step.run else { continue };
            for cache in &CACHES {
                left(step, run, cache, report);
            }
            // What a stage that is thrown away keeps is nobody's burden.
            if is_final {
                apt_lists(step, run, report);
            }
        }
        have_variable.push(has_variable);
    }
}

fn left(step: &Step<'_>, run: &Run, cache: &Cache, report: &mut Report<'_>) {
    let installs = cache.verbs.iter().any(|verb| run.calls(cache.programs, &[verb]));
    let cleans = cache.cleans.iter().any(|words| run.calls(cache.programs, words));
    let elsewhere = cache.paths.iter().any(|path| run.removes(path) || run.is_scratch(path));
    let by_name = cache.code == "DL3060" && run.has_scratch_named("yarn");
    if installs && !cleans && !elsewhere && !by_name {
        report.add(cache.code, step.at, step.at.span, ());
    }
}

/// DL3009
fn apt_lists(step: &Step<'_>, run: &Run, report: &mut Report<'_>) {
    const LISTS: &str = "/var/lib/apt/lists";
    let updates = run.calls(&["apt-get", "apt", "aptitude"], &["update"]);
    if updates && !run.removes(LISTS) && !run.is_scratch(LISTS) {
        report.add("DL3009", step.at, step.at.span, ());
    }
}
