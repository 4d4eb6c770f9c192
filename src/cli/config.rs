//! The configuration file, in TOML.

use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;

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
        let config: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            let message = format!("{}:{line}: {}", path.display(), error.message());
            Failure::usage(message, Some("the file looks like `mirrors = [\"mirror.example:5000\"]`"))
        })?;
        config.mirrors.iter().try_for_each(|mirror| values::mirror(mirror).map(drop))?;
        Ok(config)
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
}
