use crate::bases::{ContextFiles, Resolver};
use crate::image::{Platform, Reference};
use crate::plan::{BaseError, Bases, CopySource, Found, TimeOf};
use crate::remote::Source;

use super::fetch::Fetcher;
use super::{BuildError, elsewhere};

/// All that a plan may ask: about images, and about times (ARG-13).
pub(super) struct Known<'a> {
    pub(super) resolver: &'a Resolver,
    pub(super) fetcher: &'a Fetcher,
    /// When the main context was made, if it lies elsewhere.
    pub(super) main: Option<i64>,
}

impl Bases for Known<'_> {
    fn context(&self, name: &str, platform: &Platform) -> Result<Option<Found>, BaseError> {
        self.resolver.context(name, platform)
    }

    fn image(&self, name: &Reference, platform: &Platform) -> Result<Found, BaseError> {
        self.resolver.image(name, platform)
    }

    fn named(&self, name: &str) -> Option<String> {
        self.resolver.named(name)
    }

    fn time(&self, of: TimeOf<'_>) -> Result<Option<i64>, BaseError> {
        match of {
            TimeOf::Context => Ok(self.main),
            TimeOf::Named(name) => match self.resolver.files(name) {
                Some(ContextFiles::Remote(source)) => self.of(&source),
                Some(ContextFiles::Directory(_)) | None => Ok(None),
            },
            TimeOf::Source(CopySource::Git(reference)) => self.of(&Source::Git(reference.clone())),
            TimeOf::Source(CopySource::Url(url)) => self.of(&Source::Url(url.clone())),
            TimeOf::Source(CopySource::Path(_) | CopySource::Heredoc { .. }) => Ok(None),
        }
    }
}

impl Known<'_> {
    fn of(&self, source: &Source) -> Result<Option<i64>, BaseError> {
        let failed = |error: BuildError| {
            let help = match &error {
                BuildError::Git(error) => error.help().map(str::to_owned),
                BuildError::Download(error) => error.help(),
                _ => None,
            };
            BaseError { message: elsewhere::one_line(&error), help }
        };
        match source {
            Source::Git(reference) => {
                let found = self.fetcher.git(reference, reference.keep_git_dir == Some(true)).map_err(failed)?;
                Ok(Some(found.committed))
            }
            Source::Url(url) => Ok(self.fetcher.url(url).map_err(failed)?.modified),
        }
    }
}
