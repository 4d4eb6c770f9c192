//! What is taken from a repository (distribution specification, "Content Management").

use reqwest::blocking::Client;

use crate::image::{Digest, Reference, Referrer};

use super::connection::Scopes;
use super::error::Doing;
use super::fault::Fault;
use super::{Error, Registry};

impl Registry {
    /// Removes a manifest from the repository of `name`, with all tags that lead to it. Where it says something of another
    /// one, and the registry keeps no lists of that, it goes from the tag that stands for the list.
    pub fn delete_manifest(&self, name: &Reference, digest: &Digest) -> Result<(), Error> {
        let referrer = self.manifest(name, digest).ok().and_then(|bytes| Referrer::of(&bytes));
        self.delete(name, &format!("manifests/{digest}"))?;
        match referrer {
            Some(referrer) => self.unlist_referrer(name, &referrer),
            None => Ok(()),
        }
    }

    /// Removes the tag of `name` alone, and what it leads to stays. `false` where the registry cannot do that.
    pub fn delete_tag(&self, name: &Reference) -> Result<bool, Error> {
        let tag = name.tag().unwrap_or("latest");
        match self.delete(name, &format!("manifests/{tag}")) {
            Ok(()) => Ok(true),
            // Registries that take digests alone complain of the tag, or know no such method.
            Err(Error::Failed { source, .. }) if matches!(*source, Fault::Status { status: 400 | 405 | 501, .. }) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Removes a blob from the repository of `name`. Images that have it are broken then.
    pub fn delete_blob(&self, name: &Reference, digest: &Digest) -> Result<(), Error> {
        self.delete(name, &format!("blobs/{digest}"))
    }

    fn delete(&self, name: &Reference, what: &str) -> Result<(), Error> {
        let scopes = Scopes::delete(name.repository());
        let path = format!("/v2/{}/{what}", name.repository());
        self.at(name, Doing::Delete, |connection| {
            // Not tried again: the answer that was lost may have been the good one, and then there is nothing any more.
            connection.send(&scopes, &path, Client::delete).map(drop)
        })
    }
}
