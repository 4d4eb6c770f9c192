use crate::images;

use super::failure::Failure;
use super::image_args::TagArgs;
use super::surroundings::Surroundings;
use super::{session, values};

/// `kiln tag`.
pub(super) fn run(args: &TagArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let names = args.names.iter().map(|text| values::tag(text)).collect::<Result<Vec<_>, _>>()?;
    let store = session::store(&args.store, around)?;
    let found = images::find(&store, &args.image)?;
    let failed = |error| Failure::store("cannot name the image", &error);
    names.iter().try_for_each(|name| store.tag(name, &found.top).map_err(failed))
}
