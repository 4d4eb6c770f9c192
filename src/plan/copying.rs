use std::collections::BTreeMap;

use crate::dockerfile::{AddFlags, CopyFlags, Copying, Diagnostic, Source, Word};
use crate::image::Digest;

use super::expand::expand_body;
use super::graph::copied_stage;
use super::place::Problem;
use super::state::{Site, State};
use super::{CopyFrom, CopyOp, CopySource, Found, Op, paths, reach, run, values};

/// COPY: the operation and its history text.
pub(super) fn copy(
    site: &mut Site<'_>,
    state: &State,
    copying: &Copying,
    flags: &CopyFlags,
) -> Result<(Op, String), Diagnostic> {
    let (mut op, created_by) = evaluate(site, state, copying, Kind::Copy { parents: flags.parents })?;
    if let Some(from) = &flags.from {
        op.from = copy_from(site, state, from)?;
    }
    op.parents = flags.parents;
    Ok((Op::Copy(Box::new(op)), created_by))
}

/// ADD: the operation and its history text.
pub(super) fn add(
    site: &mut Site<'_>,
    state: &State,
    copying: &Copying,
    flags: &AddFlags,
) -> Result<(Op, String), Diagnostic> {
    let (mut op, created_by) = evaluate(site, state, copying, Kind::Add)?;
    op.unpack = flags.unpack;
    op.keep_git_dir = flags.keep_git_dir;
    if let Some(word) = &flags.checksum {
        let checksum = site.word(state, word)?;
        if !checksum.is_empty() {
            check_checksum(&checksum, &op.sources)
                .map_err(|message| site.error_at(site.place.of_word(word), Problem::new("D-90", message)))?;
            op.checksum = Some(checksum);
        }
    }
    Ok((Op::Copy(Box::new(op)), created_by))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Copy { parents: bool },
    Add,
}

impl Kind {
    fn keyword(self) -> &'static str {
        if self == Self::Add { "ADD" } else { "COPY" }
    }
}

/// What COPY and ADD share; the history text is COPY-71's.
fn evaluate(site: &mut Site<'_>, state: &State, copying: &Copying, kind: Kind) -> Result<(CopyOp, String), Diagnostic> {
    let mut text = kind.keyword().to_owned();
    if kind == (Kind::Copy { parents: true }) {
        text.push_str(" --parents");
    }
    let option = |name: &str, word: &Option<Word>, text: &mut String| -> Result<Option<String>, Diagnostic> {
        let value = word.as_ref().map(|word| site.word(state, word)).transpose()?.filter(|value| !value.is_empty());
        if let Some(value) = &value {
            text.push_str(&format!(" --{name}={value}"));
        }
        Ok(value)
    };
    let chown = option("chown", &copying.chown, &mut text)?;
    let chmod = option("chmod", &copying.chmod, &mut text)?;
    if let (Some(mode), Some(word)) = (&chmod, &copying.chmod)
        && !values::is_mode(mode)
    {
        let message = format!("invalid chmod parameter: '{mode}'. it should be octal string and between 0 and 07777");
        let problem =
            Problem { help: Some("or symbolic, such as `u+x,go-w`".to_owned()), ..Problem::new("D-86", message) };
        return Err(site.error_at(site.place.of_word(word), problem));
    }
    let sources = sources(site, state, copying, kind, &mut text)?;
    let destination = site.word(state, &copying.destination)?;
    text.push_str(&format!(" {destination} # buildkit"));
    if sources.len() > 1 && !destination.ends_with('/') && !destination.ends_with('.') {
        site.warn("COPY-6", "with several sources the destination should be a directory and end with /");
    }
    let op = CopyOp {
        add: kind == Kind::Add,
        from: CopyFrom::Context,
        sources,
        destination: paths::destination(&state.directory(), &destination),
        chown,
        link: copying.link && chmod.is_none(),
        chmod,
        parents: false,
        exclude: copying.exclude.clone(),
        unpack: None,
        checksum: None,
        keep_git_dir: None,
    };
    Ok((op, text))
}

/// Files first, then heredocs, of which equal names hold the last body (COPY-62).
fn sources(
    site: &Site<'_>,
    state: &State,
    copying: &Copying,
    kind: Kind,
    text: &mut String,
) -> Result<Vec<CopySource>, Diagnostic> {
    let mut sources = Vec::new();
    let mut names = Vec::new();
    let mut bodies = BTreeMap::new();
    for source in &copying.sources {
        match source {
            Source::Path(word) => {
                let path = site.word(state, word)?;
                text.push_str(&format!(" {path}"));
                sources.push(
                    source_of(path, kind)
                        .map_err(|message| site.error_at(site.place.of_word(word), Problem::new("D-85", message)))?,
                );
            }
            Source::Heredoc(heredoc) => {
                let body = run::body(heredoc);
                let body = if heredoc.expand {
                    expand_body(&body, &state.env)
                        .map_err(|error| site.error(Problem::expansion(&format!("<<{}", heredoc.name), &error)))?
                } else {
                    body
                };
                bodies.insert(&heredoc.name, body);
                names.push(&heredoc.name);
            }
        }
    }
    for name in names {
        text.push_str(&format!(" <<{name}"));
        let content = bodies.get(name).map(|body| body.as_bytes().to_vec()).unwrap_or_default();
        sources.push(CopySource::Heredoc { name: name.clone(), content });
    }
    Ok(sources)
}

/// ADD-2, COPY-4.
fn source_of(path: String, kind: Kind) -> Result<CopySource, &'static str> {
    match (values::is_git(&path), values::is_url(&path), kind) {
        (_, true, Kind::Copy { .. }) => Err("source can't be a URL for COPY"),
        (true, _, Kind::Copy { .. }) => Err("source can't be a git ref for COPY"),
        (true, _, Kind::Add) => Ok(CopySource::Git(path)),
        (_, true, Kind::Add) => Ok(CopySource::Url(path)),
        _ => Ok(CopySource::Path(path)),
    }
}

/// ADD-12, as far as it shows before anything is fetched.
fn check_checksum(checksum: &str, sources: &[CopySource]) -> Result<(), String> {
    match sources {
        [CopySource::Url(_)] => {
            checksum.parse::<Digest>().map(|_| ()).map_err(|_| format!("invalid checksum digest format: {checksum}"))
        }
        [CopySource::Git(_)] => {
            let hexadecimal = checksum.bytes().all(|byte| byte.is_ascii_hexdigit());
            if hexadecimal && checksum.len() >= 7 { Ok(()) } else { Err(format!("invalid checksum: {checksum}")) }
        }
        [_] => Err("checksum requires HTTP(S) or Git sources".to_owned()),
        _ => Err("checksum can't be specified for multiple sources".to_owned()),
    }
}

/// COPY-11: a stage by name or number, a named context or an image.
fn copy_from(site: &Site<'_>, state: &State, word: &Word) -> Result<CopyFrom, Diagnostic> {
    let outline = site.shared.outline;
    let name = &word.text;
    let at = |problem| site.error_at(site.place.of_word(word), problem);
    if let Some(stage) = copied_stage(outline, name).map_err(at)? {
        return match site.shared.numbers[stage] {
            Some(number) if stage < site.stage => Ok(CopyFrom::Stage(number)),
            _ => {
                let message = format!(
                    "cannot copy from stage \"{}\", it needs to be defined before current stage \"{}\"",
                    outline.display(stage),
                    outline.display(site.stage)
                );
                Err(at(Problem::new("D-84", message)))
            }
        };
    }
    let (found, _) = reach::find(site.shared.bases, name, &state.platform)
        .map_err(|problem| at(if problem.help.is_some() { problem } else { problem.suggest(name, outline.names()) }))?;
    Ok(match found {
        Found::Image(id, _) => CopyFrom::Image(id),
        Found::Directory(name) => CopyFrom::Directory(name),
        Found::Scratch => CopyFrom::Empty,
    })
}
