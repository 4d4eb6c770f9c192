use crate::images::{self, Error, Found};
use crate::store::Store;

use super::failure::Failure;
use super::image_args::RmiArgs;
use super::surroundings::Surroundings;
use super::{out, session};

/// `kiln rmi`. What of the images nothing else needs goes with the next `kiln prune`.
pub(super) fn run(args: &RmiArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let store = session::store(&args.store, around)?;
    // All are looked up before any is touched.
    let mut found = Vec::new();
    for text in &args.images {
        match images::find(&store, text) {
            Ok(image) => found.push((text, image)),
            Err(Error::Unknown { .. }) if args.force => {}
            Err(error) => return Err(error.into()),
        }
    }
    for (text, image) in &found {
        if image.name.is_none() && image.names.len() > 1 && !args.force {
            let names: Vec<String> = image.names.iter().map(|name| format!("`{}`", name.familiar())).collect();
            let message = format!("`{text}` has {} names: {}", names.len(), names.join(", "));
            return Err(Failure::usage(message, Some("name the one to remove, or pass `--force` for all of them")));
        }
    }
    found.iter().try_for_each(|(_, image)| remove(&store, image))
}

fn remove(store: &Store, image: &Found) -> Result<(), Failure> {
    let names = image.name.as_ref().map_or(image.names.as_slice(), std::slice::from_ref);
    for name in names {
        let gone = store.untag(name).map_err(|error| Failure::store("cannot remove the name", &error))?;
        if gone {
            out::result(&format!("Untagged: {}\n", name.familiar()))?;
        }
    }
    Ok(())
}
