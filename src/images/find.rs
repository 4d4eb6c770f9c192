use std::io;

use crate::dockerfile::suggest;
use crate::image::{Descriptor, Digest, Document, MediaType, Platform, Reference};
use crate::store::Store;

use super::Error;

/// Fewer hex digits are taken for a name only.
const SHORTEST_ID: usize = 4;

/// Larger blobs are no manifests.
const MAX_DOCUMENT: u64 = 4 << 20;

/// An image of the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Its manifest or index.
    pub top: Descriptor,
    /// The name by which it was found; `None` when it was found by its id or digest.
    pub name: Option<Reference>,
    /// All its names.
    pub names: Vec<Reference>,
}

impl Found {
    /// How messages call it.
    pub fn shown(&self) -> String {
        self.name.as_ref().or(self.names.first()).map_or_else(|| self.top.digest.to_string(), Reference::familiar)
    }
}

/// The image that `text` means: a name, a name with a digest, or the id of an image or the digest of its manifest, whole or in
/// its first four digits or more, with or without `sha256:`. Names win.
pub fn find(store: &Store, text: &str) -> Result<Found, Error> {
    let named: Vec<(Reference, Descriptor)> = store
        .names()
        .map_err(Error::Store)?
        .into_iter()
        .filter_map(|(name, top)| Some((name.parse().ok()?, top)))
        .collect();
    let with_names = |top: Descriptor, name: Option<Reference>| {
        let names = named.iter().filter(|(_, other)| other.digest == top.digest);
        Found { names: names.map(|(name, _)| name.clone()).collect(), top, name }
    };
    let name = text.parse::<Reference>();
    if let Ok(name) = &name {
        if let Some((_, top)) = named.iter().find(|(known, _)| known == name) {
            return Ok(with_names(top.clone(), Some(name.clone())));
        }
        if let Some(top) = name.digest().and_then(|digest| document(store, &digest)) {
            return Ok(with_names(top, None));
        }
    }
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    if digits.len() >= SHORTEST_ID && digits.len() <= 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        let digits = digits.to_ascii_lowercase();
        if let Some(top) = by_id(store, text, &digits, &named)? {
            return Ok(with_names(top, None));
        }
    } else if let Err(error) = name {
        return Err(error.into());
    }
    let near = nearest(text, &named);
    Err(Error::Unknown { text: text.to_owned(), near })
}

fn by_id(
    store: &Store,
    text: &str,
    digits: &str,
    named: &[(Reference, Descriptor)],
) -> Result<Option<Descriptor>, Error> {
    let mut fitting: Vec<Descriptor> = Vec::new();
    for (_, top) in named {
        let fits = top.digest.hex().starts_with(digits)
            || id_of(store, top).is_some_and(|config| config.hex().starts_with(digits));
        if fits && !fitting.iter().any(|known| known.digest == top.digest) {
            fitting.push(top.clone());
        }
    }
    if fitting.is_empty()
        && let Ok(digest) = Digest::from_hex(digits)
    {
        // What was built without a name: every manifest has to be looked into.
        let found = document(store, &digest).map_or_else(|| unnamed(store, &digest), |top| Ok(Some(top)));
        return found.map_err(Error::Store);
    }
    match fitting.len() {
        0 | 1 => Ok(fitting.pop()),
        _ => {
            let ids = fitting.iter().map(|top| id_of(store, top).unwrap_or(top.digest).hex()[..16].to_owned());
            Err(Error::Ambiguous { text: text.to_owned(), ids: ids.collect() })
        }
    }
}

/// The image id: the digest of the config for this machine's platform, or of the first there is.
pub(super) fn id_of(store: &Store, top: &Descriptor) -> Option<Digest> {
    match Document::from_json(&store.read_blob(&top.digest).ok()?).ok()? {
        Document::Manifest(manifest) => Some(manifest.config.digest),
        Document::Index(index) => {
            let own = index.select(&Platform::host()).filter(|chosen| store.has(&chosen.digest));
            let chosen = own.or_else(|| index.manifests.iter().find(|entry| store.has(&entry.digest)))?;
            id_of(store, &chosen.clone())
        }
    }
}

/// The manifest or index of that digest.
fn document(store: &Store, digest: &Digest) -> Option<Descriptor> {
    let size = store.blob_size(digest).filter(|size| *size <= MAX_DOCUMENT)?;
    let bytes = store.read_blob(digest).ok()?;
    let kind = match Document::from_json(&bytes).ok()? {
        Document::Manifest(manifest) => MediaType::Manifest(manifest.wire),
        Document::Index(index) => MediaType::Index(index.wire),
    };
    Some(Descriptor::new(kind, *digest, size))
}

/// The manifest of an image id that no name leads to.
fn unnamed(store: &Store, id: &Digest) -> io::Result<Option<Descriptor>> {
    if !store.has(id) {
        return Ok(None);
    }
    for (digest, size) in store.blobs()? {
        if size <= MAX_DOCUMENT
            && let Some(top) = document(store, &digest)
            && matches!(top.media_type, MediaType::Manifest(_))
            && id_of(store, &top) == Some(*id)
        {
            return Ok(Some(top));
        }
    }
    Ok(None)
}

/// A name that may have been meant: one that is spelt nearly so, or another tag of the same repository.
fn nearest(text: &str, named: &[(Reference, Descriptor)]) -> Option<String> {
    let familiar: Vec<String> = named.iter().map(|(name, _)| name.familiar()).collect();
    let typed = text.parse::<Reference>().ok();
    let whole = typed.as_ref().map_or_else(|| text.to_owned(), Reference::familiar);
    let spelt = suggest(&whole, familiar.iter().map(String::as_str)).map(str::to_owned);
    let other_tag = || {
        let place = typed.as_ref()?.place();
        named.iter().find(|(name, _)| name.place() == place).map(|(name, _)| name.familiar())
    };
    let short = || {
        let names = familiar.iter().map(|name| name.split(':').next().unwrap_or_default());
        let near = suggest(text.split(':').next().unwrap_or_default(), names)?;
        familiar.iter().find(|name| name.starts_with(near)).cloned()
    };
    spelt.or_else(other_tag).or_else(short)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::image::{ImageConfig, Manifest, Wire};

    fn image(store: &Store, author: &str) -> Descriptor {
        let mut config = ImageConfig::scratch(&Platform::host());
        config.author = author.to_owned();
        let config = config.to_json();
        store.put_blob(&config).unwrap();
        let config = Descriptor::of(MediaType::Config(Wire::Oci), &config);
        let manifest = Manifest { wire: Wire::Oci, config, layers: vec![], annotations: BTreeMap::new() }.to_json();
        store.put_blob(&manifest).unwrap();
        Descriptor::of(MediaType::Manifest(Wire::Oci), &manifest)
    }

    #[test]
    fn images_are_found_by_name_id_and_digest() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (first, second, third) = (image(&store, "a"), image(&store, "b"), image(&store, "c"));
        for (name, top) in [("app", &first), ("quay.io/x/app:2", &first), ("tool:1", &second)] {
            store.tag(&name.parse().unwrap(), top).unwrap();
        }
        let (id, nameless) = (id_of(&store, &first).unwrap().hex(), id_of(&store, &third).unwrap());
        for (text, want) in [
            ("app", &first),
            ("docker.io/library/app:latest", &first),
            ("quay.io/x/app:2", &first),
            (&id, &first),
            (&id[..12], &first),
            (&format!("sha256:{}", &id[..6].to_uppercase()), &first),
            (&second.digest.to_string(), &second),
            (&format!("whatever@{}", second.digest), &second),
            (&nameless.to_string(), &third),
            (&third.digest.hex(), &third),
        ] {
            assert_eq!(find(&store, text).unwrap().top.digest, want.digest, "{text}");
        }
        assert_eq!(find(&store, &id).unwrap().names.len(), 2);
        for (text, near) in [
            ("ap", Some("app:latest")),
            ("app:3", Some("app:latest")),
            ("tol:1", Some("tool:1")),
            ("tol", Some("tool:1")),
            ("nothing-like-it", None),
            (&"0".repeat(64), None),
        ] {
            match find(&store, text) {
                Err(Error::Unknown { near: found, .. }) => assert_eq!(found.as_deref(), near, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(matches!(find(&store, "Not A Name"), Err(Error::Name(_))));
    }
}
