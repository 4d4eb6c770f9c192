use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::bases;
use crate::image::{Platform, Reference};
use crate::store::Store;

use super::args::ImportArgs;
use super::failure::Failure;
use super::{options, out};

/// `kiln import`.
pub(super) fn run(args: &ImportArgs) -> Result<(), Failure> {
    let name: Reference = args.name.parse().map_err(|error: crate::image::ReferenceError| {
        Failure::usage(error.to_string(), Some("an image is named `NAME[:TAG]`, in lower case"))
    })?;
    let platform = match &args.platform {
        None => Platform::host(),
        Some(text) => {
            text.parse().map_err(|error: crate::image::PlatformError| Failure::usage(error.to_string(), None))?
        }
    };
    let store = Store::open(&options::store_dir(&args.store)?)
        .map_err(|error| Failure::machine("cannot open the store", &error))?;
    let archive: Box<dyn Read + Send> = if args.archive == Path::new("-") {
        Box::new(io::stdin())
    } else {
        let file = File::open(&args.archive);
        Box::new(file.map_err(|error| Failure::machine(&format!("cannot open {}", args.archive.display()), &error))?)
    };
    let image = bases::import(&store, archive, &name, &platform)
        .map_err(|error| Failure::machine("cannot import", &error))?;
    out::stdout(&format!("{} {}\n", image.digest, name))
        .map_err(|error| Failure::machine("cannot write to standard output", &error))
}
