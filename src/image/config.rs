use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{DiffId, Platform};

/// An RFC 3339 time as it stands in a config; kept as text so that a base's own spelling survives.
pub type CreatedTime = String;

/// The config blob of an image (CONFIG-1). Its compact JSON, keys sorted, is the image id (CONFIG-8).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ImageConfig {
    /// GOARCH name.
    #[serde(default)]
    pub architecture: String,
    /// From MAINTAINER.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// What a runtime applies when it starts a container.
    #[serde(default)]
    pub config: RunConfig,
    /// When the image was made.
    #[serde(default)]
    pub created: Option<CreatedTime>,
    /// Records of the steps that gave the layers, for `--cache-from` (CX, `inline`). Runtimes pass it over.
    #[serde(default, rename = "dev.kiln.cache.v1", skip_serializing_if = "Option::is_none")]
    pub cache: Option<serde_json::Value>,
    /// One entry an instruction, oldest first.
    #[serde(default)]
    pub history: Vec<History>,
    /// `linux`.
    #[serde(default)]
    pub os: String,
    /// Wanted features of the OS.
    #[serde(default, rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// Wanted version of the OS.
    #[serde(default, rename = "os.version", skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    /// The layers, lowest first.
    #[serde(default)]
    pub rootfs: RootFsIds,
    /// Variant of the architecture.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

/// The `rootfs` member (CONFIG-6).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RootFsIds {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// One an entry of the history that is not empty.
    #[serde(default)]
    pub diff_ids: Vec<DiffId>,
}

impl Default for RootFsIds {
    fn default() -> Self {
        Self { kind: "layers".to_owned(), diff_ids: Vec::new() }
    }
}

/// The `config` member: defaults for a container (CONFIG-1). Unknown fields are dropped on reading.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the names are those of the image specification")]
pub struct RunConfig {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    #[serde(default, with = "set_as_map", skip_serializing_if = "BTreeSet::is_empty")]
    pub exposed_ports: BTreeSet<String>,
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    #[serde(default, with = "set_as_map", skip_serializing_if = "BTreeSet::is_empty")]
    pub volumes: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub args_escaped: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub on_build: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub shell: Vec<String>,
}

/// HEALTHCHECK as a config keeps it; durations in nanoseconds, zero left out (HC-4).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "the names are those of the image specification")]
pub struct Healthcheck {
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interval: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timeout: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_period: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: i64,
}

/// One line of an image's history (CONFIG-3).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the image specification")]
pub struct History {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<CreatedTime>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub created_by: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub author: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

impl ImageConfig {
    /// The config of `scratch` for `platform` (FROM-12).
    pub fn scratch(platform: &Platform) -> Self {
        let mut config = Self {
            config: RunConfig {
                env: vec![super::DEFAULT_PATH.to_owned()],
                working_dir: "/".to_owned(),
                ..RunConfig::default()
            },
            ..Self::default()
        };
        config.set_platform(platform);
        config
    }

    /// The platform that the config names; the host's where it is silent.
    pub fn platform(&self) -> Platform {
        let host = Platform::host();
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Platform {
            os: filled(&self.os).unwrap_or(host.os),
            architecture: filled(&self.architecture).unwrap_or(host.architecture),
            variant: filled(&self.variant),
            os_version: filled(&self.os_version),
        }
    }

    /// Writes `platform` into the four fields that hold it (FROM-24).
    pub fn set_platform(&mut self, platform: &Platform) {
        self.os.clone_from(&platform.os);
        self.architecture.clone_from(&platform.architecture);
        self.variant = platform.variant.clone().unwrap_or_default();
        self.os_version = platform.os_version.clone().unwrap_or_default();
    }

    /// Reads a config blob of OCI or Docker make.
    pub fn from_json(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }

    /// The compact JSON whose digest is the image id (CONFIG-8).
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Go writes a set as a map to empty objects.
mod set_as_map {
    use std::collections::{BTreeMap, BTreeSet};

    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Empty {}

    pub(super) fn serialize<S: Serializer>(set: &BTreeSet<String>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(set.iter().map(|name| (name, Empty {})))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<String>, D::Error> {
        let map: Option<BTreeMap<String, Option<Empty>>> = Option::deserialize(deserializer)?;
        Ok(map.unwrap_or_default().into_keys().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_8_top_level_keys_are_sorted_and_empty_fields_left_out() {
        let platform = "linux/amd64".parse().unwrap();
        let json = String::from_utf8(ImageConfig::scratch(&platform).to_json()).unwrap();
        assert_eq!(
            json,
            r#"{"architecture":"amd64","config":{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"},"created":null,"history":[],"os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#
        );
    }

    #[test]
    fn config_1_nulls_and_unknown_fields_of_docker_configs_are_read() {
        let json = br#"{"architecture":"amd64","os":"linux","config":{"Hostname":"x","Env":null,"Cmd":["sh"],
            "ExposedPorts":{"80/tcp":{}},"Volumes":null,"OnBuild":null,"Labels":null},"rootfs":{"type":"layers","diff_ids":[]}}"#;
        let config = ImageConfig::from_json(json).unwrap();
        assert_eq!(config.config.cmd, ["sh"]);
        assert!(config.config.exposed_ports.contains("80/tcp"));
    }
}
