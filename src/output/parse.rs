use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::image::{Compression, Reference};

use super::{Destination, OutputKind, OutputSpec, OutputSpecError};

/// Options that change the result and are not built yet: silence would be a wrong image.
const UNSUPPORTED: [&str; 2] = ["source-date-epoch", "prefer-nondist-layers"];

type Result<T> = std::result::Result<T, OutputSpecError>;

impl FromStr for OutputSpec {
    type Err = OutputSpecError;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl OutputSpec {
    /// Reads the value of `-o` (OUT-CLI-1, OUT-CLI-2, OUT-CLI-4).
    ///
    /// Beyond the reference a bare path that ends in `.tar` is an OCI archive, and `type=oci-layout` is
    /// `type=oci,tar=false`. `type=docker` without `dest` is kept in kiln's own store: kiln is the engine it would be
    /// loaded into.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(OutputSpecError("an output must not be empty".to_owned()));
        }
        let fields = fields(text)?;
        if let [only] = &fields[..]
            && (!only.contains('=') || only.starts_with(['/', '.']))
        {
            return Ok(bare(only));
        }
        let mut options = Options::default();
        for field in &fields {
            let Some((key, value)) = field.split_once('=') else {
                return Err(OutputSpecError(format!("invalid value `{field}`, expected key=value")));
            };
            options.set(&key.trim().to_lowercase(), value)?;
        }
        options.finish()
    }
}

/// One record of CSV, quotes taken away.
fn fields(text: &str) -> Result<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let record = reader.records().next();
    let wrong = |why: &dyn std::fmt::Display| OutputSpecError(format!("`{text}` is no comma-separated list: {why}"));
    match record {
        Some(Ok(record)) => Ok(record.iter().map(str::to_owned).collect()),
        Some(Err(error)) => Err(wrong(&error)),
        None => Err(wrong(&"it is empty")),
    }
}

fn bare(path: &str) -> OutputSpec {
    match path {
        "-" => OutputSpec::new(OutputKind::Tar, Some(Destination::Stdout)),
        path => {
            let archive = Path::new(path).extension().is_some_and(|extension| extension == "tar");
            let kind = if archive { OutputKind::OciTar } else { OutputKind::Local };
            OutputSpec::new(kind, Some(Destination::Path(PathBuf::from(path))))
        }
    }
}

/// What the fields say, before it is known whether they go together.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
struct Options {
    kind: Option<String>,
    destination: Option<Destination>,
    names: Vec<Reference>,
    compression: Option<Compression>,
    level: Option<i32>,
    force_compression: bool,
    rewrite_timestamp: bool,
    oci_media_types: Option<bool>,
    tar: Option<bool>,
    push: bool,
    by_digest: bool,
}

impl Options {
    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        match key {
            "type" => self.kind = Some(value.to_owned()),
            "dest" if value.is_empty() => return Err(OutputSpecError("dest must not be empty".to_owned())),
            "dest" if value == "-" => self.destination = Some(Destination::Stdout),
            "dest" => self.destination = Some(Destination::Path(PathBuf::from(value))),
            "name" => {
                for name in value.split(',').filter(|name| !name.is_empty()) {
                    self.names.push(tag(name)?);
                }
            }
            "compression" => self.compression = Some(compression(value)?),
            "compression-level" => {
                let wrong = |_| OutputSpecError(format!("compression-level: `{value}` is not a whole number"));
                self.level = Some(value.parse().map_err(wrong)?);
            }
            "force-compression" => self.force_compression = boolean(key, value)?,
            "rewrite-timestamp" => self.rewrite_timestamp = boolean(key, value)?,
            "oci-mediatypes" => self.oci_media_types = Some(boolean(key, value)?),
            "tar" => self.tar = Some(boolean(key, value)?),
            "push" => self.push = boolean(key, value)?,
            "push-by-digest" => self.by_digest = boolean(key, value)?,
            "mode" if value == "delete" => return Err(unsupported("mode=delete")),
            _ if UNSUPPORTED.contains(&key) && boolean(key, value) != Ok(false) => return Err(unsupported(key)),
            _ if key.starts_with("annotation") => return Err(unsupported(key)),
            // OUT-CLI-4: unknown attributes are not rejected.
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<OutputSpec> {
        let wrong = |message: String| Err(OutputSpecError(message));
        let Some(name) = self.kind.as_deref() else { return wrong("type is required for output".to_owned()) };
        let kind = match name {
            "oci" if self.tar == Some(false) => OutputKind::OciDirectory,
            "oci" => OutputKind::OciTar,
            "oci-layout" => OutputKind::OciDirectory,
            "docker" if self.tar == Some(false) => return Err(unsupported("tar=false of type=docker")),
            "docker" if self.destination.is_none() => OutputKind::Store,
            "docker" => OutputKind::Docker,
            "local" => OutputKind::Local,
            "tar" => OutputKind::Tar,
            "image" | "registry" => OutputKind::Store,
            "cacheonly" => OutputKind::Nothing,
            other => return wrong(format!("unknown output type `{other}`")),
        };
        let destination = match (kind, self.destination) {
            (OutputKind::Store | OutputKind::Nothing, _) => None,
            (OutputKind::Local | OutputKind::OciDirectory, None | Some(Destination::Stdout)) => {
                return wrong(format!("dest directory is required for {name} exporter"));
            }
            (_, destination) => Some(destination.unwrap_or(Destination::Stdout)),
        };
        check_compression(self.compression, self.level, self.oci_media_types)?;
        Ok(OutputSpec {
            kind,
            destination,
            names: self.names,
            compression: self.compression,
            level: self.level,
            force_compression: self.force_compression,
            rewrite_timestamp: self.rewrite_timestamp,
            oci_media_types: self.oci_media_types,
            push: name == "registry" || (name == "image" && self.push),
            by_digest: self.by_digest,
        })
    }
}

/// MT-2.
fn check_compression(compression: Option<Compression>, level: Option<i32>, oci: Option<bool>) -> Result<()> {
    if compression == Some(Compression::Zstd) && oci == Some(false) {
        return Err(OutputSpecError("compression=zstd needs oci-mediatypes=true".to_owned()));
    }
    let most = if compression == Some(Compression::Zstd) { 22 } else { 9 };
    match level {
        Some(level) if !(0..=most).contains(&level) => {
            Err(OutputSpecError(format!("compression-level {level} is not between 0 and {most}")))
        }
        _ => Ok(()),
    }
}

fn tag(name: &str) -> Result<Reference> {
    let reference: Reference = name.trim().parse().map_err(|error| OutputSpecError(format!("{error}")))?;
    if reference.digest().is_some() {
        return Err(OutputSpecError(format!("`{name}`: the name of an output cannot have a digest")));
    }
    Ok(reference)
}

fn compression(value: &str) -> Result<Compression> {
    match value {
        "gzip" => Ok(Compression::Gzip),
        "zstd" => Ok(Compression::Zstd),
        "uncompressed" => Ok(Compression::Uncompressed),
        "estargz" => Err(unsupported("compression=estargz")),
        other => Err(OutputSpecError(format!("unsupported compression type `{other}`"))),
    }
}

/// The spellings that the reference accepts.
fn boolean(key: &str, value: &str) -> Result<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(OutputSpecError(format!("non-boolean value `{value}` for {key}"))),
    }
}

fn unsupported(what: &str) -> OutputSpecError {
    OutputSpecError(format!("output option `{what}` is not supported yet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Destination {
        Destination::Path(PathBuf::from(text))
    }

    #[test]
    fn out_cli_1_and_2_kinds_and_destinations() {
        use OutputKind::{Docker, Local, Nothing, OciDirectory, OciTar, Store, Tar};
        for (text, kind, destination) in [
            ("out", Local, Some(path("out"))),
            ("./a=b", Local, Some(path("./a=b"))),
            ("out.tar", OciTar, Some(path("out.tar"))),
            ("-", Tar, Some(Destination::Stdout)),
            ("type=local,dest=out", Local, Some(path("out"))),
            ("type=tar,dest=x.tar", Tar, Some(path("x.tar"))),
            ("type=tar", Tar, Some(Destination::Stdout)),
            ("TYPE=oci,Dest=x", OciTar, Some(path("x"))),
            ("type=oci,dest=-", OciTar, Some(Destination::Stdout)),
            ("type=oci,tar=false,dest=x", OciDirectory, Some(path("x"))),
            ("type=oci-layout,dest=x", OciDirectory, Some(path("x"))),
            ("type=docker,dest=x", Docker, Some(path("x"))),
            ("type=docker", Store, None),
            ("type=image,push=false,unknown=x", Store, None),
            ("type=cacheonly", Nothing, None),
            ("type=oci,\"dest=a,b\"", OciTar, Some(path("a,b"))),
        ] {
            assert_eq!(OutputSpec::parse(text).unwrap(), OutputSpec::new(kind, destination), "{text}");
        }
    }

    #[test]
    fn out_cli_4_options_are_read() {
        let text = "type=oci,dest=x,\"name=a,b/c:d\",compression=zstd,compression-level=19,rewrite-timestamp=1";
        let spec = OutputSpec::parse(text).unwrap();
        let names: Vec<String> = spec.names.iter().map(Reference::familiar).collect();
        assert_eq!(names, ["a:latest", "b/c:d"]);
        assert_eq!((spec.compression, spec.level), (Some(Compression::Zstd), Some(19)));
        assert!(spec.rewrite_timestamp && spec.oci_media_types.is_none() && !spec.force_compression);
        assert!(OutputSpec::parse("type=oci,dest=x,force-compression=true").unwrap().force_compression);
    }

    #[test]
    fn out_cli_1_wrong_outputs_are_refused() {
        for (text, message) in [
            ("", "must not be empty"),
            ("dest=x", "type is required for output"),
            ("type=local", "dest directory is required for local exporter"),
            ("type=local,dest=-", "dest directory is required"),
            ("type=oci-layout", "dest directory is required"),
            ("type=oci,x", "invalid value `x`"),
            ("type=oci,dest=", "dest must not be empty"),
            ("type=oci,tar=maybe", "non-boolean value `maybe`"),
            ("type=oci,compression=lzma", "unsupported compression type `lzma`"),
            ("type=oci,compression-level=10", "not between 0 and 9"),
            ("type=docker,compression=zstd,oci-mediatypes=false", "needs oci-mediatypes=true"),
            ("type=oci,name=a@sha256:0000000000000000000000000000000000000000000000000000000000000000", "digest"),
            ("type=oci,name=UPPER", "invalid reference format"),
            ("type=oci,annotation.a=b", "not supported yet"),
            ("type=nonsense", "unknown output type `nonsense`"),
        ] {
            let error = OutputSpec::parse(text).unwrap_err().0;
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
