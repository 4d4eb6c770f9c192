//! What each step's key is made of (cache.md, KEY).

use serde_json::{Value, json};

use crate::cache::{Inputs, Parent, Preimage};
use crate::image::Platform;
use crate::plan::{CopyOp, CopySource, Mount, MountKind, RunOp, Sharing, WorkdirOp};
use crate::remote::{GitReference, Mtime};

use super::Settings;

/// A RUN. Proxy arguments, secrets' values and cache mounts' contents are not in it (KEY-4).
pub(super) fn run(platform: &Platform, parent: Parent, op: &RunOp, settings: &Settings, inputs: Inputs) -> Preimage {
    let script = op.script.as_ref().map(|script| json!([script.path, String::from_utf8_lossy(&script.content)]));
    let definition = json!({
        "op": "run",
        "argv": op.argv,
        "env": op.env,
        "cwd": op.cwd,
        "user": op.user,
        "network": format!("{:?}", op.network),
        "security": format!("{:?}", op.security),
        "mounts": op.mounts.iter().map(mount).collect::<Vec<_>>(),
        "script": script,
        "hostname": settings.hostname,
        // KEY-3: addresses do not count.
        "hosts": settings.hosts.iter().map(|host| &host.name).collect::<Vec<_>>(),
        "shm": settings.shm_size,
        "cgroup": settings.resources.parent,
        "ulimits": settings.limits.ulimits.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    Preimage::new(platform.to_string(), parent, definition.to_string(), inputs)
}

/// The options of a mount that count: contents come as inputs, or not at all (KEY-3, KEY-4, KEY-6, KEY-7).
fn mount(mount: &Mount) -> Value {
    let what = match &mount.kind {
        MountKind::Bind { .. } => json!("bind"),
        // KEY-6: which custom id or sharing does not count, only that there is one.
        MountKind::Cache { id, sharing, .. } => {
            json!(["cache", *id != mount.target || *sharing != Sharing::Shared])
        }
        MountKind::Tmpfs { size } => json!(["tmpfs", size]),
        MountKind::Secret { id, required, env, file, mode, uid, gid } => {
            json!(["secret", id, required, env, file, mode, uid, gid])
        }
        MountKind::Ssh { id, required, mode, uid, gid } => json!(["ssh", id, required, mode, uid, gid]),
    };
    json!([mount.target, mount.read_only, what])
}

/// A COPY or ADD; `inputs` mark the sources, and the destination's user database where names must be looked up (KEY-8).
pub(super) fn copy(platform: &Platform, parent: Parent, op: &CopyOp, inputs: Inputs) -> Preimage {
    let sources: Vec<Value> = op
        .sources
        .iter()
        .map(|source| match source {
            CopySource::Path(_) => json!("path"),
            CopySource::Heredoc { name, content } => json!(["heredoc", name, String::from_utf8_lossy(content)]),
            CopySource::Url(_) => json!("url"),
            CopySource::Git(reference) => git(reference),
        })
        .collect();
    let definition = json!({
        "op": if op.add { "add" } else { "copy" },
        "sources": sources,
        "destination": op.destination,
        "chown": op.chown,
        "chmod": op.chmod,
        "link": op.link,
        "parents": op.parents,
        "exclude": op.exclude,
        "unpack": op.unpack,
        "keep-git-dir": op.keep_git_dir,
    });
    // KEY-9: a linked copy does not look at what is below.
    let parent = if op.link { Parent::Independent } else { parent };
    Preimage::new(platform.to_string(), parent, definition.to_string(), inputs)
}

/// What counts of a repository besides its commit (KEY-2): where it is only as far as `.git` tells of it.
fn git(reference: &GitReference) -> Value {
    let keeps = reference.keep_git_dir == Some(true);
    let place = keeps.then_some((&reference.url, &reference.wanted));
    let by_commit = reference.mtime == Mtime::Commit;
    json!(["git", reference.subdirectory, reference.submodules, by_commit, keeps, place])
}

/// WORKDIR (KEY-10).
pub(super) fn workdir(
    platform: &Platform,
    parent: Parent,
    op: &WorkdirOp,
    epoch: Option<i64>,
    inputs: Inputs,
) -> Preimage {
    let definition = json!({ "op": "workdir", "path": op.path, "user": op.user, "epoch": epoch });
    Preimage::new(platform.to_string(), parent, definition.to_string(), inputs)
}

#[cfg(test)]
mod tests {
    use crate::exec::{Packing, Settings};
    use crate::image::Compression;
    use crate::sandbox::{Limits, Resources};

    use super::*;

    fn settings() -> Settings {
        Settings {
            isolation: None,
            jobs: 1,
            threads: 1,
            no_cache: false,
            offline: false,
            no_cache_filter: vec![],
            packing: Packing { compression: Compression::Gzip, level: None, threads: 1 },
            blobs: true,
            hostname: "h".into(),
            hosts: vec![],
            shm_size: 0,
            limits: Limits::default(),
            resources: Resources::default(),
            allow_network_host: false,
            allow_insecure: false,
            requested: None,
            clamp: None,
            now: 0,
        }
    }

    fn run_key(change: fn(&mut RunOp)) -> String {
        let mut op = RunOp {
            argv: vec!["/bin/sh".into(), "-c".into(), "x".into()],
            env: vec!["A=1".into()],
            proxy_env: vec![],
            cwd: "/".into(),
            user: String::new(),
            network: crate::plan::Network::Default,
            security: crate::plan::Security::Sandbox,
            mounts: vec![],
            script: None,
        };
        change(&mut op);
        run(&Platform::host(), Parent::Scratch, &op, &settings(), Inputs::new(vec![], vec![], 1).unwrap()).key().hex()
    }

    #[test]
    fn key_3_and_4_what_counts_in_a_run() {
        let plain = run_key(|_| {});
        assert_eq!(plain, run_key(|op| op.proxy_env.push("HTTP_PROXY=x".into())), "KEY-4");
        assert_ne!(plain, run_key(|op| op.argv.push("y".into())));
        assert_ne!(plain, run_key(|op| op.env.push("B=2".into())), "KEY-5");
        assert_ne!(plain, run_key(|op| op.user.push('1')));
        assert_ne!(plain, run_key(|op| op.cwd.push('1')));
        assert_ne!(plain, run_key(|op| op.network = crate::plan::Network::None));
    }
}
