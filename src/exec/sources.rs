//! What COPY and ADD take: files at once, repositories once it is known that they are needed.

use std::io;

use crate::cache::Input;
use crate::context;
use crate::copy::{self, CopyError, Selection};
use crate::dockerfile::{Diagnostic, Span};
use crate::download::{self, DownloadError, Downloads};
use crate::git::{self, Access, Git, Revision};
use crate::plan::{CopyOp, CopySource, Step};
use crate::progress::{Event, TaskId};
use crate::remote::GitReference;
use crate::rootfs::{Inode, Kind, Meta, Time};

use super::tree::Scratch;
use super::{Build, ExecError};

/// The sources of one COPY or ADD, in order.
pub(super) struct Sources<'a>(Vec<Source<'a>>);

enum Source<'a> {
    Files(Selection),
    /// Its commit is enough for a key (KEY-2).
    Git(Repository<'a>),
}

struct Repository<'a> {
    reference: &'a GitReference,
    revision: Revision,
    span: Span,
}

impl Sources<'_> {
    /// What is known of the files by now: all but those of repositories.
    pub(super) fn files(&self) -> Selection {
        let mut all = Selection::default();
        for source in &self.0 {
            if let Source::Files(selection) = source {
                all.append(selection.clone());
            }
        }
        all
    }

    /// The commits, for a key.
    pub(super) fn commits(&self) -> Vec<Input> {
        let commits = self.0.iter().enumerate().filter_map(|(number, source)| match source {
            Source::Git(repository) => Some(Input {
                name: format!("commit of source {}", number + 1),
                value: repository.revision.commit.clone(),
            }),
            Source::Files(_) => None,
        });
        commits.collect()
    }
}

impl Build<'_> {
    /// Finds what a COPY or ADD takes. Files by URL are downloaded now: their content is a part of the key (KEY-2).
    pub(super) fn sources<'a>(&self, step: &Step, op: &'a CopyOp, task: TaskId) -> Result<Sources<'a>, ExecError> {
        let failed = |error: io::Error| ExecError::io(step, "cannot read the files to copy from", &error);
        let mut found = Vec::new();
        let mut root = None;
        for (source, span) in op.sources.iter().zip(&op.spans) {
            if self.settings.offline && matches!(source, CopySource::Url(_) | CopySource::Git(_)) {
                let message = "it is fetched from elsewhere, and the build is to stay offline";
                let found = Diagnostic::error("ADD-11", *span, step.lines, message);
                return Err(ExecError::Step(Box::new(
                    found.help("leave `--offline` out, or put the files into the context"),
                )));
            }
            found.push(match source {
                CopySource::Path(path) => {
                    let root = match &root {
                        Some(root) => root,
                        None => root.insert(self.copy_source(&op.from).map_err(failed)?),
                    };
                    Source::Files(copy::select_path(root, op, path).map_err(|error| {
                        let span = if matches!(error, CopyError::Exclude { .. }) { step.span } else { *span };
                        let found = Diagnostic::error(error.code(), span, step.lines, error.to_string());
                        ExecError::Step(Box::new(self.with_way_out(found, &error, op, root)))
                    })?)
                }
                CopySource::Url(url) => Source::Files(self.download(step, op, (url, *span), task)?),
                CopySource::Git(reference) => Source::Git(self.repository(step, reference, *span, task)?),
                CopySource::Heredoc { .. } => continue,
            });
        }
        Ok(Sources(found))
    }

    /// All files, those of repositories fetched now.
    pub(super) fn fetch(&self, step: &Step, op: &CopyOp, sources: Sources<'_>) -> Result<Selection, ExecError> {
        let mut all = Selection::default();
        for source in sources.0 {
            all.append(match source {
                Source::Files(selection) => selection,
                Source::Git(repository) => self.checkout(step, op, &repository)?,
            });
        }
        Ok(all)
    }

    fn repository<'a>(
        &self,
        step: &Step,
        reference: &'a GitReference,
        span: Span,
        task: TaskId,
    ) -> Result<Repository<'a>, ExecError> {
        let revision =
            self.git(reference).and_then(|git| git.resolve()).map_err(|error| git_error(step, span, &error))?;
        self.sink.event(Event::Note { task, text: format!("commit {}", revision.commit) });
        Ok(Repository { reference, revision, span })
    }

    fn git<'a>(&'a self, reference: &'a GitReference) -> Result<Git<'a>, git::Error> {
        let mut access = Access::new(reference, &|name| self.inputs.secret(name))?;
        if reference.is_ssh() {
            access = access.through_agent(self.inputs.agent_socket()?);
        }
        Ok(Git::new(reference, access, self.cancel))
    }

    /// ADD-20: the contents of the checkout.
    fn checkout(&self, step: &Step, op: &CopyOp, repository: &Repository<'_>) -> Result<Selection, ExecError> {
        let failed = |error: io::Error| ExecError::io(step, "cannot keep what git has fetched", &error);
        let wrong = |error: git::Error| git_error(step, repository.span, &error);
        let reference = repository.reference;
        let scratch = Scratch::new(self.store).map_err(failed)?;
        let keep = reference.keep_git_dir == Some(true);
        let git = self.git(reference).map_err(wrong)?;
        let made = git.checkout(&repository.revision, keep, &scratch.dir().join("checkout")).map_err(wrong)?;
        let dir = git.subdirectory(&made.dir).map_err(wrong)?;
        let files = scratch.files_below(&dir).map_err(failed)?;
        let root = context::read_tree(&dir, &files, self.settings.threads)
            .map_err(|error| failed(io::Error::other(error.to_string())))?;
        copy::select_path(&root, op, "/").map_err(|error| ExecError::step(error.code(), step, error.to_string()))
    }

    fn download(
        &self,
        step: &Step,
        op: &CopyOp,
        (url, span): (&str, Span),
        task: TaskId,
    ) -> Result<Selection, ExecError> {
        let at = |code, message: String| Diagnostic::error(code, span, step.lines, message);
        let authorization = download::authorization(url, &|name| self.inputs.secret(name))
            .map_err(|error| ExecError::io(step, "cannot read a secret", &error))?;
        let moved = |done, total| self.sink.event(Event::Bytes { task, done, total });
        let downloads = Downloads { store: self.store, cancel: self.cancel, moved: &moved };
        let file = downloads.get(url, authorization.as_deref()).map_err(|error| match &error {
            DownloadError::Cancelled => ExecError::Cancelled,
            DownloadError::Write(cause) => ExecError::io(step, "cannot keep a download", cause),
            _ => ExecError::Step(Box::new(Diagnostic { help: error.help(), ..at("ADD-11", error.to_string()) })),
        })?;
        if let Some(wanted) = &op.checksum
            && *wanted != file.digest.to_string()
        {
            let message = format!("digest mismatch {}: {wanted}", file.digest);
            return Err(ExecError::Step(Box::new(at("D-90", message))));
        }
        let mtime = Time { seconds: file.modified.unwrap_or(0), nanos: 0 };
        let meta = Meta { mtime, ..Meta::with_mode(0o600) };
        let inode = Inode::new(meta, Kind::File(file.file(self.store)));
        Ok(Selection::of_file(&file.name, inode, op.unpack == Some(true)))
    }
}

/// A failure of git at the source it is about.
fn git_error(step: &Step, span: Span, error: &git::Error) -> ExecError {
    let code = match error {
        git::Error::Cancelled => return ExecError::Cancelled,
        git::Error::Checksum { .. } => "D-90",
        _ => "ADD-20",
    };
    let message = match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    let mut found = Diagnostic::error(code, span, step.lines, message);
    if let Some(help) = error.help() {
        found = found.help(help);
    }
    ExecError::Step(Box::new(found)).caused_by(error)
}
