use crate::image::Reference;
use crate::registry::Registry;

use super::failure::Failure;
use super::remote_args::DeleteArgs;
use super::surroundings::Surroundings;
use super::{options, out, values};

/// `kiln delete`.
pub(super) fn run(args: &DeleteArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let names = args.images.iter().map(|text| checked(text, args.blob)).collect::<Result<Vec<_>, _>>()?;
    let registry = Registry::new(options::access(&args.registries, around)?);
    names.iter().try_for_each(|name| delete(&registry, name, args))
}

/// A name that says what is to go: nobody means `latest` who leaves the tag out.
fn checked(text: &str, blob: bool) -> Result<Reference, Failure> {
    let name = values::image_name(text)?;
    let is_tagged = text.rsplit('/').next().is_some_and(|last| last.contains(':'));
    if blob && name.digest().is_none() {
        return Err(Failure::usage(format!("`{text}` names no blob"), Some("write `NAME@sha256:…`")));
    }
    if name.digest().is_none() && !is_tagged {
        return Err(Failure::usage(
            format!("`{text}` does not say what to remove of the repository"),
            Some("write `NAME:TAG` or `NAME@sha256:…`; `kiln tags NAME` lists the tags"),
        ));
    }
    Ok(name)
}

fn delete(registry: &Registry, name: &Reference, args: &DeleteArgs) -> Result<(), Failure> {
    let told = |what: &str| out::result(&format!("Deleted: {what}\n"));
    match name.digest() {
        Some(digest) if args.blob => registry.delete_blob(name, &digest)?,
        Some(digest) => registry.delete_manifest(name, &digest)?,
        None if args.manifest => {
            let digest = registry.resolve(name)?.descriptor.digest;
            registry.delete_manifest(name, &digest)?;
            return told(&name.with_digest(&digest).to_string());
        }
        None => {
            if !registry.delete_tag(name)? {
                return Err(Failure::usage(
                    format!("registry {} cannot remove a tag alone", name.registry()),
                    Some("`--manifest` removes what the tag leads to, with all tags that lead there"),
                ));
            }
        }
    }
    told(&name.to_string())
}
