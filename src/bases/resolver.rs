use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::image::{Descriptor, Digest, ImageConfig, Platform, Reference};
use crate::plan::{BaseError, Bases, Found, ImageId};
use crate::policy::Policy;
use crate::progress::{Event, SharedSink};
use crate::registry::{self, Registry};
use crate::remote::Source;
use crate::store::{BlobSource, Store};

use super::context::{Place, key};
use super::docker_archive::DockerArchive;
use super::documents::{Picked, pick};
use super::error::one_line;
use super::layout::Layout;
use super::pulled::{Pulled, Remote, StoreFirst};
use super::{BaseImage, Error};

/// How bases are found.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `--build-context`, NAME and VALUE, in order; of two equal names the later counts.
    pub contexts: Vec<(String, String)>,
    /// When the registry is asked.
    pub pull: Pull,
    /// The digests that images must have, by their names; `None`: whatever they have.
    pub locks: Option<Locks>,
    /// What images must be like.
    pub policy: Policy,
    /// Threads for packing.
    pub threads: usize,
    /// Nothing will be built: an image whose registry cannot be reached is [`Found::Unknown`], and a warning.
    pub only_evaluates: bool,
}

/// Where the files of a named context are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ContextFiles {
    /// In a directory.
    Directory(PathBuf),
    /// In a repository, or behind a URL.
    Remote(Source),
}

/// When the registry is asked what an image's name means.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Pull {
    /// When the store has none of that name.
    #[default]
    Missing,
    /// Even then (NC-3).
    Always,
    /// Not even then.
    Never,
}

/// Digests of manifests or indexes by the whole names of images, tag and all.
pub type Locks = BTreeMap<String, Digest>;

/// What stands for every image that cannot be had. A plan that is never carried out never asks what is behind the id.
const NEVER_ASKED_FOR: Found = Found::Unknown(ImageId(usize::MAX));

/// Finds base images: in named contexts, then in the store, then in registries (FROM-4).
pub struct Resolver {
    store: Arc<Store>,
    settings: Settings,
    contexts: BTreeMap<String, Place>,
    remote: Arc<Remote>,
    sink: SharedSink,
    known: Mutex<Known>,
}

/// What has been found so far, so that the same question gets the same id.
#[derive(Default)]
struct Known {
    images: Vec<BaseImage>,
    ids: HashMap<(String, Platform), ImageId>,
    /// Registries that cannot be reached: not asked again where that is no error.
    unreachable: BTreeSet<String>,
}

impl Resolver {
    /// Checks the names and values of all named contexts (NCTX-1, NCTX-3); images are looked at when they are asked for.
    pub fn new(
        store: Arc<Store>,
        registry: Arc<Registry>,
        settings: Settings,
        sink: SharedSink,
    ) -> Result<Self, BaseError> {
        let mut contexts = BTreeMap::new();
        for (name, value) in &settings.contexts {
            contexts.insert(key(name)?, Place::parse(name, value)?);
        }
        let remote = Arc::new(Remote::new(registry, Arc::clone(&sink)));
        Ok(Self { store, settings, contexts, remote, sink, known: Mutex::default() })
    }

    /// The image behind an id that this resolver has handed out.
    ///
    /// # Panics
    /// On an id from elsewhere.
    pub fn base(&self, id: &ImageId) -> BaseImage {
        self.known().images[id.0].clone()
    }

    /// Where the files are of a named context that is no image.
    pub fn files(&self, name: &str) -> Option<ContextFiles> {
        match self.contexts.get(name)? {
            Place::Directory(path) => Some(ContextFiles::Directory(path.clone())),
            Place::Remote(remote) => Some(ContextFiles::Remote(remote.clone())),
            _ => None,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // The lists are whole after each statement, whatever a panicking thread was at.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The image under `question`, found now by `find` unless it is known.
    fn once(
        &self,
        question: String,
        platform: &Platform,
        find: impl FnOnce() -> Result<BaseImage, Error>,
    ) -> Result<Found, Error> {
        let question = (question, platform.clone());
        let mut known = self.known();
        let id = if let Some(id) = known.ids.get(&question) {
            id.clone()
        } else {
            let id = ImageId(known.images.len());
            known.images.push(find()?);
            known.ids.insert(question, id.clone());
            id
        };
        let config = known.images[id.0].config.clone();
        Ok(Found::Image(id, Box::new(config)))
    }

    fn in_layout(
        &self,
        name: &str,
        place: &super::context::Selection,
        platform: &Platform,
    ) -> Result<BaseImage, Error> {
        let layout = Layout::open(&place.path, &self.store)?;
        let picked = layout.image(place, platform, name)?;
        self.keep(name, picked, Some(Arc::new(layout)))
    }

    fn in_docker_archive(&self, name: &str, place: &super::context::Selection) -> Result<BaseImage, Error> {
        let (picked, layers) = DockerArchive::open(&place.path, &self.store)?.image(place, name)?;
        self.keep(name, picked, Some(Arc::new(layers)))
    }

    fn of_host(&self, name: &str, programs: &[String], platform: &Platform) -> Result<BaseImage, Error> {
        let picked = super::host::image(&self.store, programs, platform, self.settings.threads)?;
        self.keep(name, picked, None)
    }

    /// What the store knows under that name, unless the registry is to be asked first (NC-3). A digest is known under any name.
    fn in_store(&self, name: &Reference) -> std::io::Result<Option<Descriptor>> {
        if self.settings.pull == Pull::Always && name.digest().is_none() {
            return Ok(None);
        }
        let is_here = |top: &Descriptor| self.store.has(&top.digest);
        if let Some(top) = self.store.resolve(name)?.filter(is_here) {
            return Ok(Some(top));
        }
        let Some(digest) = name.digest() else { return Ok(None) };
        let mut names = self.store.names()?.into_iter();
        Ok(names.find(|(_, top)| top.digest == digest).map(|(_, top)| top).filter(is_here))
    }

    /// The name with the digest that it must have.
    fn locked(&self, name: &Reference) -> Result<Reference, Error> {
        let Some(locks) = self.settings.locks.as_ref().filter(|_| name.digest().is_none()) else {
            return Ok(name.clone());
        };
        let digest = locks.get(&name.to_string());
        let locked = digest.and_then(|digest| format!("{name}@{digest}").parse().ok());
        locked.ok_or_else(|| Error::NotLocked { name: name.familiar() })
    }

    /// The image of that name: the store's, or else the registry's.
    fn by_name(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, Error> {
        let name = &self.locked(name)?;
        self.settings.policy.admits(name)?;
        let known = self.in_store(name).map_err(Error::Store)?;
        if known.is_none() && self.settings.pull == Pull::Never {
            return Err(Error::NotHere { name: name.familiar() });
        }
        let shown = name.to_string();
        let pulled = Pulled::new(Arc::clone(&self.remote), Arc::clone(&self.store), name.clone());
        let top = match &known {
            Some(top) => top.clone(),
            None => pulled.resolve(&self.store)?,
        };
        if !self.settings.only_evaluates {
            self.settings.policy.verify(name, &top.digest, self.remote.registry())?;
        }
        // Of an index the store may hold the manifests of other platforms only.
        let picked = pick(&StoreFirst { store: &self.store, pulled: &pulled }, &top, platform, &shown)?;
        let image = self.keep(&shown, picked, Some(Arc::new(pulled)))?;
        self.remember_source(name, &image, known.is_none()).map_err(Error::Store)?;
        if known.is_none() {
            self.store.tag(name, &top).map_err(Error::Store)?;
        }
        Ok(image)
    }

    /// Where the layers can be had once this build is over, and mounted from when the image is pushed.
    fn remember_source(&self, name: &Reference, image: &BaseImage, is_new: bool) -> std::io::Result<()> {
        let place = name.place();
        for (_, layer) in &image.layers {
            if is_new || !(self.store.has(&layer.digest) || self.store.has_source(&layer.digest)) {
                self.store.put_source(&layer.digest, &place)?;
            }
        }
        Ok(())
    }

    fn keep(&self, name: &str, picked: Picked, source: Option<Arc<dyn BlobSource>>) -> Result<BaseImage, Error> {
        picked.keep(&self.store)?;
        let layers = picked.config.rootfs.diff_ids.iter().copied().zip(picked.manifest.layers).collect();
        let (digest, config): (_, ImageConfig) = (picked.descriptor.digest, picked.config.clone());
        Ok(BaseImage { name: name.to_owned(), digest, config, layers, source })
    }
}

impl Bases for Resolver {
    fn context(&self, name: &str, platform: &Platform) -> Result<Option<Found>, BaseError> {
        // NCTX-2. A name that is no reference is refused by whoever takes it for an image.
        let Ok(plain) = key(name) else { return Ok(None) };
        if matches!(name, "scratch" | "context") {
            return Ok(None);
        }
        let specific = format!("{plain}::{}", platform.short());
        let Some((key, place)) = [specific, plain].into_iter().find_map(|key| self.contexts.get_key_value(&key)) else {
            return Ok(None);
        };
        let question = format!("context {key}");
        let found = match place {
            Place::Directory(_) | Place::Remote(_) => Found::Directory(key.clone()),
            Place::Scratch => Found::Scratch,
            Place::Image(reference) => self.image(reference, platform)?,
            Place::Layout(place) => self.once(question, platform, || self.in_layout(name, place, platform))?,
            Place::DockerArchive(place) => self.once(question, platform, || self.in_docker_archive(name, place))?,
            Place::Host(programs) => self.once(question, platform, || self.of_host(name, programs, platform))?,
        };
        Ok(Some(found))
    }

    fn image(&self, name: &Reference, platform: &Platform) -> Result<Found, BaseError> {
        let question = format!("image {name}");
        if !self.settings.only_evaluates {
            return Ok(self.once(question, platform, || self.by_name(name, platform))?);
        }
        let is_unreachable = || self.known().unreachable.contains(name.registry());
        if is_unreachable() && self.in_store(name).map_err(Error::Store)?.is_none() {
            return Ok(NEVER_ASKED_FOR);
        }
        match self.once(question, platform, || self.by_name(name, platform)) {
            Err(error @ Error::Registry(registry::Error::Unreachable { .. })) => {
                self.known().unreachable.insert(name.registry().to_owned());
                let text = format!("{}; images from there are taken for unknown ones", one_line(&error));
                self.sink.event(Event::Warning(text));
                Ok(NEVER_ASKED_FOR)
            }
            found => Ok(found?),
        }
    }

    fn named(&self, name: &str) -> Option<String> {
        key(name).ok().filter(|key| self.files(key).is_some())
    }
}
