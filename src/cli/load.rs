use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use crate::images::{self, Loaded};

use super::failure::Failure;
use super::image_args::{Format, LoadArgs};
use super::surroundings::Surroundings;
use super::table::lines;
use super::{out, session, values};

/// `kiln load`.
pub(super) fn run(args: &LoadArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let name = args.name.as_deref().map(values::image_name).transpose()?;
    let store = session::store(&args.store, around)?;
    let loaded = match args.input.as_deref().filter(|path| *path != Path::new("-")) {
        Some(path) => images::load(&store, path, name.as_ref())?,
        None => {
            let failed = |error: io::Error| Failure::machine("cannot read standard input", &error);
            // Members of an archive are read in any order.
            let dir = store.temp_dir().map_err(failed)?;
            let path = dir.join("stdin.tar");
            let mut file = File::create_new(&path).map_err(failed)?;
            io::copy(&mut io::stdin().lock(), &mut file).and_then(|_| file.flush()).map_err(failed)?;
            images::load(&store, &path, name.as_ref())?
        }
    };
    if loaded.is_empty() {
        return Err(Failure::usage("there is no image in the archive", None));
    }
    out::result(&text(args, &loaded))
}

fn text(args: &LoadArgs, loaded: &[Loaded]) -> String {
    match args.format {
        Format::Json => {
            let object = |image: &Loaded| {
                let names: Vec<String> = image.names.iter().map(ToString::to_string).collect();
                json!({ "digest": image.top.digest, "names": names })
            };
            format!("{:#}\n", loaded.iter().map(object).collect::<serde_json::Value>())
        }
        Format::Text if args.quiet => lines(loaded.iter().map(|image| image.top.digest)),
        Format::Text => loaded.iter().map(told).collect(),
    }
}

fn told(image: &Loaded) -> String {
    if image.names.is_empty() {
        return format!("Loaded image without a name: {}\n", image.top.digest);
    }
    lines(image.names.iter().map(|name| format!("Loaded image: {}", name.familiar())))
}
