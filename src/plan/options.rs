use std::collections::BTreeMap;

use crate::image::{ImageConfig, Platform, Reference};

use super::{CopySource, ImageId, Network};

/// What the command line says about the meaning of the Dockerfile.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// `--build-arg`, all with a value.
    pub build_args: BTreeMap<String, String>,
    /// `--target`.
    pub target: Option<String>,
    /// Plan every stage, though the target does not need it: to check the whole file (LINT-9).
    pub every_stage: bool,
    /// `--label`, in order (LABEL-2).
    pub labels: Vec<(String, String)>,
    /// The platform to build for.
    pub platform: Platform,
    /// The platform that kiln runs on (`BUILDPLATFORM`).
    pub build_platform: Platform,
    /// `--network`: what `RUN --network=default` means.
    pub network: Network,
}

impl PlanOptions {
    /// All of a file, built on and for `platform`, with nothing else given.
    pub fn whole_file(platform: Platform) -> Self {
        Self {
            build_args: BTreeMap::new(),
            target: None,
            every_stage: true,
            labels: Vec::new(),
            build_platform: platform.clone(),
            platform,
            network: Network::Default,
        }
    }
}

/// What a name of a base or of a `--from` turned out to be.
#[derive(Clone, Debug)]
pub enum Found {
    /// An image.
    Image(ImageId, Box<ImageConfig>),
    /// A named context that is a directory, by its name.
    Directory(String),
    /// A named context that is empty (`docker-image://scratch`).
    Scratch,
    /// An image that cannot be had where that is no error: nothing is known of what is in it.
    Unknown(ImageId),
}

/// A base cannot be had. The plan adds the line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BaseError {
    /// One line, in the wording of the reference builder where it has one (D-26, D-27).
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

/// Something elsewhere that has a time (ARG-13).
#[derive(Clone, Copy, Debug)]
pub enum TimeOf<'a> {
    /// The main build context.
    Context,
    /// A named context, as [`Bases::named`] gives its name.
    Named(&'a str),
    /// A source of ADD.
    Source(&'a CopySource),
}

/// Resolves the names of images: implemented by `bases`, and by fakes in tests.
pub trait Bases {
    /// The named context `name` for `platform` (NCTX-2), if there is one. Names are compared as NCTX-1 says.
    fn context(&self, name: &str, platform: &Platform) -> Result<Option<Found>, BaseError>;

    /// The image that a reference names, from the store or a registry.
    fn image(&self, name: &Reference, platform: &Platform) -> Result<Found, BaseError>;

    /// How a named context that holds files calls itself, if `name` names one.
    fn named(&self, _name: &str) -> Option<String> {
        None
    }

    /// When something was made, where that is known: the commit of a repository, `Last-Modified` of a URL; seconds since 1970.
    fn time(&self, _of: TimeOf<'_>) -> Result<Option<i64>, BaseError> {
        Ok(None)
    }
}
