use std::path::{Path, PathBuf};

use crate::build::{self, Pinned, Pinning};
use crate::image::Reference;
use crate::registry::Registry;

use super::failure::Failure;
use super::image_args::PinArgs;
use super::surroundings::Surroundings;
use super::table::lines;
use super::{options, out, render, values};

/// `kiln pin`: prints each image with its digest.
pub(super) fn run(args: &PinArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let contexts = args.build_context.iter().map(|text| values::named_context(text)).collect::<Result<Vec<_>, _>>()?;
    let pinning = Pinning {
        file: file(args.file.as_deref()),
        build_args: options::build_args(&args.build_arg, around),
        contexts: contexts.into_iter().map(|context| context.name).collect(),
        lock: args.lock,
        update: args.update,
    };
    let registry = Registry::new(options::access(&args.registries, around)?);
    let pinned = build::pin(&pinning, &registry)?;
    warn(&pinned);
    out::result(&lines(pinned.images.iter().map(|(name, digest)| format!("{}@{digest}", name.familiar()))))
}

/// A directory means the Dockerfile in it.
fn file(given: Option<&Path>) -> PathBuf {
    let path = given.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("Dockerfile"));
    if path.is_dir() { path.join("Dockerfile") } else { path.to_owned() }
}

fn warn(pinned: &Pinned) {
    if pinned.not_written.is_empty() {
        return;
    }
    let names: Vec<String> = pinned.not_written.iter().map(Reference::familiar).collect();
    let message =
        format!("the Dockerfile makes these names out of arguments, and stays as it is there: {}", names.join(", "));
    let hint = "`kiln pin --lock` keeps their digests beside it";
    out::stderr(render::message("warning", &message, Some(hint), render::colours()).as_bytes());
}
