use super::args::PushArgs;
use super::failure::Failure;
use super::session::{Session, extent, print};
use super::surroundings::Surroundings;
use super::values;

/// `kiln push`: prints the digest that the registries now have.
pub(super) fn run(args: &PushArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let name = values::image_name(&args.image)?;
    let mut names = args.destinations.iter().map(|text| values::image_name(text)).collect::<Result<Vec<_>, _>>()?;
    if names.is_empty() {
        names.push(name.clone());
    }
    let session = Session::open(&args.transfer, around)?;
    let mut top = session.stored(&name)?;
    if args.platform.is_some() {
        let extent = extent(args.platform.as_deref(), false)?;
        top = session.end(session.transfer.wanted(&name, &top, &extent))?.top().unwrap_or(top);
    }
    session.end(session.transfer.push(&top, &names))?;
    print(&top.digest.to_string())
}
