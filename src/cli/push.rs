use crate::images;

use super::args::PushArgs;
use super::failure::Failure;
use super::session::{Session, extent};
use super::surroundings::Surroundings;
use super::{out, values};

/// `kiln push`: prints the digest that the registries now have.
pub(super) fn run(args: &PushArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let mut names = args.destinations.iter().map(|text| values::image_name(text)).collect::<Result<Vec<_>, _>>()?;
    let session = Session::open(&args.transfer, around)?;
    let found = images::find(&session.store, &args.image)?;
    if names.is_empty() {
        names.extend(found.name.clone());
    }
    if names.is_empty() {
        let hint = "`kiln push IMAGE REGISTRY/NAME:TAG`";
        return Err(Failure::usage("an image that is given by its id is sent under a name", Some(hint)));
    }
    let mut top = found.top.clone();
    if args.platform.is_some() {
        let extent = extent(args.platform.as_deref(), false)?;
        top = session.end(session.transfer.wanted(&found.shown(), &top, &extent))?.top().unwrap_or(top);
    }
    session.end(session.transfer.push(&top, &names))?;
    out::result(&format!("{}\n", top.digest))
}
