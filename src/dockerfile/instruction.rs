//! One instruction: flags checked, arguments read by the grammar, put together as a syntax tree.

use super::grammar::arguments::{RawCommand, RawList, RawPair, duration};
use super::grammar::heredocs::heredoc_word;
use super::grammar::instructions::{Arguments, arguments};
use super::grammar::json::json_array;
use super::grammar::lexical::{flags as read_flags, keyword as read_keyword};
use super::grammar::{Failure, Fault};
use super::lines::Logical;
use super::{
    AddFlags, ArgPair, Command, CommandLine, CopyFlags, Copying, Diagnostic, Flag, Heredoc, Instruction, Keyword,
    Onbuild, Pair, Source, Span, Word, bodies, flags, suggest,
};

/// What an instruction is made of.
pub(super) struct Pieces<'a> {
    pub(super) keyword: Keyword,
    pub(super) word: &'a str,
    pub(super) rest: &'a str,
    pub(super) heredocs: Vec<Heredoc>,
    pub(super) logical: &'a Logical,
    pub(super) doc: String,
    pub(super) escape: char,
}

type Built<T> = Result<T, Box<Diagnostic>>;

/// Puts an instruction together.
pub(super) fn build(pieces: Pieces<'_>) -> Built<Instruction> {
    let line = Builder { logical: pieces.logical, escape: pieces.escape };
    let keyword = pieces.keyword;
    let (text, raw_flags) = if keyword == Keyword::Onbuild || keyword == Keyword::Maintainer {
        (pieces.rest, Vec::new())
    } else {
        read_flags(pieces.escape, pieces.rest).map_err(|error| line.failure(error))?
    };
    let text = text.trim();
    let is_none = keyword == Keyword::Healthcheck && text.get(..4).is_some_and(|kind| kind.eq_ignore_ascii_case("none"));
    let checked = if flags::drops(keyword) || is_none {
        Vec::new()
    } else {
        flags::check(keyword, &raw_flags, pieces.logical).map_err(|wrong| {
            let fault = Fault { code: wrong.code, message: wrong.message, help: wrong.help };
            line.fault(wrong.at, fault)
        })?
    };
    let (_, found) = arguments(keyword, pieces.escape, text).map_err(|error| line.failure(error))?;
    let command = line.command(keyword, found, text, &checked, pieces.heredocs)?;
    Ok(Instruction {
        span: pieces.logical.whole(),
        lines: pieces.logical.lines,
        keyword,
        keyword_text: pieces.word.to_owned(),
        doc: pieces.doc,
        flags: checked,
        command,
        original: pieces.logical.text.clone(),
        empty_continuation: pieces.logical.empty_continuation,
    })
}

struct Builder<'a> {
    logical: &'a Logical,
    escape: char,
}

impl Builder<'_> {
    fn fault(&self, at: &str, fault: Fault) -> Box<Diagnostic> {
        let span = if at.is_empty() { self.logical.whole() } else { self.logical.span(at) };
        let found = Diagnostic::error(fault.code, span, self.logical.lines, fault.message);
        Box::new(Diagnostic { help: fault.help, ..found })
    }

    fn failure(&self, error: nom::Err<Failure<'_>>) -> Box<Diagnostic> {
        match error {
            nom::Err::Failure(Failure { at, fault: Some(fault), .. }) => self.fault(at, fault),
            nom::Err::Error(Failure { at, reading, .. }) | nom::Err::Failure(Failure { at, reading, .. }) => {
                let message = format!("cannot read {}", if reading.is_empty() { "this" } else { reading });
                self.fault(at, Fault { code: "syntax", message, help: None })
            }
            nom::Err::Incomplete(_) => {
                self.fault("", Fault { code: "syntax", message: "the line is cut off".to_owned(), help: None })
            }
        }
    }

    fn wrong(&self, span: Span, code: &'static str, message: impl Into<String>) -> Box<Diagnostic> {
        Box::new(Diagnostic::error(code, span, self.logical.lines, message))
    }

    fn word(&self, text: &str) -> Word {
        Word { text: text.to_owned(), span: self.logical.span(text) }
    }

    fn words(&self, list: RawList<'_>) -> Vec<Word> {
        match list {
            RawList::Plain(words) => words.into_iter().map(|word| self.word(word)).collect(),
            RawList::Json(words, whole) => {
                let span = self.logical.span(whole.trim());
                words.into_iter().map(|text| Word { text, span }).collect()
            }
        }
    }

    fn command_line(&self, command: RawCommand<'_>) -> CommandLine {
        match command {
            RawCommand::Exec(words) => CommandLine::Exec(words),
            RawCommand::Shell(text) => CommandLine::Shell(self.word(text)),
        }
    }

    fn pairs(&self, pairs: &[RawPair<'_>], legacy: bool) -> Vec<Pair> {
        let pair = |pair: &RawPair<'_>| Pair {
            name: self.word(pair.name),
            value: self.word(pair.value.unwrap_or_default()),
            legacy,
        };
        pairs.iter().map(pair).collect()
    }

    fn command(
        &self,
        keyword: Keyword,
        found: Arguments<'_>,
        text: &str,
        flags: &[Flag],
        heredocs: Vec<Heredoc>,
    ) -> Built<Command> {
        Ok(match found {
            Arguments::From { image, name } => Command::From {
                platform: value_of(flags, "platform"),
                image: self.word(image),
                name: name.map(|name| Word { text: name.to_lowercase(), span: self.logical.span(name) }),
            },
            Arguments::Arg(args) => Command::Arg(
                args.iter()
                    .map(|arg| ArgPair { name: self.word(arg.name), default: arg.value.map(|value| self.word(value)) })
                    .collect(),
            ),
            Arguments::Pairs(pairs, legacy) if keyword == Keyword::Env => Command::Env(self.pairs(&pairs, legacy)),
            Arguments::Pairs(pairs, legacy) => Command::Label(self.pairs(&pairs, legacy)),
            Arguments::Command(command) => match keyword {
                Keyword::Run => self.run(command, flags, heredocs)?,
                Keyword::Cmd => Command::Cmd(self.command_line(command)),
                _ => Command::Entrypoint(self.command_line(command)),
            },
            Arguments::Shell(words) => Command::Shell(words),
            Arguments::List(list) => match keyword {
                Keyword::Expose => Command::Expose(self.words(list)),
                Keyword::Volume => Command::Volume(self.words(list)),
                _ => self.copying(keyword, list, flags, heredocs)?,
            },
            Arguments::Single(text) => match keyword {
                Keyword::User => Command::User(self.word(text)),
                Keyword::Workdir => Command::Workdir(self.word(text)),
                Keyword::StopSignal => Command::StopSignal(self.word(text)),
                _ => Command::Maintainer(text.to_owned()),
            },
            Arguments::Healthcheck(test) => self.healthcheck(test, flags)?,
            Arguments::Onbuild(inner) => Command::Onbuild(self.onbuild(inner, text, &heredocs)?),
        })
    }

    fn run(&self, command: RawCommand<'_>, flags: &[Flag], heredocs: Vec<Heredoc>) -> Built<Command> {
        let values = |name: &str| -> Vec<Word> {
            flags.iter().filter(|flag| flag.name == name).map(flag_word).collect()
        };
        let network = value_of(flags, "network");
        if let Some(mode) = &network
            && !matches!(mode.text.as_str(), "default" | "none" | "host")
        {
            let help = suggest(&mode.text, ["default", "none", "host"]).map(|near| format!("did you mean `{near}`?"));
            let found = self.wrong(mode.span, "D-31", format!("invalid network mode \"{}\"", mode.text));
            return Err(Box::new(Diagnostic { help, ..*found }));
        }
        let security = value_of(flags, "security");
        if let Some(mode) = &security
            && !matches!(mode.text.as_str(), "sandbox" | "insecure")
        {
            return Err(self.wrong(mode.span, "D-32", format!("security \"{}\" is not valid", mode.text)));
        }
        let (mounts, devices) = (values("mount"), values("device"));
        for mount in &mounts {
            self.check_mount(mount)?;
        }
        for device in &devices {
            self.check_device(device)?;
        }
        Ok(Command::Run {
            command: self.command_line(command),
            heredocs,
            mounts,
            network: network.map(|mode| mode.text),
            security: security.map(|mode| mode.text),
            devices,
        })
    }

    /// D-33 and D-34; the rest is judged when the instruction is reached (RUN-32).
    fn check_mount(&self, mount: &Word) -> Built<()> {
        let Some(fields) = csv_fields(&mount.text) else {
            return Err(self.wrong(mount.span, "D-33", "failed to parse csv mounts"));
        };
        for field in fields {
            let Some((name, value)) = field.split_once('=') else { continue };
            let inner = &value[..value.len() - value.chars().last().map_or(0, char::len_utf8)];
            if name.eq_ignore_ascii_case("from") && inner.contains('$') {
                let message = "'from' doesn't support variable expansion, define alias stage instead";
                return Err(self.wrong(mount.span, "D-34", message));
            }
        }
        Ok(())
    }

    /// D-48.
    fn check_device(&self, device: &Word) -> Built<()> {
        let Some(fields) = csv_fields(&device.text) else {
            return Err(self.wrong(device.span, "D-48", "failed to parse csv devices"));
        };
        let mut name: Option<String> = None;
        for field in &fields {
            let new = match field.split_once('=') {
                None if field == "required" => continue,
                None => field.clone(),
                Some(("name", value)) => value.to_owned(),
                Some(("required", value)) if matches!(value, "true" | "false" | "1" | "0") => continue,
                Some((key, value)) if key.contains('/') => format!("{key}={value}"),
                Some((key, _)) => {
                    return Err(self.wrong(device.span, "D-48", format!("unexpected key '{key}' in '{field}'")));
                }
            };
            if let Some(known) = &name {
                return Err(self.wrong(device.span, "D-48", format!("device name already set to {known}")));
            }
            name = Some(new);
        }
        Ok(())
    }

    fn copying(
        &self,
        keyword: Keyword,
        list: RawList<'_>,
        flags: &[Flag],
        heredocs: Vec<Heredoc>,
    ) -> Built<Command> {
        let plain = matches!(list, RawList::Plain(_));
        let mut words = self.words(list);
        let Some(destination) = words.pop() else {
            return Err(self.wrong(self.logical.whole(), "D-80", format!("{keyword} requires at least two arguments")));
        };
        if plain && heredoc_word(&destination.text).is_ok() && !heredocs.is_empty() {
            let message = format!("{keyword} cannot accept a heredoc as a destination");
            return Err(self.wrong(destination.span, "D-81", message));
        }
        let mut heredocs = heredocs.into_iter();
        let source = |word: Word| {
            if plain && heredoc_word(&word.text).is_ok() && let Some(heredoc) = heredocs.next() {
                return Source::Heredoc(heredoc);
            }
            Source::Path(word)
        };
        let copying = Copying {
            sources: words.into_iter().map(source).collect(),
            destination,
            chown: value_of(flags, "chown"),
            chmod: value_of(flags, "chmod"),
            link: switch_of(flags, "link").unwrap_or(false),
            exclude: flags.iter().filter(|flag| flag.name == "exclude").filter_map(|flag| flag.value.clone()).collect(),
        };
        Ok(if keyword == Keyword::Copy {
            let parents = switch_of(flags, "parents").unwrap_or(false);
            Command::Copy(copying, CopyFlags { from: value_of(flags, "from"), parents })
        } else {
            let keep_git_dir = switch_of(flags, "keep-git-dir");
            let (checksum, unpack) = (value_of(flags, "checksum"), switch_of(flags, "unpack"));
            Command::Add(copying, AddFlags { keep_git_dir, checksum, unpack })
        })
    }

    fn healthcheck(&self, test: Option<RawCommand<'_>>, flags: &[Flag]) -> Built<Command> {
        let length = |name: &'static str| -> Built<i64> {
            let Some(flag) = flags.iter().find(|flag| flag.name == name) else { return Ok(0) };
            let value = flag.value.as_deref().unwrap_or_default();
            let found = duration(value).map_err(|error| match error {
                nom::Err::Failure(Failure { fault: Some(fault), .. }) => self.wrong(flag.span, fault.code, fault.message),
                other => self.failure(other.map(|failure| Failure { at: "", ..failure })),
            });
            match found?.1 {
                // HC-3: less than a millisecond, but not nothing.
                length if length != 0 && length < 1_000_000 => {
                    Err(self.wrong(flag.span, "D-75", format!("Interval \"{name}\" cannot be less than 1ms")))
                }
                length => Ok(length),
            }
        };
        let retries = match flags.iter().find(|flag| flag.name == "retries") {
            None => 0,
            Some(flag) => {
                let value = flag.value.as_deref().unwrap_or_default();
                match value.parse::<i32>() {
                    _ if value.is_empty() => 0,
                    Ok(count) => u32::try_from(count).map_err(|_| {
                        self.wrong(flag.span, "D-76", format!("--retries cannot be negative ({count})"))
                    })?,
                    Err(_) => {
                        let message = format!("--retries must be a number: parsing {value:?}: invalid syntax");
                        return Err(self.wrong(flag.span, "D-76", message));
                    }
                }
            }
        };
        Ok(Command::Healthcheck {
            test: test.map(|command| self.command_line(command)),
            interval: length("interval")?,
            timeout: length("timeout")?,
            start_period: length("start-period")?,
            start_interval: length("start-interval")?,
            retries,
        })
    }

    /// ONB-1 and ONB-2: of the inner instruction only its word, and that its JSON holds strings, is looked at.
    fn onbuild(&self, inner: &str, text: &str, heredocs: &[Heredoc]) -> Built<Onbuild> {
        let (rest, word) = read_keyword(inner).unwrap_or(("", inner));
        let known = Keyword::from_text(word);
        let span = self.logical.span(word);
        match known {
            Some(Keyword::Onbuild) => {
                return Err(self.wrong(span, "D-77", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"));
            }
            Some(forbidden @ (Keyword::From | Keyword::Maintainer)) => {
                return Err(self.wrong(span, "D-77", format!("{forbidden} isn't allowed as an ONBUILD trigger")));
            }
            _ => {}
        }
        let arguments = read_flags(self.escape, rest).map_or(rest, |(arguments, _)| arguments).trim();
        let json = !matches!(known, Some(Keyword::Env | Keyword::Label | Keyword::Arg | Keyword::User | Keyword::Workdir) | None);
        if json && let Err(error @ nom::Err::Failure(_)) = json_array(arguments) {
            return Err(self.failure(error));
        }
        Ok(Onbuild { text: bodies::attach(text, heredocs), inner: known })
    }
}

fn flag_word(flag: &Flag) -> Word {
    Word { text: flag.value.clone().unwrap_or_default(), span: flag.span }
}

fn value_of(flags: &[Flag], name: &str) -> Option<Word> {
    flags.iter().find(|flag| flag.name == name).map(flag_word)
}

fn switch_of(flags: &[Flag], name: &str) -> Option<bool> {
    let flag = flags.iter().find(|flag| flag.name == name)?;
    Some(flag.value.as_deref().is_none_or(|value| value.eq_ignore_ascii_case("true")))
}

/// The fields of one CSV record (RFC 4180); `None` when its quotes are wrong.
pub fn csv_fields(text: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut field = String::new();
            let mut left = quoted;
            loop {
                let end = left.find('"')?;
                field.push_str(&left[..end]);
                left = &left[end + 1..];
                let Some(more) = left.strip_prefix('"') else { break };
                field.push('"');
                left = more;
            }
            fields.push(field);
            match left.strip_prefix(',') {
                Some(more) => rest = more,
                None if left.is_empty() => return Some(fields),
                None => return None,
            }
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            if rest[..end].contains('"') {
                return None;
            }
            fields.push(rest[..end].to_owned());
            match rest.get(end + 1..) {
                Some(more) => rest = more,
                None => return Some(fields),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_30_csv_records() {
        let fields = |text| csv_fields(text);
        assert_eq!(fields("type=bind,ro"), Some(vec!["type=bind".into(), "ro".into()]));
        assert_eq!(fields(r#""a,b",c"#), Some(vec!["a,b".into(), "c".into()]));
        assert_eq!(fields(r#""a""b""#), Some(vec![r#"a"b"#.into()]));
        assert_eq!(fields(r#"a="b,c""#), None);
        assert_eq!(fields(r#""a"#), None);
    }
}
