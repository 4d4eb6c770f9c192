use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::bases;
use crate::image::Platform;

use super::args::ImportArgs;
use super::failure::Failure;
use super::surroundings::Surroundings;
use super::{out, session, values};

/// `kiln import`.
pub(super) fn run(args: &ImportArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let name = values::image_name(&args.name)?;
    let platform = args.platform.as_deref().map_or_else(|| Ok(Platform::host()), values::platform)?;
    let store = session::store(&args.store, around)?;
    let archive: Box<dyn Read + Send> = if args.archive == Path::new("-") {
        Box::new(io::stdin())
    } else {
        let file = File::open(&args.archive);
        Box::new(file.map_err(|error| Failure::machine(&format!("cannot open {}", args.archive.display()), &error))?)
    };
    let image =
        bases::import(&store, archive, &name, &platform).map_err(|error| Failure::machine("cannot import", &error))?;
    out::stdout(&format!("{} {}\n", image.digest, name))
        .map_err(|error| Failure::machine("cannot write to standard output", &error))
}
