//! The values of `--cache-from` and `--cache-to` (CX-1 to CX-6).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::image::{Compression, Digest, Reference};
use crate::registry::{Access, HostAccess};

use super::{Local, Mode, Place, Registry, Service, Wishes};

/// A value that is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct SpecError(pub String);

/// Where a cache is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Location {
    /// In a repository.
    Registry {
        /// Its name there.
        name: Reference,
        /// Certificates are not checked, and plain HTTP will do.
        insecure: bool,
    },
    /// In a directory.
    Local(Local),
    /// In a service of another kind.
    Service(Service),
}

/// `--cache-to`
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExportSpec {
    /// To a place.
    Place(Location, Wishes),
    /// Into the image's config.
    Inline,
}

/// What stands in one value, taken out one by one: what is left is unknown.
struct Fields {
    kind: String,
    fields: BTreeMap<String, String>,
}

type Result<T> = std::result::Result<T, SpecError>;

impl Location {
    /// Reads the value of `--cache-from`.
    pub fn import(text: &str) -> Result<Self> {
        let mut fields = Fields::read(text)?;
        let found = fields.location(false)?;
        // A file that names the same for both is common.
        for both in ["mode", "ignore-error"] {
            fields.fields.remove(both);
        }
        fields.end()?;
        Ok(found)
    }

    /// The place itself. Nothing is asked yet. `client` reaches registries as `access` says.
    pub fn open(&self, access: &Access, client: &Arc<crate::registry::Registry>) -> Arc<dyn Place> {
        match self {
            Self::Registry { name, insecure: false } => Arc::new(Registry::new(Arc::clone(client), name.clone())),
            Self::Registry { name, insecure: true } => {
                let mut access = access.clone();
                let host = access.hosts.entry(name.registry().to_owned()).or_default();
                *host = HostAccess { insecure: true, ..host.clone() };
                Arc::new(Registry::new(Arc::new(crate::registry::Registry::new(access)), name.clone()))
            }
            Self::Local(local) => Arc::new(local.clone()),
            Self::Service(service) => service.place(),
        }
    }
}

impl ExportSpec {
    /// Reads the value of `--cache-to`.
    pub fn parse(text: &str) -> Result<Self> {
        let mut fields = Fields::read(text)?;
        if fields.kind == "inline" {
            // Elsewhere it is allowed and means nothing.
            fields.fields.remove("mode");
            fields.end()?;
            return Ok(Self::Inline);
        }
        let location = fields.location(true)?;
        let wishes = fields.wishes()?;
        fields.end()?;
        Ok(Self::Place(location, wishes))
    }
}

impl Fields {
    fn read(text: &str) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let record = match reader.records().next() {
            Some(Ok(record)) => record,
            Some(Err(error)) => return wrong(format!("`{text}` is no comma-separated list: {error}")),
            None => return wrong("it is empty".to_owned()),
        };
        let mut fields = BTreeMap::new();
        if let (1, Some(only)) = (record.len(), record.get(0).filter(|only| !only.contains('='))) {
            // CX-1
            fields.insert("ref".to_owned(), only.to_owned());
            return Ok(Self { kind: "registry".to_owned(), fields });
        }
        for field in &record {
            let Some((key, value)) = field.split_once('=') else {
                return wrong(format!("invalid value `{field}`, expected key=value"));
            };
            fields.insert(key.trim().to_lowercase(), value.to_owned());
        }
        match fields.remove("type") {
            Some(kind) if !kind.is_empty() => Ok(Self { kind, fields }),
            _ => wrong(format!("type required for \"{text}\"")),
        }
    }

    fn location(&mut self, is_export: bool) -> Result<Location> {
        match self.kind.as_str() {
            "registry" => {
                let text = self.needs("ref")?;
                let name: Reference =
                    text.parse().map_err(|error: crate::image::ReferenceError| SpecError(error.to_string()))?;
                if is_export && name.digest().is_some() {
                    return wrong(format!("`{text}`: a cache cannot be written under a digest"));
                }
                Ok(Location::Registry { name, insecure: self.boolean("registry.insecure")?.unwrap_or(false) })
            }
            "local" => {
                let dir = PathBuf::from(self.needs(if is_export { "dest" } else { "src" })?);
                let tag = self.take("tag").unwrap_or_else(|| "latest".to_owned());
                let digest = match self.take("digest").filter(|_| !is_export) {
                    None => None,
                    Some(text) => Some(text.parse::<Digest>().map_err(|error| SpecError(error.to_string()))?),
                };
                let reset = is_export && self.boolean("reset")?.unwrap_or(false);
                Ok(Location::Local(Local { dir, tag, digest, reset }))
            }
            "inline" => wrong(
                "type=inline is for `--cache-to`; read it from the image with `type=registry,ref=IMAGE`".to_owned(),
            ),
            other => match Service::open(other, &mut self.fields) {
                Some(opened) => opened.map(Location::Service).map_err(SpecError),
                None => wrong(format!(
                    "unknown cache type `{other}`; there are registry, local, inline, s3, gcs, azblob, gha and http"
                )),
            },
        }
    }

    fn wishes(&mut self) -> Result<Wishes> {
        for always in ["image-manifest", "oci-mediatypes"] {
            if self.boolean(always)? == Some(false) {
                return wrong(format!("{always}=false is not to be had: a cache is an OCI artifact"));
            }
        }
        let mode = match self.take("mode").as_deref() {
            None | Some("min") => Mode::Min,
            Some("max") => Mode::Max,
            Some(other) => return wrong(format!("mode is `min` or `max`, not `{other}`")),
        };
        let compression = match self.take("compression").as_deref() {
            None => None,
            Some("uncompressed") => Some(Compression::Uncompressed),
            Some("gzip") => Some(Compression::Gzip),
            Some("zstd") => Some(Compression::Zstd),
            Some(other) => return wrong(format!("compression is `uncompressed`, `gzip` or `zstd`, not `{other}`")),
        };
        let level = self.take("compression-level");
        let level = level.map(|text| {
            text.parse().map_err(|_| SpecError(format!("compression-level: `{text}` is not a whole number")))
        });
        Ok(Wishes {
            mode,
            compression,
            level: level.transpose()?,
            force_compression: self.boolean("force-compression")?.unwrap_or(false),
            must_succeed: self.boolean("ignore-error")? == Some(false),
            mounts: self.boolean("mounts")?.unwrap_or(false),
        })
    }

    fn take(&mut self, key: &str) -> Option<String> {
        self.fields.remove(key).filter(|value| !value.is_empty())
    }

    fn needs(&mut self, key: &str) -> Result<String> {
        self.take(key).ok_or_else(|| SpecError(format!("type={} needs `{key}`", self.kind)))
    }

    fn boolean(&mut self, key: &str) -> Result<Option<bool>> {
        match self.take(key).as_deref() {
            None => Ok(None),
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(Some(true)),
            Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(Some(false)),
            Some(other) => wrong(format!("{key} is `true` or `false`, not `{other}`")),
        }
    }

    fn end(self) -> Result<()> {
        match self.fields.into_keys().next() {
            Some(key) => wrong(format!("there is no option `{key}` of type={}", self.kind)),
            None => Ok(()),
        }
    }
}

fn wrong<T>(message: String) -> Result<T> {
    Err(SpecError(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cx_1_imports() {
        let registry = |text: &str, insecure| Location::Registry { name: text.parse().unwrap(), insecure };
        let local = Local { dir: "/c".into(), tag: "latest".into(), digest: None, reset: false };
        for (text, meant) in [
            ("example.com/a", registry("example.com/a:latest", false)),
            ("type=registry,ref=example.com/a:b", registry("example.com/a:b", false)),
            ("type=registry,ref=example.com/a,registry.insecure=true", registry("example.com/a", true)),
            ("type=local,src=/c,mode=max", Location::Local(local.clone())),
            ("type=local,src=/c,tag=x", Location::Local(Local { tag: "x".into(), ..local })),
        ] {
            assert_eq!(Location::import(text), Ok(meant), "{text}");
        }
    }

    #[test]
    fn cx_1_and_cx_2_exports() {
        assert_eq!(ExportSpec::parse("type=inline"), Ok(ExportSpec::Inline));
        let text = "type=registry,ref=example.com/a,mode=max,compression=zstd,compression-level=9,force-compression=1,\
                    ignore-error=false,mounts=true,oci-mediatypes=true";
        let Ok(ExportSpec::Place(_, wishes)) = ExportSpec::parse(text) else { panic!("not read") };
        let meant = Wishes {
            mode: Mode::Max,
            compression: Some(Compression::Zstd),
            level: Some(9),
            force_compression: true,
            must_succeed: true,
            mounts: true,
        };
        assert_eq!(wishes, meant);
        let Ok(ExportSpec::Place(_, plain)) = ExportSpec::parse("type=local,dest=c") else { panic!("not read") };
        assert_eq!(plain, Wishes::default());
    }

    #[test]
    fn cx_1_what_is_wrong_is_named() {
        for (text, part) in [
            ("mode=max", "type required for \"mode=max\""),
            ("type=local,dest=c,mod=max", "no option `mod` of type=local"),
            ("type=registry", "type=registry needs `ref`"),
            ("type=tape,dest=c", "unknown cache type `tape`"),
            ("type=local,dest=c,mode=all", "mode is `min` or `max`"),
            ("type=local,dest=c,ignore-error=maybe", "ignore-error is `true` or `false`"),
            ("type=local,dest=c,compression=lzma", "not `lzma`"),
            ("type=local,dest=c,oci-mediatypes=false", "is not to be had"),
            ("type=registry,ref=A B", "A B"),
            (
                "type=registry,ref=a@sha256:0000000000000000000000000000000000000000000000000000000000000000",
                "under a digest",
            ),
            ("type=local,x", "expected key=value"),
        ] {
            let error = ExportSpec::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(Location::import("type=inline").unwrap_err().to_string().contains("--cache-to"));
    }
}
