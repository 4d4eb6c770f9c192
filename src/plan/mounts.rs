use crate::dockerfile::{Diagnostic, Word};

use super::mount_options::{MountOptions, Type, fields};
use super::place::Problem;
use super::state::{Site, State};
use super::{Found, Mount, MountFrom, MountKind, paths, reach};

/// The mounts of a RUN, in the order written (RUN-30 to RUN-45).
pub(super) fn mounts(site: &Site<'_>, state: &State, words: &[Word]) -> Result<Vec<Mount>, Diagnostic> {
    let mut agents = 0;
    let mut mounts = Vec::with_capacity(words.len());
    for word in words {
        let at = |problem| site.error_at(site.place.of_word(word), problem);
        let options = fields(&word.text)
            .and_then(|fields| MountOptions::read(&fields, |text| site.text(state, text)))
            .map_err(at)?;
        mounts.push(mount(site, state, options, agents).map_err(at)?);
        agents += usize::from(matches!(mounts.last(), Some(Mount { kind: MountKind::Ssh { .. }, .. })));
    }
    Ok(mounts)
}

/// One mount; `agents` counts the ssh mounts before it.
fn mount(site: &Site<'_>, state: &State, options: MountOptions, agents: usize) -> Result<Mount, Problem> {
    let written = options.target.clone().unwrap_or_default();
    let target = target(state, &options, agents)?;
    let read_only = options.read_only.unwrap_or(!matches!(options.kind, Type::Cache | Type::Tmpfs));
    let source = paths::join("/", options.source.as_deref().unwrap_or_default());
    let (uid, gid) = (options.uid.unwrap_or(0), options.gid.unwrap_or(0));
    let kind = match options.kind {
        Type::Bind => MountKind::Bind { from: from(site, state, &options, MountFrom::Context)?, source },
        Type::Cache => MountKind::Cache {
            id: cache_id(site, options.id.as_deref(), &written),
            sharing: options.sharing.unwrap_or_default(),
            from: from(site, state, &options, MountFrom::Empty)?,
            source,
            mode: options.mode.unwrap_or(0o755),
            uid,
            gid,
        },
        Type::Tmpfs => MountKind::Tmpfs { size: options.size },
        Type::Secret => MountKind::Secret {
            id: options.id.unwrap_or_default(),
            required: options.required,
            file: !target.is_empty(),
            env: options.env,
            mode: options.mode.unwrap_or(0o400),
            uid,
            gid,
        },
        Type::Ssh => MountKind::Ssh {
            id: options.id.filter(|id| !id.is_empty()).unwrap_or_else(|| "default".to_owned()),
            required: options.required,
            mode: options.mode.unwrap_or(0o600),
            uid,
            gid,
        },
    };
    Ok(Mount { target, kind, read_only })
}

/// Absolute and clean; empty for a secret that is only a variable (RUN-37, RUN-44, RUN-45).
fn target(state: &State, options: &MountOptions, agents: usize) -> Result<String, Problem> {
    let written = options.target.as_deref().unwrap_or_default();
    if written.is_empty() {
        match options.kind {
            Type::Secret if options.env.is_some() => return Ok(String::new()),
            Type::Secret => {
                return Ok(format!("/run/secrets/{}", paths::base(options.id.as_deref().unwrap_or_default())));
            }
            Type::Ssh => return Ok(format!("/run/buildkit/ssh_agent.{agents}")),
            Type::Bind | Type::Cache | Type::Tmpfs => {}
        }
    }
    let target = paths::join(&state.directory(), written);
    if target == "/" {
        let shown = if written.is_empty() { "/" } else { written };
        return Err(Problem::new("D-45", format!("invalid mount target \"{shown}\"")));
    }
    Ok(target)
}

/// RUN-41: by default the target as written.
fn cache_id(site: &Site<'_>, id: Option<&str>, target: &str) -> String {
    let id = id.filter(|id| !id.is_empty()).map_or_else(|| paths::clean(target), str::to_owned);
    match site.shared.outline.globals.build_arg("BUILDKIT_CACHE_MOUNT_NS") {
        Some(namespace) if !namespace.is_empty() => format!("{namespace}/{id}"),
        _ => id,
    }
}

/// RUN-38: a stage, a named context or an image, and no numbers.
fn from(site: &Site<'_>, state: &State, options: &MountOptions, default: MountFrom) -> Result<MountFrom, Problem> {
    let Some(name) = &options.from else { return Ok(default) };
    if let Some(stage) = site.shared.outline.named(name) {
        return match site.shared.numbers[stage] {
            Some(number) if stage < site.stage => Ok(MountFrom::Stage(number)),
            _ => {
                let name = site.shared.outline.display(stage);
                let target = options.target.as_deref().unwrap_or_default();
                let message = format!(
                    "cannot mount from stage \"{name}\" to \"{target}\", stage needs to be defined before current command"
                );
                Err(Problem::new("D-46", message))
            }
        };
    }
    let (found, _) = reach::find(site.shared.bases, name, &state.platform).map_err(|problem| {
        if problem.help.is_some() { problem } else { problem.suggest(name, site.shared.outline.names()) }
    })?;
    Ok(match found {
        Found::Image(id, _) => MountFrom::Image(id),
        Found::Directory(name) => MountFrom::Directory(name),
        Found::Scratch => MountFrom::Empty,
    })
}
