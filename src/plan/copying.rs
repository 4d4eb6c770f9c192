//! COPY and ADD: sources, destination and flags after expansion (COPY-3 to COPY-5, COPY-11, COPY-63, COPY-71, ADD-2,
//! ADD-12, ADD-21).

use crate::dockerfile::{AddFlags, CopyFlags, Copying, Diagnostic, Source as From, Span, Word};
use crate::remote::{GitReference, GitReferenceError, is_url, redacted};
use crate::rootfs::Chmod;

use super::evaluate::{Evaluated, Evaluator, Source};
use super::expand::{Unset, expand, expand_body};
use super::run::without_tabs;
use super::stages::expansion_error;
use super::{CopyFrom, CopyOp, CopySource, Op};

impl Source<'_> {
    /// Where errors about one source of COPY or ADD are shown.
    fn span_of(&self, written: &From) -> Span {
        match written {
            From::Path(word) if !self.is_trigger => word.span,
            From::Path(_) | From::Heredoc(_) => self.at.span,
        }
    }
}

impl Evaluator<'_> {
    pub(super) fn copy(
        &mut self,
        source: &Source<'_>,
        copying: &Copying,
        flags: &CopyFlags,
    ) -> Evaluated<(Op, Option<String>)> {
        let from = match &flags.from {
            None => CopyFrom::Context,
            Some(word) => self.copied_from(source, word)?,
        };
        let op = self.operation(source, copying, CopyOp { from, parents: flags.parents, ..CopyOp::blank(false) })?;
        for (written, found) in copying.sources.iter().zip(&op.sources) {
            match found {
                CopySource::Url(_) => {
                    let found = source.error("D-85", source.span_of(written), "source can't be a URL for COPY");
                    return Err(Box::new(found.help("use ADD")));
                }
                CopySource::Git(_) => return Err(git_for_copy(source, written)),
                CopySource::Path(_) | CopySource::Heredoc { .. } => {}
            }
        }
        let history = self.history("COPY", copying, &op);
        Ok((Op::Copy(Box::new(op)), Some(history)))
    }

    pub(super) fn add(
        &mut self,
        source: &Source<'_>,
        copying: &Copying,
        flags: &AddFlags,
    ) -> Evaluated<(Op, Option<String>)> {
        let checksum = match &flags.checksum {
            None => None,
            Some(word) => Some(self.expand(source, word)?).filter(|text| !text.is_empty()),
        };
        let start = CopyOp { unpack: flags.unpack, keep_git_dir: flags.keep_git_dir, checksum, ..CopyOp::blank(true) };
        let mut op = self.operation(source, copying, start)?;
        if let (Some(checksum), Some(word)) = (&op.checksum, &flags.checksum) {
            let wrong = |message: &str| Err(source.error("D-90", word.span, message));
            if op.sources.len() > 1 {
                return wrong("checksum can't be specified for multiple sources");
            }
            if !matches!(op.sources.first(), Some(CopySource::Url(_) | CopySource::Git(_))) {
                return wrong("checksum requires HTTP(S) or Git sources");
            }
            if matches!(op.sources.first(), Some(CopySource::Url(_)))
                && checksum.parse::<crate::image::Digest>().is_err()
            {
                return wrong(&format!("invalid checksum digest format: {checksum}"));
            }
        }
        let (keep, checksum) = (op.keep_git_dir, op.checksum.clone());
        for (written, found) in copying.sources.iter().zip(&mut op.sources) {
            if let CopySource::Git(reference) = found {
                let wrong = |(code, message)| source.error(code, source.span_of(written), message);
                merge_flags(reference, keep, checksum.as_deref()).map_err(wrong)?;
            }
        }
        let history = self.history("ADD", copying, &op);
        Ok((Op::Copy(Box::new(op)), Some(history)))
    }

    /// COPY-11, EXP-4.
    fn copied_from(&self, source: &Source<'_>, word: &Word) -> Evaluated<CopyFrom> {
        let name = &word.text;
        let unchanged = expand(name, '\\', &|_| None).is_ok_and(|expanded| expanded == *name);
        if !unchanged {
            let message = "variable expansion is not supported for --from, define a new stage with FROM using ARG from \
                           global scope as a workaround";
            return Err(source.error("D-82", word.span, message));
        }
        let stage =
            self.planner.stages.copied_from(name).map_err(|message| source.error("D-83", word.span, message))?;
        if let Some(stage) = stage {
            return match self.numbers[stage] {
                Some(number) if stage < self.index => Ok(CopyFrom::Stage(number)),
                _ => {
                    let here = self.planner.stages.all[self.index].label();
                    let message = format!(
                        "cannot copy from stage \"{name}\", it needs to be defined before current stage \"{here}\""
                    );
                    Err(source.error("D-84", word.span, message))
                }
            };
        }
        match self.planner.outside(name, &self.scope.platform) {
            Ok(found) => Ok(found.into()),
            Err(error) => {
                let found = source.error("D-27", word.span, error.message);
                Err(Box::new(Diagnostic { help: error.help, ..*found }))
            }
        }
    }

    fn operation(&self, source: &Source<'_>, copying: &Copying, start: CopyOp) -> Evaluated<CopyOp> {
        let optional = |word: &Option<Word>| match word {
            None => Ok(None),
            Some(word) => self.expand(source, word).map(|text| Some(text).filter(|text| !text.is_empty())),
        };
        let (chown, chmod) = (optional(&copying.chown)?, optional(&copying.chmod)?);
        if let (Some(mode), Some(word)) = (&chmod, &copying.chmod)
            && let Err(found) = Chmod::parse(mode)
        {
            return Err(source.error("D-86", word.span, found.to_string()));
        }
        let mut sources = Vec::new();
        for written in &copying.sources {
            sources.push(match written {
                From::Path(word) => {
                    let text = self.expand(source, word)?;
                    match source_kind(text) {
                        Ok(kind) => kind,
                        Err(found) if start.add => {
                            return Err(source.error("D-91", source.span_of(written), found.to_string()));
                        }
                        Err(_) => return Err(git_for_copy(source, written)),
                    }
                }
                From::Heredoc(heredoc) => {
                    let body = if heredoc.strip_tabs { without_tabs(&heredoc.body) } else { heredoc.body.clone() };
                    let body = if heredoc.expand {
                        let mut unset = Unset::new();
                        let text = expand_body(&body, &|name| self.scope.variables.get(name), &mut unset)
                            .map_err(|found| Box::new(expansion_error(source.at, source.at.span, &found)))?;
                        self.undefined(source, source.at.span, unset);
                        self.charge(source, source.at.span, text.len())?;
                        text
                    } else {
                        body
                    };
                    CopySource::Heredoc { name: heredoc.name.clone(), content: body.into_bytes() }
                }
            });
        }
        let destination = self.expand(source, &copying.destination)?;
        Ok(CopyOp {
            sources,
            spans: copying.sources.iter().map(|written| source.span_of(written)).collect(),
            destination: super::path::destination(self.scope.cwd(), &destination),
            // COPY-43: with a mode the reference does not link.
            link: copying.link && chmod.is_none(),
            chown,
            chmod,
            exclude: copying.exclude.clone(),
            ..start
        })
    }

    /// COPY-71.
    fn history(&self, keyword: &str, copying: &Copying, op: &CopyOp) -> String {
        let mut text = keyword.to_owned();
        if op.parents {
            text.push_str(" --parents");
        }
        for (name, value) in [("chown", &op.chown), ("chmod", &op.chmod)] {
            if let Some(value) = value {
                text.extend([" --", name, "=", value]);
            }
        }
        let (heredocs, paths): (Vec<_>, Vec<_>) =
            op.sources.iter().partition(|source| matches!(source, CopySource::Heredoc { .. }));
        for source in paths.into_iter().chain(heredocs) {
            text.push(' ');
            match source {
                CopySource::Path(name) => text.push_str(name),
                CopySource::Url(url) => text.push_str(&redacted(url)),
                CopySource::Git(reference) => text.push_str(&reference.shown),
                CopySource::Heredoc { name, .. } => text.extend(["<<", name]),
            }
        }
        let escape = self.planner.escape;
        let written = expand(&copying.destination.text, escape, &|name| self.scope.variables.get(name))
            .unwrap_or_else(|_| op.destination.clone());
        text + " " + &written + " # buildkit"
    }
}

/// D-85.
fn git_for_copy(source: &Source<'_>, written: &From) -> Box<Diagnostic> {
    let found = source.error("D-85", source.span_of(written), "source can't be a git ref for COPY");
    Box::new(found.help("use ADD"))
}

/// ADD-2, ADD-20.
fn source_kind(text: String) -> Result<CopySource, GitReferenceError> {
    Ok(match GitReference::parse(&text)? {
        Some(reference) => CopySource::Git(Box::new(reference)),
        None if is_url(&text) => CopySource::Url(text),
        None => CopySource::Path(text),
    })
}

/// What the flags of ADD say of a repository, which its query must not contradict (ADD-21, D-91). The error is a code and a message.
fn merge_flags(
    reference: &mut GitReference,
    keep: Option<bool>,
    checksum: Option<&str>,
) -> Result<(), (&'static str, String)> {
    if let (Some(query), Some(flag)) = (reference.keep_git_dir, keep)
        && query != flag
    {
        return Err(("D-91", "inconsistent keep-git-dir configuration".to_owned()));
    }
    reference.keep_git_dir = keep.or(reference.keep_git_dir);
    let Some(checksum) = checksum else { return Ok(()) };
    let query = reference.checksum.take();
    reference.set_checksum(checksum).map_err(|found| ("D-90", found.to_string()))?;
    match query {
        Some(query) if reference.checksum.as_ref() != Some(&query) => {
            Err(("D-91", format!("checksum mismatch \"{query}\" != \"{checksum}\"")))
        }
        _ => Ok(()),
    }
}
