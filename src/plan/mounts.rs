//! `RUN --mount` (RUN-30 to RUN-46): one CSV record to a `Mount`, before names of stages are looked up.

use crate::dockerfile::{csv_fields, suggest};

use super::path::{absolute, base_name};
use super::{MountFrom, MountKind, Sharing};

/// A mount is not right: rule and message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wrong {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// A mount whose `from` is still a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Unlinked {
    pub(super) target: String,
    pub(super) kind: MountKind,
    pub(super) read_only: bool,
    pub(super) from: Option<String>,
}

const KEYS: [&str; 18] = [
    "type",
    "from",
    "source",
    "src",
    "target",
    "dst",
    "destination",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "required",
    "size",
    "id",
    "sharing",
    "mode",
    "uid",
    "gid",
];

#[derive(Default)]
struct Fields {
    kind: Option<String>,
    from: Option<String>,
    source: Option<String>,
    target: Option<String>,
    read_only: Option<bool>,
    required: bool,
    size: Option<u64>,
    id: Option<String>,
    sharing: Option<String>,
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    env: Option<String>,
}

fn wrong(code: &'static str, message: impl Into<String>) -> Wrong {
    Wrong { code, message: message.into(), help: None }
}

/// The value of `from=`, which is never expanded: what a stage needs, known before anything is evaluated.
pub(super) fn from_of(text: &str) -> Option<String> {
    let fields = csv_fields(text)?;
    fields.iter().rev().find_map(|field| {
        let (key, value) = field.split_once('=')?;
        key.eq_ignore_ascii_case("from").then(|| value.to_owned())
    })
}

/// Reads a mount. `expand` expands a value; `cwd` is the working directory; `ssh_index` counts ssh mounts (RUN-45).
pub(super) fn read(
    text: &str,
    cwd: &str,
    cache_namespace: &str,
    ssh_index: usize,
    expand: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Unlinked, Wrong> {
    let fields = csv_fields(text).ok_or_else(|| wrong("D-33", "failed to parse csv mounts"))?;
    let mut mount = Fields::default();
    for field in &fields {
        mount.field(field, expand)?;
    }
    mount.finish(cwd, cache_namespace, ssh_index)
}

impl Fields {
    fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or("bind")
    }

    fn field(&mut self, field: &str, expand: &dyn Fn(&str) -> Result<String, String>) -> Result<(), Wrong> {
        let Some((key, raw)) = field.split_once('=') else {
            match field.to_lowercase().as_str() {
                "readonly" | "ro" => self.read_only = Some(true),
                "readwrite" | "rw" => self.read_only = Some(false),
                "required" if matches!(self.kind(), "secret" | "ssh") => self.required = true,
                "required" => return Err(self.not_for("required")),
                _ => return Err(wrong("D-37", format!("invalid field '{field}' must be a key=value pair"))),
            }
            return Ok(());
        };
        let key = key.to_lowercase();
        let value =
            if key == "from" { raw.to_owned() } else { expand(raw).map_err(|message| wrong("D-16", message))? };
        let switch = || boolean(&value).ok_or_else(|| wrong("D-38", format!("invalid value for {key}: {value}")));
        let number = |radix| {
            u32::from_str_radix(&value, radix).map_err(|_| wrong("D-38", format!("invalid value {value} for {key}")))
        };
        match key.as_str() {
            "type" => {
                let kind = value.to_lowercase();
                if !matches!(kind.as_str(), "bind" | "cache" | "tmpfs" | "secret" | "ssh") {
                    let near = suggest(&kind, ["bind", "cache", "tmpfs", "secret", "ssh"]);
                    let help = near.map(|near| format!("did you mean `{near}`?"));
                    return Err(Wrong { help, ..wrong("D-35", format!("unsupported mount type \"{value}\"")) });
                }
                self.kind = Some(kind);
            }
            "from" => self.from = Some(value),
            "source" | "src" => self.source = Some(value),
            "target" | "dst" | "destination" => self.target = Some(value),
            "readonly" | "ro" => self.read_only = Some(switch()?),
            "readwrite" | "rw" => self.read_only = Some(!switch()?),
            "required" if matches!(self.kind(), "secret" | "ssh") => self.required = switch()?,
            "size" if self.kind() == "tmpfs" => {
                self.size =
                    Some(bytes(&value).ok_or_else(|| wrong("D-38", format!("invalid value for {key}: {value}")))?);
            }
            "required" | "size" => return Err(self.not_for(&key)),
            "id" => self.id = Some(value),
            "sharing" => self.sharing = Some(value),
            "mode" => self.mode = Some(number(8)?),
            "uid" => self.uid = Some(number(10)?),
            "gid" => self.gid = Some(number(10)?),
            "env" => self.env = Some(value),
            _ => {
                let help = suggest(&key, KEYS).map(|near| format!("did you mean `{near}`?"));
                return Err(Wrong { help, ..wrong("D-36", format!("unexpected key '{key}' in '{field}'")) });
            }
        }
        Ok(())
    }

    fn not_for(&self, key: &str) -> Wrong {
        let found = wrong("D-39", format!("unexpected key '{key}' for mount type '{}'", self.kind()));
        Wrong { help: Some("put `type=` first".to_owned()), ..found }
    }

    fn finish(self, cwd: &str, cache_namespace: &str, ssh_index: usize) -> Result<Unlinked, Wrong> {
        let kind = self.kind().to_owned();
        if matches!(kind.as_str(), "bind" | "tmpfs") {
            for (name, given) in [("mode", self.mode), ("uid", self.uid), ("gid", self.gid)] {
                if given.is_some() {
                    return Err(wrong("D-40", format!("{name} not allowed for \"{kind}\" type mounts")));
                }
            }
        }
        let sharing = match self.sharing.as_deref() {
            Some(_) if kind == "secret" => {
                return Err(wrong("D-43", "secret mount should not define sharing"));
            }
            Some(_) if kind != "cache" => {
                return Err(wrong("D-42", format!("invalid cache sharing set for {kind} mount")));
            }
            None | Some("shared") => Sharing::Shared,
            Some("private") => Sharing::Private,
            Some("locked") => Sharing::Locked,
            Some(other) => {
                let help =
                    suggest(other, ["shared", "private", "locked"]).map(|near| format!("did you mean `{near}`?"));
                return Err(Wrong { help, ..wrong("D-41", format!("unsupported sharing value \"{other}\"")) });
            }
        };
        let read_only = self.read_only.unwrap_or(matches!(kind.as_str(), "bind" | "secret" | "ssh"));
        match kind.as_str() {
            "secret" => return self.secret(cwd, read_only),
            "ssh" => return self.ssh(cwd, ssh_index, read_only),
            _ => {}
        }
        if kind == "tmpfs" && self.source.is_some() {
            return Err(wrong("D-39", "unexpected key 'source' for mount type 'tmpfs'"));
        }
        let written = self.target.clone().unwrap_or_default();
        let target = absolute(cwd, &written);
        if target == "/" {
            return Err(wrong("D-45", "invalid mount target \"/\""));
        }
        let source = absolute("/", self.source.as_deref().unwrap_or("/"));
        let from = MountFrom::Context;
        let (mode, uid, gid) = (self.mode.unwrap_or(0o755), self.uid.unwrap_or(0), self.gid.unwrap_or(0));
        let kind = match kind.as_str() {
            "cache" => {
                let id = self.id.clone().unwrap_or_else(|| clean(&written));
                let id = if cache_namespace.is_empty() { id } else { format!("{cache_namespace}/{id}") };
                MountKind::Cache { id, sharing, from: MountFrom::Empty, source, mode, uid, gid }
            }
            "tmpfs" => MountKind::Tmpfs { size: self.size },
            _ => MountKind::Bind { from, source },
        };
        Ok(Unlinked { target, kind, read_only, from: self.from })
    }

    /// RUN-44.
    fn secret(self, cwd: &str, read_only: bool) -> Result<Unlinked, Wrong> {
        if self.from.is_some() {
            return Err(wrong("D-43", "secret mount should not have a from"));
        }
        if self.id.is_some() && self.source.is_some() {
            return Err(wrong("D-43", "both source and id can't be set"));
        }
        let written = self.target.filter(|target| !target.is_empty());
        let id = self.id.or(self.source).filter(|id| !id.is_empty());
        let Some(id) = id.or_else(|| written.as_deref().map(base_name)) else {
            return Err(wrong("D-43", "invalid secret mount. one of source, target required"));
        };
        let env = self.env;
        if env.as_deref() == Some("") {
            return Err(wrong("D-43", "secret mount with an empty env"));
        }
        let file = env.is_none() || written.is_some();
        let target = match written {
            Some(target) => absolute(cwd, &target),
            None if file => format!("/run/secrets/{}", base_name(&id)),
            None => String::new(),
        };
        if target == "/" {
            return Err(wrong("D-45", "invalid mount target \"/\""));
        }
        let (mode, uid, gid) = (self.mode.unwrap_or(0o400), self.uid.unwrap_or(0), self.gid.unwrap_or(0));
        let kind = MountKind::Secret { id, required: self.required, env, file, mode, uid, gid };
        Ok(Unlinked { target, kind, read_only, from: None })
    }

    /// RUN-45.
    fn ssh(self, cwd: &str, index: usize, read_only: bool) -> Result<Unlinked, Wrong> {
        if self.source.is_some() {
            return Err(wrong("D-44", "ssh does not support source"));
        }
        let target = match self.target.filter(|target| !target.is_empty()) {
            Some(target) => absolute(cwd, &target),
            None => format!("/run/buildkit/ssh_agent.{index}"),
        };
        if target == "/" {
            return Err(wrong("D-45", "invalid mount target \"/\""));
        }
        let id = self.id.filter(|id| !id.is_empty()).unwrap_or_else(|| "default".to_owned());
        let (mode, uid, gid) = (self.mode.unwrap_or(0o600), self.uid.unwrap_or(0), self.gid.unwrap_or(0));
        let kind = MountKind::Ssh { id, required: self.required, mode, uid, gid };
        Ok(Unlinked { target, kind, read_only, from: None })
    }
}

/// The default id of a cache: its target as written, cleaned (RUN-41).
fn clean(written: &str) -> String {
    if written.starts_with('/') {
        return absolute("/", written);
    }
    // What climbs out of the directory it is written in is not the same cache as what stays in it.
    let climbs = written.split('/').scan(0_i32, |depth, part| {
        *depth += match part {
            "" | "." => 0,
            ".." => -1,
            _ => 1,
        };
        Some(*depth)
    });
    let up = usize::try_from(-climbs.min().unwrap_or(0)).unwrap_or(0);
    format!("{}{}", "../".repeat(up), &absolute("/", written)[1..])
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "1" | "t" | "true" => Some(true),
        "0" | "f" | "false" => Some(false),
        _ => None,
    }
}

/// A number of bytes with a binary unit: `64m`, `1.5g`, `4096` (RUN-43).
fn bytes(text: &str) -> Option<u64> {
    let lower = text.trim().to_lowercase();
    let plain = lower.strip_suffix("ib").or_else(|| lower.strip_suffix('b')).unwrap_or(&lower);
    let (number, shift) = match plain.chars().last()? {
        'k' => (&plain[..plain.len() - 1], 10),
        'm' => (&plain[..plain.len() - 1], 20),
        'g' => (&plain[..plain.len() - 1], 30),
        't' => (&plain[..plain.len() - 1], 40),
        'p' => (&plain[..plain.len() - 1], 50),
        _ => (plain, 0),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(1 << shift);
    }
    let number: f64 = number.parse().ok().filter(|number| (0.0..1e6).contains(number))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "checked to be small and positive"
    )]
    let size = (number * (1_u64 << shift) as f64) as u64;
    Some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(text: &str) -> Result<Unlinked, Wrong> {
        read(text, "/work", "", 0, &|value| Ok(value.to_owned()))
    }

    #[test]
    fn run_31_to_46_mistakes() {
        for (text, code, message) in [
            ("type=foo,target=/x", "D-35", "unsupported mount type \"foo\""),
            ("typ=bind,target=/x", "D-36", "unexpected key 'typ' in 'typ=bind'"),
            ("foo,target=/x", "D-37", "invalid field 'foo' must be a key=value pair"),
            ("target=/x,ro=maybe", "D-38", "invalid value for ro: maybe"),
            ("type=cache,target=/x,uid=a", "D-38", "invalid value a for uid"),
            ("target=/x,size=1m", "D-39", "unexpected key 'size' for mount type 'bind'"),
            ("required,type=secret,id=a", "D-39", "unexpected key 'required' for mount type 'bind'"),
            ("target=/x,mode=0700", "D-40", "mode not allowed for \"bind\" type mounts"),
            ("type=cache,target=/x,sharing=all", "D-41", "unsupported sharing value \"all\""),
            ("target=/x,sharing=shared", "D-42", "invalid cache sharing set for bind mount"),
            ("type=secret", "D-43", "invalid secret mount. one of source, target required"),
            ("type=secret,id=a,env=", "D-43", "secret mount with an empty env"),
            ("type=secret,id=a,from=b", "D-43", "secret mount should not have a from"),
            ("type=ssh,source=/x", "D-44", "ssh does not support source"),
            ("type=tmpfs,target=/", "D-45", "invalid mount target \"/\""),
        ] {
            let found = mount(text).unwrap_err();
            assert_eq!((found.code, found.message.as_str()), (code, message), "{text}");
        }
    }

    #[test]
    fn run_35_to_45_defaults() {
        let bind = mount("target=x").unwrap();
        assert_eq!((bind.target.as_str(), bind.read_only), ("/work/x", true));
        let cache = mount("type=cache,target=/root/./c/").unwrap();
        assert!(matches!(&cache.kind, MountKind::Cache { id, mode: 0o755, .. } if id == "/root/c"), "{cache:?}");
        assert!(!cache.read_only);
        for (target, want) in [("c/./d/", "c/d"), ("../c", "../c"), ("a/../../c", "../c"), ("../../c", "../../c")] {
            let cache = mount(&format!("type=cache,target={target}")).unwrap();
            assert!(matches!(&cache.kind, MountKind::Cache { id, .. } if id == want), "{cache:?}");
        }
        let secret = mount("type=secret,id=a/b").unwrap();
        assert_eq!(secret.target, "/run/secrets/b");
        let variable = mount("type=secret,id=a,env=A").unwrap();
        assert!(matches!(&variable.kind, MountKind::Secret { file: false, .. }), "{variable:?}");
        assert_eq!(mount("type=tmpfs,target=/t,size=1k").unwrap().kind, MountKind::Tmpfs { size: Some(1024) });
    }
}
