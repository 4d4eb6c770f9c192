use crate::bases::contained;
use crate::images::{self, Place};
use crate::output::{self, Destination, OutputKind};
use crate::transfer::{Extent, Tree};

use super::failure::Failure;
use super::image_args::CopyArgs;
use super::session::{Session, extent};
use super::surroundings::Surroundings;
use super::{out, values};

/// `kiln copy`: prints the digest of what was copied. Whatever way it takes, its blobs are in the store afterwards, but for those
/// that a registry takes from another of its repositories.
pub(super) fn run(args: &CopyArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let (source, destination) = (Place::parse(&args.source)?, Destined::parse(&args.destination)?);
    let extent = extent(args.platform.as_deref(), args.all)?;
    if args.all && matches!(destination, Destined::Archive { kind: OutputKind::Docker, .. }) {
        let message = "a Docker archive holds an image for one platform";
        return Err(Failure::usage(message, Some("leave `--all` out, or copy to `oci-archive:`")));
    }
    let session = Session::open(&args.transfer, around)?;
    let tree = from(&session, source, &extent)?;
    to(&session, &tree, destination)?;
    match tree.top() {
        Some(top) => out::result(&format!("{}\n", top.digest)),
        None => Ok(()),
    }
}

/// Where a copy goes, with the name it gets there.
enum Destined {
    Registry(crate::image::Reference),
    Store(crate::image::Reference),
    Archive { kind: OutputKind, destination: Destination, name: Option<String> },
}

impl Destined {
    fn parse(text: &str) -> Result<Self, Failure> {
        let archive = |kind, path, name| Self::Archive { kind, destination: Destination::Path(path), name };
        Ok(match Place::parse(text)? {
            Place::Registry(name) => Self::Registry(name),
            Place::Store(name) => Self::Store(values::tag(&name)?),
            Place::OciDirectory(path, name) => archive(OutputKind::OciDirectory, path, name),
            Place::OciArchive(path, name) => archive(OutputKind::OciTar, path, name),
            Place::DockerArchive(path, name) => archive(OutputKind::Docker, path, name),
        })
    }
}

/// What is to be copied: its documents are in the store, and its blobs are, or it is known who has them.
fn from(session: &Session, source: Place, extent: &Extent) -> Result<Tree, Failure> {
    let (path, name) = match source {
        Place::Registry(name) => return Ok(session.end(session.transfer.look_up(&name, extent))?.1),
        Place::Store(text) => {
            let found = images::find(&session.store, &text)?;
            return session.end(session.transfer.wanted(&found.shown(), &found.top, extent));
        }
        Place::OciDirectory(path, name) | Place::OciArchive(path, name) | Place::DockerArchive(path, name) => {
            (path, name)
        }
    };
    let image = contained(&path, name.as_deref(), &session.store).map_err(images::Error::from)?;
    images::take(&session.store, &image, extent)?;
    session.end(session.transfer.wanted(&path.display().to_string(), &image.top, extent))
}

fn to(session: &Session, tree: &Tree, destined: Destined) -> Result<(), Failure> {
    let (kind, destination, name) = match destined {
        Destined::Registry(name) => return session.end(session.transfer.send(tree, &name)),
        Destined::Store(name) => {
            session.end(session.transfer.complete(tree))?;
            let failed = |error| Failure::store("cannot name the image", &error);
            return tree.top().map_or(Ok(()), |top| session.store.tag(&name, &top).map_err(failed));
        }
        Destined::Archive { kind, destination, name } => (kind, destination, name),
    };
    session.end(session.transfer.complete(tree))?;
    let Some(mut bundle) = images::bundle(tree, Vec::new())? else { return Ok(()) };
    match name {
        Some(name) if kind == OutputKind::Docker => bundle.names.push(values::tag(&name)?),
        name => bundle.tag = name,
    }
    output::save(&[bundle], kind, &destination, &session.store).map_err(|error| Failure::machine("cannot copy", &error))
}
