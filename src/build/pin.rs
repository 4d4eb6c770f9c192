//! Which digests the images of a Dockerfile have now, written into it or beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::bases::Locks;
use crate::dockerfile::{self, Command, Dockerfile, Instruction, Severity, Span};
use crate::image::{Digest, Platform, Reference};
use crate::plan::{self, BaseError, Bases, Found, ImageId, PlanOptions};
use crate::registry::Registry;

use super::source::usage;
use super::{BuildError, SourceText, rewrite};

/// Version of lock files.
const FORMAT: u32 = 1;

/// What is to be pinned.
#[derive(Clone, Debug)]
pub struct Pinning {
    /// The Dockerfile.
    pub file: PathBuf,
    /// `--build-arg`: images may be named by arguments.
    pub build_args: BTreeMap<String, String>,
    /// Names that `--build-context` gives another meaning.
    pub contexts: Vec<String>,
    /// Write a lock file in place of the Dockerfile.
    pub lock: bool,
    /// Ask for the digests of images that have one, too.
    pub update: bool,
}

/// What has been pinned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pinned {
    /// Names, without digests, and the digests that they have now, in the order of the names.
    pub images: Vec<(Reference, Digest)>,
    /// Names that the Dockerfile makes out of arguments, and that can stand in a lock file only.
    pub not_written: Vec<Reference>,
    /// The file that was written; `None` when it was as it should be.
    pub written: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
struct LockFile {
    version: u32,
    images: Locks,
}

/// Where the lock file of a Dockerfile is: beside it.
pub fn lock_file(dockerfile: &Path) -> PathBuf {
    let mut name = dockerfile.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    dockerfile.with_file_name(name)
}

/// Reads the lock file of a Dockerfile; one that is not there holds nothing.
pub(super) fn locks_of(dockerfile: &Path) -> Result<Locks, BuildError> {
    let path = lock_file(dockerfile);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Locks::new()),
        Err(source) => return Err(BuildError::Machine { doing: format!("read {}", path.display()), source }),
    };
    let wrong = |reason: String| {
        usage(format!("{}: {reason}", path.display()), Some("`kiln pin --lock` writes it anew".to_owned()))
    };
    let file: LockFile = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    if file.version == FORMAT { Ok(file.images) } else { Err(wrong(format!("version {} is not known", file.version))) }
}

/// Asks the registries what the images of a Dockerfile are now, and writes their digests into it, keeping every other byte, or
/// into its lock file.
///
/// # Errors
/// A Dockerfile with errors, and an image that its registry does not have; then nothing is written.
pub fn pin(pinning: &Pinning, registry: &Registry) -> Result<Pinned, BuildError> {
    let reading = |source| BuildError::Machine { doing: format!("read {}", pinning.file.display()), source };
    let bytes = std::fs::read(&pinning.file).map_err(reading)?;
    let parsed = dockerfile::parse(&bytes);
    let name = pinning.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let source_text = SourceText { name, text: parsed.file.text.clone() };
    let failed = |diagnostics| BuildError::Dockerfile { source_text: source_text.clone(), diagnostics };
    if parsed.diagnostics.iter().any(|found| found.severity == Severity::Error) {
        return Err(failed(parsed.diagnostics));
    }
    let recorder = Recorder { contexts: &pinning.contexts, asked: Mutex::default() };
    plan::plan(&parsed.file, &plan_options(pinning), &recorder).map_err(|unplanned| failed(unplanned.errors))?;
    let mut digests: BTreeMap<String, (Reference, Digest)> = BTreeMap::new();
    for asked in recorder.asked.into_inner().unwrap_or_else(PoisonError::into_inner) {
        let known = asked.digest().filter(|_| !pinning.update || asked.tag().is_none());
        let bare = without_digest(&asked);
        let digest = match known {
            Some(digest) => digest,
            None => registry.resolve(&bare).map_err(crate::transfer::Error::from)?.descriptor.digest,
        };
        digests.insert(asked.to_string(), (bare, digest));
    }
    let mut images: Vec<(Reference, Digest)> = digests.values().cloned().collect();
    images.sort_by_key(|(name, _)| name.to_string());
    images.dedup();
    let mut pinned = Pinned { images, not_written: Vec::new(), written: None };
    let (path, old, new) = if pinning.lock {
        let path = lock_file(&pinning.file);
        let locks = pinned.images.iter().map(|(name, digest)| (name.to_string(), *digest)).collect();
        let mut text = serde_json::to_vec_pretty(&LockFile { version: FORMAT, images: locks }).unwrap_or_default();
        text.push(b'\n');
        (path.clone(), std::fs::read(path).unwrap_or_default(), text)
    } else {
        if parsed.file.text.as_bytes() != bytes {
            return Err(usage(
                format!("{} is not in UTF-8, and is left alone", pinning.file.display()),
                Some("pass `--lock` for a lock file beside it".to_owned()),
            ));
        }
        let (text, written) = rewritten(&parsed.file, &digests);
        let missing = |(asked, (bare, _)): (&String, &(Reference, Digest))| {
            (!written.contains(asked) && !asked.contains('@')).then(|| bare.clone())
        };
        pinned.not_written = digests.iter().filter_map(missing).collect();
        (pinning.file.clone(), bytes, text.into_bytes())
    };
    if old != new {
        rewrite(&path, &new)
            .map_err(|source| BuildError::Machine { doing: format!("write {}", path.display()), source })?;
        pinned.written = Some(path);
    }
    Ok(pinned)
}

fn plan_options(pinning: &Pinning) -> PlanOptions {
    PlanOptions { build_args: pinning.build_args.clone(), ..PlanOptions::whole_file(Platform::host()) }
}

fn without_digest(name: &Reference) -> Reference {
    let text = name.to_string();
    text.split('@').next().and_then(|bare| bare.parse().ok()).unwrap_or_else(|| name.clone())
}

/// Remembers what a plan asks for, and knows nothing of it.
struct Recorder<'a> {
    contexts: &'a [String],
    asked: Mutex<Vec<Reference>>,
}

impl Bases for Recorder<'_> {
    fn context(&self, name: &str, _: &Platform) -> Result<Option<Found>, BaseError> {
        let same = |context: &String| {
            let (plain, wanted) = (context.split("::").next().unwrap_or_default(), name.parse::<Reference>());
            context == name || plain.parse::<Reference>().is_ok_and(|known| wanted.is_ok_and(|wanted| wanted == known))
        };
        Ok(self.contexts.iter().any(same).then_some(Found::Unknown(ImageId(usize::MAX))))
    }

    fn image(&self, name: &Reference, _: &Platform) -> Result<Found, BaseError> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if !asked.contains(name) {
            asked.push(name.clone());
        }
        Ok(Found::Unknown(ImageId(usize::MAX)))
    }
}

/// The file with digests, and the names that got one.
fn rewritten(file: &Dockerfile, digests: &BTreeMap<String, (Reference, Digest)>) -> (String, Vec<String>) {
    let mut edits: Vec<(Span, String)> = Vec::new();
    let mut written = Vec::new();
    for instruction in file.instructions() {
        for span in places(file, instruction) {
            let text = &file.text[span.start..span.end];
            let Some((asked, (_, digest))) =
                text.parse::<Reference>().ok().and_then(|name| digests.get_key_value(&name.to_string()))
            else {
                continue;
            };
            let bare = text.split('@').next().unwrap_or(text);
            edits.push((span, format!("{bare}@{digest}")));
            written.push(asked.clone());
        }
    }
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut text = file.text.clone();
    for (span, new) in edits {
        text.replace_range(span.start..span.end, &new);
    }
    (text, written)
}

/// Where an instruction may name an image.
fn places(file: &Dockerfile, instruction: &Instruction) -> Vec<Span> {
    let mut places = Vec::new();
    if let Command::From { image, .. } = &instruction.command {
        places.push(image.span);
    }
    for flag in &instruction.flags {
        let text = &file.text[flag.span.start..flag.span.end];
        // `--from=NAME`, and `from=NAME` among the options of `--mount`.
        let mut at = 0;
        while let Some(found) = text[at..].find("from=") {
            let start = at + found + "from=".len();
            let value = &text[start..];
            let length = value.find([',', '"', '\'', ' ']).unwrap_or(value.len());
            if text[..start - "from=".len()].ends_with(['-', ',', '=', '"', '\'']) {
                places.push(Span { start: flag.span.start + start, end: flag.span.start + start + length });
            }
            at = start;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_written_where_the_names_stand_and_nothing_else_changes() {
        let digest = Digest::of(b"x");
        let text = "# from a:1\r\nFROM --platform=linux/amd64 a:1 AS b\r\nFROM $X\nFROM b\nCOPY --chown=1 \\\n  --from=c x /\n\
            RUN --mount=from=quay.io/d:2,target=/d --mount=type=bind,from=b,target=/b true # from=c\nFROM a:1@sha256:0";
        let parsed = dockerfile::parse(text.as_bytes());
        let digests = ["a:1", "c", "quay.io/d:2", "x:y"].map(|name| {
            let name: Reference = name.parse().unwrap();
            (name.to_string(), (name, digest))
        });
        let (new, written) = rewritten(&parsed.file, &digests.into_iter().collect());
        let want = text
            .replacen("amd64 a:1", &format!("amd64 a:1@{digest}"), 1)
            .replace("--from=c", &format!("--from=c@{digest}"))
            .replacen("quay.io/d:2", &format!("quay.io/d:2@{digest}"), 1);
        assert_eq!(new, want);
        assert_eq!(written.len(), 3);
    }

    #[test]
    fn the_lock_file_lies_beside_the_dockerfile() {
        assert_eq!(lock_file(Path::new("a/app.Dockerfile")), Path::new("a/app.Dockerfile.lock"));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("Dockerfile");
        assert!(locks_of(&file).unwrap().is_empty());
        for bad in ["text", r#"{"version":2,"images":{}}"#, r#"{"version":1,"images":{"a":"b"}}"#] {
            std::fs::write(lock_file(&file), bad).unwrap();
            assert!(locks_of(&file).is_err(), "{bad}");
        }
    }
}
