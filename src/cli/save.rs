use std::path::Path;

use crate::images::{self, bundle};
use crate::output::{self, Bundle, Destination, OutputKind};

use super::failure::Failure;
use super::image_args::{SaveArgs, SavedAs};
use super::session::{Session, extent};
use super::surroundings::Surroundings;

/// `kiln save`. What the store lacks of an image is fetched.
pub(super) fn run(args: &SaveArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let kind = kind(args)?;
    let destination = destination(args, around)?;
    let extent = extent(args.platform.as_deref(), args.all_platforms)?;
    let session = Session::open(&args.transfer, around)?;
    let mut bundles: Vec<Bundle> = Vec::new();
    for text in &args.images {
        let found = images::find(&session.store, text)?;
        let tree = session.end(session.transfer.wanted(&found.shown(), &found.top, &extent))?;
        session.end(session.transfer.complete(&tree))?;
        let Some(bundle) = bundle(&tree, found.name.into_iter().collect())? else { continue };
        match bundles.iter_mut().find(|known| known.top.digest == bundle.top.digest) {
            Some(known) => known.names.extend(bundle.names),
            None => bundles.push(bundle),
        }
    }
    output::save(&bundles, kind, &destination, &session.store).map_err(|error| Failure::machine("cannot save", &error))
}

fn kind(args: &SaveArgs) -> Result<OutputKind, Failure> {
    match args.format {
        SavedAs::Docker if args.all_platforms => {
            let message = "a Docker archive holds each image for one platform";
            Err(Failure::usage(message, Some("pass `--format oci` with `--all-platforms`")))
        }
        SavedAs::Docker => Ok(OutputKind::Docker),
        SavedAs::Oci => Ok(OutputKind::OciTar),
        SavedAs::OciDir => Ok(OutputKind::OciDirectory),
    }
}

fn destination(args: &SaveArgs, around: Surroundings<'_>) -> Result<Destination, Failure> {
    match args.output.as_deref().filter(|path| !path.as_os_str().is_empty()) {
        Some(path) if path != Path::new("-") => Ok(Destination::Path(path.to_owned())),
        _ if args.format == SavedAs::OciDir => {
            Err(Failure::usage("a layout needs a directory", Some("name it with `-o DIR`")))
        }
        None if around.stdout_is_terminal => {
            Err(Failure::usage("an archive is not written to a terminal", Some("name a file with `-o FILE`")))
        }
        Some(_) | None => Ok(Destination::Stdout),
    }
}
