use crate::dockerfile::Severity;

use Severity::{Error, Info, Style, Warning};

/// A rule of hadolint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Numbered {
    /// `DL3008`.
    pub code: &'static str,
    /// Its level; `None` where it is off until it is given one.
    pub level: Option<Severity>,
    /// What it asks for, without a final stop.
    pub description: &'static str,
}

impl Numbered {
    /// The rule of that number.
    pub fn of_code(code: &str) -> Option<&'static Self> {
        let at = CATALOGUE.binary_search_by(|rule| rule.code.cmp(code)).ok()?;
        CATALOGUE.get(at)
    }

    /// Where it is explained.
    pub fn url(&self) -> String {
        format!("https://github.com/hadolint/hadolint/wiki/{}", self.code)
    }
}

/// All of them, by number.
pub const CATALOGUE: [Numbered; 71] = [
    rule("DL1001", None, "inline ignore pragmas should not be used"),
    rule("DL3000", Some(Error), "WORKDIR should be an absolute path"),
    rule("DL3001", Some(Info), "this command makes no sense in a container"),
    rule("DL3002", Some(Warning), "the last USER should not be root"),
    rule("DL3003", Some(Warning), "use WORKDIR to change the directory, not `cd`"),
    rule("DL3004", Some(Error), "do not use sudo; it behaves unexpectedly, and gosu is the tool to drop privileges"),
    rule("DL3006", Some(Warning), "name the tag of the base image"),
    rule("DL3007", Some(Warning), "the tag `latest` changes its meaning; name a release"),
    rule("DL3008", Some(Warning), "pin versions in apt-get: `apt-get install PACKAGE=VERSION`"),
    rule("DL3009", Some(Info), "remove the lists of apt after installing: `rm -rf /var/lib/apt/lists/*`"),
    rule("DL3010", Some(Info), "use ADD to unpack an archive into the image"),
    rule("DL3011", Some(Error), "ports are from 0 to 65535"),
    rule("DL3012", Some(Error), "a stage should have one HEALTHCHECK at most"),
    rule("DL3013", Some(Warning), "pin versions in pip: `pip install PACKAGE==VERSION`, or a file of requirements"),
    rule("DL3014", Some(Warning), "use the switch -y: `apt-get install -y PACKAGE`"),
    rule("DL3015", Some(Info), "avoid packages that nobody asked for: `--no-install-recommends`"),
    rule("DL3016", Some(Warning), "pin versions in npm: `npm install PACKAGE@VERSION`"),
    rule("DL3018", Some(Warning), "pin versions in apk: `apk add PACKAGE=VERSION`"),
    rule("DL3019", Some(Info), "use `apk add --no-cache`; it needs no update and leaves no index behind"),
    rule("DL3020", Some(Error), "use COPY instead of ADD for files and directories"),
    rule("DL3021", Some(Error), "COPY with more than one source needs a destination that ends in `/`"),
    rule("DL3022", Some(Warning), "COPY --from should name a stage that was defined before"),
    rule("DL3023", Some(Error), "COPY --from cannot name its own stage"),
    rule("DL3024", Some(Error), "names of stages should be unique"),
    rule("DL3025", Some(Warning), "use the JSON form for the arguments of CMD and ENTRYPOINT"),
    rule("DL3026", Some(Error), "use only allowed registries in FROM"),
    rule("DL3027", Some(Warning), "apt is for people at a terminal; use apt-get or apt-cache"),
    rule("DL3028", Some(Warning), "pin versions in gem: `gem install PACKAGE:VERSION`"),
    rule("DL3029", Some(Warning), "do not use --platform in FROM"),
    rule("DL3030", Some(Warning), "use the switch -y: `yum install -y PACKAGE`"),
    rule("DL3032", Some(Warning), "`yum clean all` is missing after a yum command"),
    rule("DL3033", Some(Warning), "pin versions in yum: `yum install PACKAGE-VERSION`"),
    rule("DL3034", Some(Warning), "the switch for no questions is missing: `zypper install -y`"),
    rule("DL3035", Some(Warning), "do not use `zypper dist-upgrade`"),
    rule("DL3036", Some(Warning), "`zypper clean` is missing after a zypper command"),
    rule("DL3037", Some(Warning), "pin versions in zypper: `zypper install PACKAGE=VERSION`"),
    rule("DL3038", Some(Warning), "use the switch -y: `dnf install -y PACKAGE`"),
    rule("DL3040", Some(Warning), "`dnf clean all` is missing after a dnf command"),
    rule("DL3041", Some(Warning), "pin versions in dnf: `dnf install PACKAGE-VERSION`"),
    rule("DL3042", Some(Warning), "keep no cache of pip: `pip install --no-cache-dir PACKAGE`"),
    rule("DL3043", Some(Error), "ONBUILD, FROM and MAINTAINER cannot be triggered by ONBUILD"),
    rule("DL3044", Some(Error), "do not refer to a variable in the same ENV that defines it"),
    rule("DL3045", Some(Warning), "COPY to a relative destination without a WORKDIR before it"),
    rule("DL3046", Some(Warning), "useradd without -l and with a high user id makes a very large image"),
    rule("DL3047", Some(Info), "wget without a progress bar style floods the log: `wget --progress=dot:giga URL`"),
    rule("DL3048", Some(Style), "this key of a label is not valid"),
    rule("DL3049", Some(Info), "a label is missing"),
    rule("DL3050", Some(Info), "this label is superfluous"),
    rule("DL3051", Some(Warning), "this label is empty"),
    rule("DL3052", Some(Warning), "this label is not a URL"),
    rule("DL3053", Some(Warning), "this label is not a time after RFC 3339"),
    rule("DL3054", Some(Warning), "this label is not an SPDX licence"),
    rule("DL3055", Some(Warning), "this label is not a git hash"),
    rule("DL3056", Some(Warning), "this label is not a semantic version"),
    rule("DL3057", None, "a HEALTHCHECK is missing"),
    rule("DL3058", Some(Warning), "this label is not an e-mail address"),
    rule("DL3059", Some(Info), "several RUN in a row; consider to join them"),
    rule("DL3060", Some(Info), "`yarn cache clean` is missing after `yarn install`"),
    rule("DL3061", Some(Error), "the file must begin with FROM, ARG or a comment"),
    rule("DL3062", Some(Warning), "pin versions in go: `go install PACKAGE@VERSION`"),
    rule("DL3063", Some(Warning), "this name of a stage is reserved"),
    rule("DL3064", Some(Warning), "do not put sensitive data into ARG or ENV"),
    rule("DL3065", Some(Warning), "$TARGETPLATFORM in FROM is what is taken without it, too"),
    rule("DL3066", Some(Info), "a user's name may not be resolvable outside the image; use the number"),
    rule("DL3067", Some(Warning), "a whole filesystem is copied from a stage"),
    rule("DL4000", Some(Error), "MAINTAINER is deprecated; use a label"),
    rule("DL4001", Some(Warning), "use either wget or curl, not both"),
    rule("DL4003", Some(Warning), "there are several CMD; only the last has an effect"),
    rule("DL4004", Some(Error), "there are several ENTRYPOINT; only the last has an effect"),
    rule("DL4005", Some(Warning), "use SHELL to change the default shell"),
    rule(
        "DL4006",
        Some(Warning),
        "set pipefail before a RUN with a pipe: `SHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]`",
    ),
];

const fn rule(code: &'static str, level: Option<Severity>, description: &'static str) -> Numbered {
    Numbered { code, level, description }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hadolint_rules_are_found_by_number() {
        for pair in CATALOGUE.windows(2) {
            assert!(pair[0].code < pair[1].code, "{pair:?}");
        }
        for rule in &CATALOGUE {
            assert_eq!(Numbered::of_code(rule.code), Some(rule));
            assert!(!rule.description.ends_with('.'), "{rule:?}");
        }
        assert_eq!(Numbered::of_code("DL3005"), None);
    }
}
