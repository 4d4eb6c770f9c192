//! What a repository holds: its tags, and what refers to a manifest (distribution specification, "Content Discovery").

use std::collections::BTreeSet;

use reqwest::Url;
use reqwest::blocking::{Client, Response};
use reqwest::header::{ACCEPT, LINK};
use serde::Deserialize;

use crate::image::{Descriptor, Digest, Document, Index, MediaType, Reference, Referrer, Wire};

use super::client::limited;
use super::connection::{Connection, Scopes};
use super::error::Doing;
use super::fault::Fault;
use super::patience::patiently;
use super::{Error, Registry};

/// A list on more pages has no end.
const MAX_PAGES: usize = 10_000;

/// What part of a list is wanted.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Page {
    /// At most so many; `None`: all.
    pub limit: Option<usize>,
    /// Those that come after this one.
    pub after: Option<String>,
}

#[derive(Deserialize)]
struct Tags {
    /// Some registries write `null` for none.
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Registry {
    /// The tags of the repository of `name`, sorted.
    pub fn tags(&self, name: &Reference, page: &Page) -> Result<Vec<String>, Error> {
        let scopes = Scopes::pull(name.repository());
        let limit = page.limit.unwrap_or(usize::MAX);
        self.first_that_has(name, Doing::Pull, |connection| {
            let mut url = connection.url(&format!("/v2/{}/tags/list", name.repository()))?;
            if page.limit.is_some() {
                url.query_pairs_mut().append_pair("n", &limit.to_string());
            }
            if let Some(after) = &page.after {
                url.query_pairs_mut().append_pair("last", after);
            }
            let mut all = Vec::new();
            pages(connection, &scopes, url, |bytes| {
                let read: Tags = serde_json::from_slice(bytes)
                    .map_err(|error| Fault::Nonsense(format!("it is no list of tags: {error}")))?;
                all.extend(read.tags.unwrap_or_default());
                Ok(all.len() < limit)
            })?;
            // Registries that know nothing of pages send all, and not always in order.
            all.sort();
            all.retain(|tag| page.after.as_ref().is_none_or(|after| tag > after));
            all.truncate(limit);
            Ok(all)
        })
    }

    /// The manifests that say something of the manifest `subject` in the repository of `name`, those of the type `kind` alone
    /// where one is given. A registry that keeps no such lists has them under a tag.
    pub fn referrers(&self, name: &Reference, subject: &Digest, kind: Option<&str>) -> Result<Vec<Descriptor>, Error> {
        let scopes = Scopes::pull(name.repository());
        let mut found = self.first_that_has(name, Doing::Pull, |connection| {
            let mut url = connection.url(&format!("/v2/{}/referrers/{subject}", name.repository()))?;
            if let Some(kind) = kind {
                url.query_pairs_mut().append_pair("artifactType", kind);
            }
            let mut all = Vec::new();
            let listed = pages(connection, &scopes, url, |bytes| {
                all.extend(index(bytes)?.manifests);
                Ok(true)
            });
            match listed {
                Ok(()) => Ok(all),
                Err(fault) if keeps_no_lists(&fault) => Ok(tagged(connection, name, subject)?.manifests),
                Err(fault) => Err(fault),
            }
        })?;
        found.retain(|entry| kind.is_none() || entry.artifact_type.as_deref() == kind);
        Ok(found)
    }

    /// Adds a manifest, which the registry has by now, to the tag that stands for the list of referrers, as clients do where
    /// the registry keeps no lists.
    pub(super) fn list_referrer(&self, name: &Reference, referrer: &Referrer) -> Result<(), Error> {
        let is_it = |entry: &Descriptor| entry.digest == referrer.entry.digest;
        self.change_list(name, &referrer.subject, |list| {
            if !list.iter().any(is_it) {
                list.push(referrer.entry.clone());
            }
        })
    }

    /// Takes a manifest that is gone from that list.
    pub(super) fn unlist_referrer(&self, name: &Reference, referrer: &Referrer) -> Result<(), Error> {
        self.change_list(name, &referrer.subject, |list| list.retain(|entry| entry.digest != referrer.entry.digest))
    }

    fn change_list(
        &self,
        name: &Reference,
        subject: &Digest,
        change: impl Fn(&mut Vec<Descriptor>),
    ) -> Result<(), Error> {
        let before = self.at(name, Doing::Push, |connection| tagged(connection, name, subject))?;
        let mut list = before.clone();
        change(&mut list.manifests);
        if list == before {
            return Ok(());
        }
        let bytes = list.to_json();
        let descriptor = Descriptor::of(MediaType::Index(Wire::Oci), &bytes);
        let Ok(tag) = format!("{}:{}", name.place(), tag_of(subject)).parse() else { return Ok(()) };
        self.push_manifest(&tag, &descriptor, &bytes)
    }
}

/// The tag that stands for the list of referrers ("Referrers Tag Schema").
fn tag_of(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}

/// The list under the tag; empty where there is none.
fn tagged(connection: &Connection, name: &Reference, subject: &Digest) -> Result<Index, Fault> {
    let path = format!("/v2/{}/manifests/{}", name.repository(), tag_of(subject));
    let kind = MediaType::Index(Wire::Oci).to_string();
    let scopes = Scopes::pull(name.repository());
    match patiently(|| limited(connection.send(&scopes, &path, |client, url| client.get(url).header(ACCEPT, &kind))?)) {
        Ok(bytes) => index(&bytes),
        Err(Fault::Status { status: 404, .. }) => Ok(Index::of(Vec::new())),
        Err(fault) => Err(fault),
    }
}

fn index(bytes: &[u8]) -> Result<Index, Fault> {
    match Document::from_json(bytes) {
        Ok(Document::Index(index)) => Ok(index),
        Ok(Document::Manifest(_)) => {
            Err(Fault::Nonsense("a manifest stands where a list of referrers should".to_owned()))
        }
        Err(error) => Err(Fault::Nonsense(format!("it is no list of referrers: {error}"))),
    }
}

/// What registries answer that are older than lists of referrers.
fn keeps_no_lists(fault: &Fault) -> bool {
    matches!(fault, Fault::Status { status: 400 | 404 | 405 | 501, .. })
}

/// Reads a list page by page (RFC 5988, `Link`), as long as `take` wants more.
fn pages(
    connection: &Connection,
    scopes: &Scopes,
    first: Url,
    mut take: impl FnMut(&[u8]) -> Result<bool, Fault>,
) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    let mut at = Some(first);
    while let Some(url) = at {
        if seen.len() >= MAX_PAGES || !seen.insert(url.to_string()) {
            return Err(Fault::Nonsense("a list that has no end".to_owned()));
        }
        let (next, bytes) = patiently(|| {
            let response = connection.send_to(scopes, &url, Client::get)?;
            Ok((next_of(&response), limited(response)?))
        })?;
        at = next;
        if !take(&bytes)? {
            break;
        }
    }
    Ok(())
}

/// `<URL>; rel="next"`
fn next_of(response: &Response) -> Option<Url> {
    let links = response.headers().get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let next = links.flat_map(|line| line.split(',')).find(|link| {
        let mut parameters = link.split(';').skip(1);
        parameters.any(|parameter| matches!(parameter.trim(), "rel=\"next\"" | "rel=next"))
    })?;
    let target = next.split(';').next()?.trim().strip_prefix('<')?.strip_suffix('>')?;
    response.url().join(target).ok()
}
