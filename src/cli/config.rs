//! The configuration file, in TOML.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::registry::{Access, HostAccess};

use super::failure::Failure;
use super::options::Checked;
use super::surroundings::Surroundings;
use super::values;

/// The settings. Unknown keys are errors: a setting that nobody reads misleads.
#[derive(Deserialize, Default, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    /// Registries asked in place of Docker Hub, in order.
    #[serde(default)]
    pub(super) mirrors: Vec<String>,
    /// What is special about single registries.
    #[serde(default)]
    registry: BTreeMap<String, RegistryTable>,
}

/// `[registry."HOST:PORT"]`
#[derive(Deserialize, Default, PartialEq, Eq, Debug)]
#[serde(deny_unknown_fields)]
struct RegistryTable {
    /// Registries asked in place of this one, in order.
    #[serde(default)]
    mirrors: Vec<String>,
    /// Certificates that count beside the machine's own; relative to the file of the configuration.
    ca: Option<PathBuf>,
    /// Certificates are not checked, and plain HTTP will do.
    #[serde(default)]
    insecure: bool,
}

impl Config {
    /// Reads the file at `path`, at `KILN_CONFIG`, or at its usual place, where alone it may be missing.
    pub(super) fn read(path: Option<&Path>, around: Surroundings<'_>) -> Checked<Self> {
        let named = path.filter(|path| !path.as_os_str().is_empty()).map(Path::to_owned);
        let named = named.or_else(|| around.path("KILN_CONFIG"));
        let must_exist = named.is_some();
        let usual = || around.base_directory("XDG_CONFIG_HOME", ".config").map(|dir| dir.join("kiln/config.toml"));
        let Some(path) = named.or_else(usual) else { return Ok(Self::default()) };
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&path, &text),
            Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => Ok(Self::default()),
            Err(error) => Err(Failure::machine(&format!("cannot read {}", path.display()), &error)),
        }
    }

    fn parse(path: &Path, text: &str) -> Checked<Self> {
        let mut config: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            let message = format!("{}:{line}: {}", path.display(), error.message());
            Failure::usage(message, Some("the file looks like `mirrors = [\"mirror.example:5000\"]`"))
        })?;
        let named = config.registry.iter().flat_map(|(name, table)| table.mirrors.iter().chain([name]));
        config.mirrors.iter().chain(named).try_for_each(|mirror| values::mirror(mirror).map(drop))?;
        let dir = path.parent().unwrap_or(Path::new("."));
        for table in config.registry.values_mut() {
            table.ca = table.ca.take().map(|ca| dir.join(ca));
        }
        Ok(config)
    }

    /// How registries are reached; `mirrors` of the command line come first.
    pub(super) fn access(self, mirrors: &[String]) -> Checked<Access> {
        let given = mirrors.iter().map(|text| values::mirror(text)).collect::<Checked<Vec<_>>>()?;
        let host = |table: RegistryTable| HostAccess { insecure: table.insecure, ca: table.ca, mirrors: table.mirrors };
        Ok(Access {
            mirrors: given.into_iter().chain(self.mirrors).collect(),
            hosts: self.registry.into_iter().map(|(name, table)| (name, host(table))).collect(),
            offline: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_mistakes_are_named_with_their_line() {
        for (text, want) in [
            ("", Ok(vec![])),
            ("mirrors = [\"a:1\", \"b.example\"]\n", Ok(vec!["a:1", "b.example"])),
            ("# x\nmirors = []\n", Err("config.toml:2: unknown field `mirors`")),
            ("mirrors = 3\n", Err("config.toml:1: invalid type")),
            ("mirrors = [\n", Err("config.toml:")),
            ("mirrors = [\"http://a\"]\n", Err("`http://a` is no registry")),
            ("[registry.\"http://a\"]\n", Err("`http://a` is no registry")),
            ("[registry.\"a:1\"]\nunsafe = true\n", Err("config.toml:2: unknown field `unsafe`")),
        ] {
            match (Config::parse(Path::new("config.toml"), text), want) {
                (Ok(config), Ok(mirrors)) => assert_eq!(config.mirrors, mirrors, "{text:?}"),
                (Err(failure), Err(message)) => {
                    let got = failure.to_string();
                    assert!(got.contains(message), "{text:?}: {got}");
                }
                (got, want) => panic!("{text:?}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn config_a_registry_has_settings_of_its_own() {
        let text = "[registry.\"a:1\"]\nca = \"ca.pem\"\nmirrors = [\"b:2\"]\n[registry.\"c.d\"]\ninsecure = true\n";
        let access = Config::parse(Path::new("/etc/kiln.toml"), text).unwrap().access(&["m:3".to_owned()]).unwrap();
        assert_eq!(access.mirrors, ["m:3"]);
        let first = &access.hosts["a:1"];
        assert_eq!((first.ca.as_deref(), first.insecure), (Some(Path::new("/etc/ca.pem")), false));
        assert_eq!(first.mirrors, ["b:2"]);
        assert!(access.hosts["c.d"].insecure);
    }
}
