use super::args::PullArgs;
use super::failure::Failure;
use super::session::{Session, extent};
use super::surroundings::Surroundings;
use super::{out, values};

/// `kiln pull`: prints the digest of each image.
pub(super) fn run(args: &PullArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let names = args.images.iter().map(|text| values::image_name(text)).collect::<Result<Vec<_>, _>>()?;
    let extent = extent(args.platform.as_deref(), args.all_platforms)?;
    let session = Session::open(&args.transfer, around)?;
    for name in names {
        let pulled = session.end(session.transfer.pull(&name, &extent))?;
        out::result(&format!("{}\n", pulled.digest))?;
    }
    Ok(())
}
