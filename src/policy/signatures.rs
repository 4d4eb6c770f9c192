//! Where signatures are, and whether one of them holds (cosign's specifications of signatures and of its storage).

use std::io::Read;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::image::{Descriptor, Digest, Document, Reference};
use crate::registry::{self, Registry};

use super::rules::{Demand, Signers};
use super::{Error, Policy, bundle, payload};

/// The annotation with the signature of a layer, in base64.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// The media type of such a layer.
const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// What referrers with such layers are.
const REFERRER: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// What bundles of sigstore are, of any version.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// Signatures that are looked at.
const MOST: usize = 100;
/// Bytes of what is signed.
const MAX_PAYLOAD: u64 = 1 << 20;

impl Policy {
    /// Sees that one of the keys asked for has signed the manifest or index `digest`, which `name` means.
    pub fn verify(&self, name: &Reference, digest: &Digest, registry: &Registry) -> Result<(), Error> {
        let Demand::Signature(signers) = self.demand(name) else { return Ok(()) };
        let failed = |source| Error::Registry { name: name.familiar(), source };
        let search = Search { registry, name, digest, signers };
        let mut reasons = Vec::new();
        let tag = format!("{}:sha256-{}.sig", name.place(), digest.hex()).parse::<Reference>();
        if let Ok(tag) = tag {
            match registry.resolve(&tag) {
                Ok(found) if search.holds(&found.bytes, &mut reasons).map_err(failed)? => return Ok(()),
                Ok(_) | Err(registry::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let is_signature = |entry: &&Descriptor| {
            entry.artifact_type.as_deref().is_some_and(|kind| kind == REFERRER || kind.starts_with(BUNDLE))
        };
        let referrers = registry.referrers(name, digest, None).map_err(failed)?;
        for entry in referrers.iter().filter(is_signature).take(MOST) {
            let bytes = registry.manifest(name, &entry.digest).map_err(failed)?;
            if Digest::of(&bytes) != entry.digest {
                reasons.push("it came damaged".to_owned());
            } else if search.holds(&bytes, &mut reasons).map_err(failed)? {
                return Ok(());
            }
        }
        let (name, policy, digest) = (name.familiar(), self.path.clone(), *digest);
        if reasons.is_empty() {
            return Err(Error::Unsigned { name, policy, digest });
        }
        reasons.dedup();
        Err(Error::NotTrusted { name, policy, digest, reasons: reasons.join("; ") })
    }
}

/// The image whose signatures are looked for.
struct Search<'a> {
    registry: &'a Registry,
    name: &'a Reference,
    digest: &'a Digest,
    signers: &'a Signers,
}

impl Search<'_> {
    /// Whether one of the layers of a manifest is a signature that holds; adds what is wrong with the others.
    fn holds(&self, manifest: &[u8], reasons: &mut Vec<String>) -> Result<bool, registry::Error> {
        let Ok(Document::Manifest(manifest)) = Document::from_json(manifest) else {
            reasons.push("it is no manifest".to_owned());
            return Ok(false);
        };
        for layer in manifest.layers.iter().take(MOST) {
            let kind = layer.media_type.to_string();
            if kind != SIMPLE_SIGNING && !kind.starts_with(BUNDLE) {
                continue;
            }
            let checked = match self.content(layer)? {
                Ok(bytes) if kind == SIMPLE_SIGNING => self.simple(layer, &bytes),
                Ok(bytes) => bundle::check(&bytes, self.name, self.digest, self.signers),
                Err(reason) => Err(reason),
            };
            match checked {
                Ok(()) => return Ok(true),
                Err(reason) => reasons.push(reason),
            }
        }
        Ok(false)
    }

    /// A signature beside what it signs.
    fn simple(&self, layer: &Descriptor, bytes: &[u8]) -> Result<(), String> {
        let text = layer.annotations.get(SIGNATURE).map(String::as_str).unwrap_or_default();
        let signature = BASE64_STANDARD.decode(text).unwrap_or_default();
        if !self.signers.keys.iter().any(|key| key.has_signed(bytes, &signature)) {
            return Err("none of the keys has made it".to_owned());
        }
        payload::check(bytes, self.name, self.digest, &self.signers.identity)
    }

    /// What is signed, which need not be what was promised.
    fn content(&self, layer: &Descriptor) -> Result<Result<Vec<u8>, String>, registry::Error> {
        if layer.size > MAX_PAYLOAD {
            return Ok(Err("it is too large".to_owned()));
        }
        let reader = self.registry.blob(self.name, layer)?;
        let mut bytes = Vec::new();
        Ok(match reader.take(MAX_PAYLOAD).read_to_end(&mut bytes) {
            Ok(_) if Digest::of(&bytes) == layer.digest => Ok(bytes),
            Ok(_) => Err("it came damaged".to_owned()),
            Err(error) => Err(format!("it cannot be had: {error}")),
        })
    }
}
