//! Which flags each instruction takes, and whether those given are right (LEX-44, LEX-45).

use super::grammar::lexical::RawFlag;
use super::lines::Logical;
use super::{Flag, Keyword, suggest};

/// What a flag takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Takes {
    /// A value, once.
    Value,
    /// A value, as often as one likes.
    Values,
    /// Nothing, `true` or `false`.
    Switch,
}

/// A flag that is not right.
pub(super) struct Wrong<'a> {
    pub(super) at: &'a str,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

fn table(keyword: Keyword) -> &'static [(&'static str, Takes)] {
    use Takes::{Switch, Value, Values};
    match keyword {
        Keyword::From => &[("platform", Value)],
        Keyword::Run => &[("mount", Values), ("network", Value), ("security", Value), ("device", Values)],
        Keyword::Copy => &[
            ("from", Value),
            ("chown", Value),
            ("chmod", Value),
            ("link", Switch),
            ("parents", Switch),
            ("exclude", Values),
        ],
        Keyword::Add => &[
            ("chown", Value),
            ("chmod", Value),
            ("link", Switch),
            ("keep-git-dir", Switch),
            ("checksum", Value),
            ("unpack", Switch),
            ("exclude", Values),
        ],
        Keyword::Healthcheck => &[
            ("interval", Value),
            ("timeout", Value),
            ("start-period", Value),
            ("start-interval", Value),
            ("retries", Value),
        ],
        _ => &[],
    }
}

/// Whether an instruction drops its flags unread (LEX-45).
pub(super) fn drops(keyword: Keyword) -> bool {
    matches!(keyword, Keyword::Arg | Keyword::StopSignal)
}

/// Checks the flags of an instruction.
pub(super) fn check<'a>(
    keyword: Keyword,
    raw: &[RawFlag<'a>],
    line: &Logical,
) -> Result<Vec<Flag>, Wrong<'a>> {
    let known = table(keyword);
    let mut flags: Vec<Flag> = Vec::new();
    for RawFlag { text, at } in raw {
        let wrong = |code, message, help| Err(Wrong { at, code, message, help });
        let bare = text.strip_prefix("--").unwrap_or(text);
        let (name, value) = match bare.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (bare, None),
        };
        let Some((_, takes)) = known.iter().find(|(known, _)| *known == name) else {
            let near = suggest(name, known.iter().map(|(known, _)| *known));
            let help = match near {
                Some(near) => Some(format!("did you mean `--{near}`?")),
                None if known.is_empty() => Some(format!("{keyword} takes no flags")),
                None => None,
            };
            return wrong("D-10", format!("unknown flag: --{name}"), help);
        };
        if *takes != Takes::Values && flags.iter().any(|flag| flag.name == name) {
            return wrong("D-11", format!("duplicate flag specified: --{name}"), None);
        }
        match (takes, value) {
            (Takes::Value | Takes::Values, None) => {
                let help = Some(format!("write `--{name}=VALUE`"));
                return wrong("D-12", format!("missing a value on flag: --{name}"), help);
            }
            (Takes::Switch, Some("")) => return wrong("D-12", format!("missing a value on flag: --{name}"), None),
            (Takes::Switch, Some(value)) if !is_bool(value) => {
                let message = format!("expecting boolean value for flag --{name}, not: {value}");
                return wrong("D-13", message, Some(format!("write `--{name}` or `--{name}=false`")));
            }
            _ => {}
        }
        flags.push(Flag { name: name.to_owned(), value: value.map(str::to_owned), span: line.span(at) });
    }
    Ok(flags)
}

fn is_bool(value: &str) -> bool {
    value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
}
