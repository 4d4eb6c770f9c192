use std::collections::BTreeSet;

use crate::store::{Item, Store};

use super::needs::{Documents, Object};
use super::units::{MARKER, units};
use super::{Error, Kind};

/// What the store takes on the disk, each byte counted once.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Usage {
    /// Images that have names: how many, and bytes of what they need.
    pub images: (usize, u64),
    /// Steps with records: how many, and bytes of what no named image needs, unnamed images among it.
    pub cache: (usize, u64),
    /// Cache mounts.
    pub mounts: (usize, u64),
    /// Indexes of build contexts.
    pub contexts: (usize, u64),
    /// Checkouts of git commits.
    pub checkouts: (usize, u64),
    /// Files by URL: how many, and bytes of those that no named image needs.
    pub downloads: (usize, u64),
    /// Everything else: directories, names, locks, work in progress.
    pub other: u64,
    /// All of it.
    pub total: u64,
}

/// Adds up what is in the store.
pub fn usage(store: &Store) -> Result<Usage, Error> {
    let survey = store.survey()?;
    let documents = Documents::of(store, &survey);
    let units = units(store, &survey, &documents)?;
    let of_kind = |kind: Kind| units.iter().filter(move |unit| unit.kind == kind);
    let named: BTreeSet<Object> = of_kind(Kind::Image).flat_map(|unit| unit.needs.iter().copied()).collect();
    let fetched: BTreeSet<Object> = of_kind(Kind::Download).flat_map(|unit| unit.needs.iter().copied()).collect();
    let blobs = survey.blobs.iter().map(|(digest, item)| (Object::Blob(*digest), item));
    let layers = survey.layers.iter().map(|(layer, item)| (Object::Layer(*layer), item));
    let (mut of_images, mut of_cache, mut of_downloads) = (0, 0, 0);
    for (object, item) in blobs.chain(layers) {
        *match object {
            _ if named.contains(&object) => &mut of_images,
            _ if fetched.contains(&object) => &mut of_downloads,
            _ => &mut of_cache,
        } += item.bytes;
    }
    let sum = |items: &mut dyn Iterator<Item = &Item>| items.map(|item| item.bytes).sum::<u64>();
    let markers = survey.steps.iter().filter(|(name, _)| name.starts_with(MARKER)).map(|(_, item)| item.bytes);
    let records = of_kind(Kind::Step).map(|unit| unit.bytes).sum::<u64>() + markers.sum::<u64>();
    Ok(Usage {
        images: (of_kind(Kind::Image).count(), of_images),
        cache: (of_kind(Kind::Step).count(), of_cache + records),
        mounts: (survey.mounts.len(), sum(&mut survey.mounts.values())),
        contexts: (survey.contexts.len(), sum(&mut survey.contexts.values())),
        checkouts: (survey.checkouts.len(), sum(&mut survey.checkouts.values())),
        downloads: (survey.downloads.len(), of_downloads + sum(&mut survey.downloads.values())),
        other: survey.other,
        total: survey.total(),
    })
}
