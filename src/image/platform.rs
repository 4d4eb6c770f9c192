use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Operating system, architecture and variant an image is for, normalised (FROM-10).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, PartialOrd, Ord)]
pub struct Platform {
    /// `linux`, `windows`, …
    pub os: String,
    /// GOARCH name: `amd64`, `arm64`, …
    pub architecture: String,
    /// `v7` for arm; empty fields are absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// From the form `os(version)/arch`.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "os.version")]
    pub os_version: Option<String>,
}

/// A text is not a platform.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a platform: expected os, arch, os/arch or os/arch/variant")]
pub struct PlatformError(pub String);

const KNOWN_OS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "illumos",
    "ios",
    "js",
    "linux",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasip1",
    "windows",
];
const KNOWN_ARCH: &[&str] = &[
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64",
    "s390x", "wasm",
];

impl Platform {
    /// The platform kiln itself runs on.
    pub fn host() -> Self {
        let (architecture, variant) = normalise_arch(std::env::consts::ARCH, None);
        Self { os: std::env::consts::OS.to_owned(), architecture, variant, os_version: None }
    }

    /// Whether an image for `self` can stand where `wanted` was asked for; an unset variant fits any.
    pub fn satisfies(&self, wanted: &Self) -> bool {
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (self.variant.is_none() || wanted.variant.is_none() || self.variant == wanted.variant)
    }

    /// `TARGETPLATFORM` without the OS version (ARG-10).
    pub fn short(&self) -> String {
        let mut text = format!("{}/{}", self.os, self.architecture);
        if let Some(variant) = &self.variant {
            text.push('/');
            text.push_str(variant);
        }
        text
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.os)?;
        if let Some(version) = &self.os_version {
            write!(f, "({version})")?;
        }
        write!(f, "/{}", self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

fn normalise_os(os: &str) -> String {
    let os = os.to_lowercase();
    if os == "macos" { "darwin".to_owned() } else { os }
}

fn normalise_arch(arch: &str, variant: Option<&str>) -> (String, Option<String>) {
    let arch = arch.to_lowercase();
    let variant = variant.map(str::to_lowercase).filter(|variant| !variant.is_empty());
    let (arch, variant) = match (arch.as_str(), variant) {
        ("x86_64" | "x86-64", variant) => ("amd64".to_owned(), variant),
        ("i386" | "x86", variant) => ("386".to_owned(), variant),
        ("aarch64", variant) => ("arm64".to_owned(), variant),
        ("armhf", _) => ("arm".to_owned(), Some("v7".to_owned())),
        ("armel", _) => ("arm".to_owned(), Some("v6".to_owned())),
        (_, variant) => (arch, variant),
    };
    match (arch.as_str(), variant.as_deref()) {
        ("arm64", Some("8" | "v8")) | ("amd64", Some("v1")) => (arch, None),
        ("arm", None | Some("7")) => (arch, Some("v7".to_owned())),
        ("arm", Some(digit @ ("5" | "6" | "8"))) => {
            let variant = format!("v{digit}");
            (arch, Some(variant))
        }
        _ => (arch, variant),
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let wrong = || PlatformError(text.to_owned());
        let word = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        };
        let parts: Vec<&str> = text.split('/').collect();
        let (os_part, os_version) = match parts[0].split_once('(') {
            Some((os, version)) => (os, Some(version.strip_suffix(')').ok_or_else(wrong)?.to_owned())),
            None => (parts[0], None),
        };
        if !word(os_part) || !parts[1..].iter().all(|part| word(part)) || parts.len() > 3 {
            return Err(wrong());
        }
        let os_version = os_version.filter(|version| !version.is_empty());
        let host = Self::host();
        if let [_] = parts[..] {
            let os = normalise_os(os_part);
            if KNOWN_OS.contains(&os.as_str()) {
                return Ok(Self { os, os_version, ..host });
            }
            let (architecture, variant) = normalise_arch(os_part, None);
            return if os_version.is_none() && KNOWN_ARCH.contains(&architecture.as_str()) {
                Ok(Self { architecture, variant, ..host })
            } else {
                Err(wrong())
            };
        }
        let (architecture, variant) = normalise_arch(parts[1], parts.get(2).copied());
        Ok(Self { os: normalise_os(os_part), architecture, variant, os_version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_10_platforms_are_normalised() {
        for (text, want) in [
            ("linux/amd64", "linux/amd64"),
            ("Linux/X86_64", "linux/amd64"),
            ("linux/aarch64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/armel", "linux/arm/v6"),
            ("macos/arm64", "darwin/arm64"),
            ("windows(10.0.1)/amd64", "windows(10.0.1)/amd64"),
        ] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), want, "{text}");
        }
        assert_eq!("arm64".parse::<Platform>().unwrap().architecture, "arm64");
        assert_eq!("linux".parse::<Platform>().unwrap(), Platform::host());
    }

    #[test]
    fn d_25_wrong_platforms_are_refused() {
        for bad in ["", "*", "linux/*", "a/b/c/d", "nonsense", "linux/", "/amd64", "linux(1/amd64"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }
}
