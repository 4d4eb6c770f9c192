use super::expand::ExpandError;
use super::place::Problem;
use super::values::{boolean, size};
use super::{Sharing, paths};

/// The types of mounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Type {
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

const TYPES: [(&str, Type); 5] = [
    ("bind", Type::Bind),
    ("cache", Type::Cache),
    ("tmpfs", Type::Tmpfs),
    ("secret", Type::Secret),
    ("ssh", Type::Ssh),
];

const KEYS: [&str; 19] = [
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
    "env",
];

/// The options of one `--mount`, checked against its type (RUN-30 to RUN-45).
#[derive(Debug)]
pub(super) struct MountOptions {
    pub(super) kind: Type,
    pub(super) from: Option<String>,
    pub(super) source: Option<String>,
    pub(super) target: Option<String>,
    pub(super) read_only: Option<bool>,
    pub(super) required: bool,
    pub(super) size: Option<u64>,
    pub(super) id: Option<String>,
    pub(super) sharing: Option<Sharing>,
    pub(super) mode: Option<u32>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) env: Option<String>,
}

/// Splits one CSV record (RUN-30).
pub(super) fn fields(text: &str) -> Result<Vec<String>, Problem> {
    let broken = |why: &str| Problem::new("D-33", format!("failed to parse csv mounts: {why}"));
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let after = if let Some(quoted) = rest.strip_prefix('"') {
            let mut field = String::new();
            let mut inside = quoted;
            loop {
                let (part, after) = inside.split_once('"').ok_or_else(|| broken("a quote is not closed"))?;
                field.push_str(part);
                let Some(more) = after.strip_prefix('"') else { break inside = after };
                field.push('"');
                inside = more;
            }
            fields.push(field);
            inside
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (field, after) = rest.split_at(end);
            if field.contains('"') {
                return Err(broken("a quote within a field that does not begin with one"));
            }
            fields.push(field.to_owned());
            after
        };
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err(broken("text after a closing quote")),
        }
    }
}

/// What `from=` names, without the rest being judged (EXP-5, RUN-32).
pub(super) fn from(fields: &[String]) -> Result<Option<String>, Problem> {
    let mut from = None;
    for field in fields {
        if let Some((key, value)) = field.split_once('=')
            && key.eq_ignore_ascii_case("from")
        {
            if value.find('$').is_some_and(|at| at + 1 < value.len()) {
                let message = "'from' doesn't support variable expansion, define alias stage instead";
                return Err(Problem::new("D-34", message));
            }
            from = Some(value.to_owned());
        }
    }
    Ok(from.filter(|from| !from.is_empty()))
}

impl MountOptions {
    /// Reads the fields; `expand` is for all values but that of `from` (RUN-32).
    pub(super) fn read(
        fields: &[String],
        expand: impl Fn(&str) -> Result<String, ExpandError>,
    ) -> Result<Self, Problem> {
        let mut options = Self {
            kind: Type::Bind,
            from: from(fields)?,
            source: None,
            target: None,
            read_only: None,
            required: false,
            size: None,
            id: None,
            sharing: None,
            mode: None,
            uid: None,
            gid: None,
            env: None,
        };
        for field in fields {
            let (key, value) = match field.split_once('=') {
                Some((key, value)) => (key.to_lowercase(), Some(value)),
                None => (field.to_lowercase(), None),
            };
            if key == "from" && value.is_some() {
                continue;
            }
            let value = match value {
                Some(text) => Some(expand(text).map_err(|error| Problem::expansion(text, &error))?),
                None if matches!(key.as_str(), "readonly" | "ro" | "readwrite" | "rw" | "required") => None,
                None => {
                    let message = format!("invalid field '{field}' must be a key=value pair");
                    return Err(Problem::new("D-37", message));
                }
            };
            options.set(&key, value, field)?;
        }
        options.check()?;
        Ok(options)
    }

    fn set(&mut self, key: &str, value: Option<String>, field: &str) -> Result<(), Problem> {
        let flag = |value: &Option<String>| match value {
            None => Ok(true),
            Some(text) => boolean(text).ok_or_else(|| invalid(key, text)),
        };
        let text = value.clone().unwrap_or_default();
        match key {
            "type" => {
                let wanted = text.to_lowercase();
                let found = TYPES.iter().find(|(name, _)| *name == wanted);
                self.kind = found.map(|(_, kind)| *kind).ok_or_else(|| {
                    let names = TYPES.iter().map(|(name, _)| *name);
                    Problem::new("D-35", format!("unsupported mount type \"{text}\"")).suggest(&text, names)
                })?;
            }
            "source" | "src" => self.source = value,
            "target" | "dst" | "destination" => self.target = value,
            "readonly" | "ro" => self.read_only = Some(flag(&value)?),
            "readwrite" | "rw" => self.read_only = Some(!flag(&value)?),
            "required" if matches!(self.kind, Type::Secret | Type::Ssh) => self.required = flag(&value)?,
            "size" if self.kind == Type::Tmpfs => self.size = Some(size(&text).ok_or_else(|| invalid(key, &text))?),
            "required" | "size" => return Err(self.foreign(key)),
            "id" => self.id = value,
            "sharing" => {
                self.sharing = Some(match text.to_lowercase().as_str() {
                    "shared" => Sharing::Shared,
                    "private" => Sharing::Private,
                    "locked" => Sharing::Locked,
                    _ => {
                        let problem = Problem::new("D-41", format!("unsupported sharing value \"{text}\""));
                        return Err(problem.suggest(&text, ["shared", "private", "locked"]));
                    }
                });
            }
            "mode" => self.mode = Some(number(key, &text, 8)?),
            "uid" => self.uid = Some(number(key, &text, 10)?),
            "gid" => self.gid = Some(number(key, &text, 10)?),
            "env" => self.env = value,
            _ => {
                let problem = Problem::new("D-36", format!("unexpected key '{key}' in '{field}'"));
                return Err(problem.suggest(key, KEYS));
            }
        }
        Ok(())
    }

    /// A key that does not belong to the type that was named before it (RUN-33).
    fn foreign(&self, key: &str) -> Problem {
        let problem = Problem::new("D-39", format!("unexpected key '{key}' for mount type '{}'", self.kind.name()));
        Problem { help: Some("`type=` must stand before it".to_owned()), ..problem }
    }

    /// What only the whole shows.
    fn check(&mut self) -> Result<(), Problem> {
        let kind = self.kind.name();
        if matches!(self.kind, Type::Bind | Type::Tmpfs) {
            for (key, given) in [("mode", self.mode), ("uid", self.uid), ("gid", self.gid)] {
                if given.is_some() {
                    return Err(Problem::new("D-40", format!("{key} not allowed for \"{kind}\" type mounts")));
                }
            }
        }
        match self.kind {
            Type::Secret => self.check_secret()?,
            Type::Ssh if self.source.is_some() => return Err(Problem::new("D-44", "ssh does not support source")),
            Type::Tmpfs if self.source.is_some() => return Err(self.foreign_source()),
            _ => {}
        }
        if self.sharing.is_some() && self.kind != Type::Cache {
            return Err(Problem::new("D-42", format!("invalid cache sharing set for {kind} mount")));
        }
        Ok(())
    }

    fn foreign_source(&self) -> Problem {
        Problem::new("D-39", format!("unexpected key 'source' for mount type '{}'", self.kind.name()))
    }

    /// RUN-44. The id stands in `id` afterwards.
    fn check_secret(&mut self) -> Result<(), Problem> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let message = if self.from.is_some() {
            "secret mount should not have a from"
        } else if self.sharing.is_some() {
            "secret mount should not define sharing"
        } else if filled(&self.id).is_some() && filled(&self.source).is_some() {
            "both source and id can't be set"
        } else if self.env.as_deref() == Some("") {
            "secret mount with an empty env"
        } else {
            let id = filled(&self.id).or_else(|| filled(&self.source));
            self.id = id.or_else(|| filled(&self.target).map(|target| paths::base(&target)));
            if self.id.as_deref().is_some_and(|id| !id.is_empty()) {
                return Ok(());
            }
            "invalid secret mount. one of source, target required"
        };
        Err(Problem::new("D-43", message))
    }
}

impl Type {
    pub(super) fn name(self) -> &'static str {
        TYPES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

fn invalid(key: &str, value: &str) -> Problem {
    Problem::new("D-38", format!("invalid value for {key}: {value}"))
}

fn number(key: &str, text: &str, radix: u32) -> Result<u32, Problem> {
    // The number parser of the language would take a plus sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| u32::from_str_radix(text, radix).ok()).flatten();
    number.ok_or_else(|| Problem::new("D-38", format!("invalid value {text} for {key}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<MountOptions, String> {
        fields(text)
            .and_then(|fields| MountOptions::read(&fields, |value| Ok(value.to_owned())))
            .map_err(|problem| problem.message)
    }

    #[test]
    fn run_30_records_are_csv() {
        for (text, want) in [
            ("type=bind,target=/m", Ok(vec!["type=bind", "target=/m"])),
            ("\"source=a,b\",ro", Ok(vec!["source=a,b", "ro"])),
            ("\"a=\"\"b\"\"\"", Ok(vec!["a=\"b\""])),
            ("", Ok(vec![""])),
            ("a,", Ok(vec!["a", ""])),
            ("\"a", Err(())),
            ("a\"b", Err(())),
            ("\"a\"b", Err(())),
        ] {
            let want = want.map(|fields| fields.into_iter().map(str::to_owned).collect());
            assert_eq!(fields(text).map_err(|_| ()), want, "{text}");
        }
    }

    #[test]
    fn run_31_keys_are_read() {
        let cache = read("TYPE=Cache,dst=c,ID=x,sharing=LOCKED,mode=0770,uid=1,gid=2,ro=false").unwrap();
        assert_eq!(cache.kind, Type::Cache);
        assert_eq!((cache.target.as_deref(), cache.id.as_deref()), (Some("c"), Some("x")));
        assert_eq!(
            (cache.sharing, cache.mode, cache.uid, cache.gid),
            (Some(Sharing::Locked), Some(0o770), Some(1), Some(2))
        );
        assert_eq!(cache.read_only, Some(false));
        assert_eq!(read("rw,target=/m").unwrap().read_only, Some(false));
        assert_eq!(read("type=tmpfs,target=/m,size=1m,from=x").unwrap().size, Some(1 << 20));
        assert_eq!(read("type=secret,target=/a/tok").unwrap().id.as_deref(), Some("tok"));
        assert!(read("type=ssh,required").unwrap().required);
        assert!(read("target=/m,env=X").is_ok());
    }

    #[test]
    fn d_34_to_d_44_wrong_options() {
        for (text, want) in [
            ("from=$X,target=/m", "'from' doesn't support variable expansion, define alias stage instead"),
            ("type=volume", "unsupported mount type \"volume\""),
            ("type=", "unsupported mount type \"\""),
            ("type=cache,taget=/m", "unexpected key 'taget' in 'taget=/m'"),
            ("nonsense", "invalid field 'nonsense' must be a key=value pair"),
            ("ro=perhaps", "invalid value for ro: perhaps"),
            ("type=cache,mode=0988", "invalid value 0988 for mode"),
            ("type=secret,id=s,gid=staff", "invalid value staff for gid"),
            ("type=cache,uid=+1", "invalid value +1 for uid"),
            ("type=tmpfs,size=large", "invalid value for size: large"),
            ("size=1m,type=tmpfs", "unexpected key 'size' for mount type 'bind'"),
            ("target=/m,required", "unexpected key 'required' for mount type 'bind'"),
            ("target=/m,mode=0700", "mode not allowed for \"bind\" type mounts"),
            ("type=tmpfs,uid=5", "uid not allowed for \"tmpfs\" type mounts"),
            ("type=cache,sharing=exclusive", "unsupported sharing value \"exclusive\""),
            ("sharing=locked", "invalid cache sharing set for bind mount"),
            ("type=ssh,sharing=shared", "invalid cache sharing set for ssh mount"),
            ("type=secret,id=s,from=busybox", "secret mount should not have a from"),
            ("type=secret,id=s,sharing=shared", "secret mount should not define sharing"),
            ("type=secret", "invalid secret mount. one of source, target required"),
            ("type=secret,env=X", "invalid secret mount. one of source, target required"),
            ("type=secret,id=s,source=t", "both source and id can't be set"),
            ("type=ssh,source=x", "ssh does not support source"),
            ("type=tmpfs,source=/x", "unexpected key 'source' for mount type 'tmpfs'"),
        ] {
            assert_eq!(read(text).map(|_| ()), Err(want.to_owned()), "{text}");
        }
    }
}
