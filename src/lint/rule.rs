/// The rules, by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// A stage's name has upper-case letters.
    StageNameCasing,
    /// `FROM … as`, or `from … AS`.
    FromAsCasing,
    /// A blank line within an instruction.
    NoEmptyContinuation,
    /// An instruction word is not in the case of most others.
    ConsistentInstructionCasing,
    /// Two stages have the same name.
    DuplicateStageName,
    /// A stage has a name with a meaning of its own.
    ReservedStageName,
    /// CMD or ENTRYPOINT in the shell form.
    JsonArgsRecommended,
    /// MAINTAINER.
    MaintainerDeprecated,
    /// FROM uses an argument that is not declared before it.
    UndefinedArgInFrom,
    /// A relative WORKDIR whose start the base image decides.
    WorkdirRelativePath,
    /// A variable that nothing defines.
    UndefinedVar,
    /// A second CMD, ENTRYPOINT or HEALTHCHECK in a stage.
    MultipleInstructionsDisallowed,
    /// `ENV name value` or `LABEL name value`.
    LegacyKeyValueFormat,
    /// The base image is for another platform.
    InvalidBaseImagePlatform,
    /// `FROM --platform=$TARGETPLATFORM`.
    RedundantTargetPlatform,
    /// ARG or ENV has the name of a secret.
    SecretsUsedInArgOrEnv,
    /// FROM names no image unless a build argument is given.
    InvalidDefaultArgInFrom,
    /// `FROM --platform=` with a constant.
    FromPlatformFlagConstDisallowed,
    /// COPY or ADD of what the ignore file excludes.
    CopyIgnoredFile,
    /// A comment above a stage or argument is not its description.
    InvalidDefinitionDescription,
    /// EXPOSE with a protocol in upper case.
    ExposeProtoCasing,
    /// EXPOSE with an address or a port of the host.
    ExposeInvalidFormat,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::StageNameCasing,
        Self::FromAsCasing,
        Self::NoEmptyContinuation,
        Self::ConsistentInstructionCasing,
        Self::DuplicateStageName,
        Self::ReservedStageName,
        Self::JsonArgsRecommended,
        Self::MaintainerDeprecated,
        Self::UndefinedArgInFrom,
        Self::WorkdirRelativePath,
        Self::UndefinedVar,
        Self::MultipleInstructionsDisallowed,
        Self::LegacyKeyValueFormat,
        Self::InvalidBaseImagePlatform,
        Self::RedundantTargetPlatform,
        Self::SecretsUsedInArgOrEnv,
        Self::InvalidDefaultArgInFrom,
        Self::FromPlatformFlagConstDisallowed,
        Self::CopyIgnoredFile,
        Self::InvalidDefinitionDescription,
        Self::ExposeProtoCasing,
        Self::ExposeInvalidFormat,
    ];

    /// The rule that a diagnostic's code names.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == code)
    }

    /// Its name, as options write it.
    pub fn name(self) -> &'static str {
        self.texts().0
    }

    /// What it asks for, as a sentence without a final stop.
    pub fn description(self) -> &'static str {
        self.texts().1
    }

    /// Where it is explained: the page of the reference builder.
    pub fn url(self) -> String {
        let mut page = String::new();
        let mut after_lower = false;
        for letter in self.name().chars() {
            if letter.is_ascii_uppercase() && after_lower {
                page.push('-');
            }
            after_lower = letter.is_ascii_lowercase();
            page.push(letter.to_ascii_lowercase());
        }
        // The one name that begins with an abbreviation.
        let page = page.replace("jsonargs", "json-args");
        format!("https://docs.docker.com/go/dockerfile/rule/{page}/")
    }

    /// Off unless asked for (LINT-2).
    pub fn is_experimental(self) -> bool {
        self == Self::InvalidDefinitionDescription
    }

    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::StageNameCasing => ("StageNameCasing", "Stage names should be lowercase"),
            Self::FromAsCasing => ("FromAsCasing", "The 'as' keyword should match the case of the 'from' keyword"),
            Self::NoEmptyContinuation => {
                ("NoEmptyContinuation", "Empty continuation lines will become errors in a future release")
            }
            Self::ConsistentInstructionCasing => (
                "ConsistentInstructionCasing",
                "All commands within the Dockerfile should use the same casing (either upper or lower)",
            ),
            Self::DuplicateStageName => ("DuplicateStageName", "Stage names should be unique"),
            Self::ReservedStageName => ("ReservedStageName", "Reserved words should not be used as stage names"),
            Self::JsonArgsRecommended => (
                "JSONArgsRecommended",
                "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
            ),
            Self::MaintainerDeprecated => (
                "MaintainerDeprecated",
                "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
            ),
            Self::UndefinedArgInFrom => ("UndefinedArgInFrom", "FROM command must use declared ARGs"),
            Self::WorkdirRelativePath => (
                "WorkdirRelativePath",
                "Relative workdir without an absolute workdir declared within the build can have unexpected results \
                 if the base image changes",
            ),
            Self::UndefinedVar => ("UndefinedVar", "Variables should be defined before their use"),
            Self::MultipleInstructionsDisallowed => (
                "MultipleInstructionsDisallowed",
                "Multiple instructions of the same type should not be used in the same stage",
            ),
            Self::LegacyKeyValueFormat => {
                ("LegacyKeyValueFormat", "Legacy key/value format with whitespace separator should not be used")
            }
            Self::InvalidBaseImagePlatform => {
                ("InvalidBaseImagePlatform", "Base image platform does not match expected target platform")
            }
            Self::RedundantTargetPlatform => (
                "RedundantTargetPlatform",
                "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
            ),
            Self::SecretsUsedInArgOrEnv => {
                ("SecretsUsedInArgOrEnv", "Sensitive data should not be used in the ARG or ENV commands")
            }
            Self::InvalidDefaultArgInFrom => (
                "InvalidDefaultArgInFrom",
                "Default value for global ARG results in an empty or invalid base image name",
            ),
            Self::FromPlatformFlagConstDisallowed => {
                ("FromPlatformFlagConstDisallowed", "FROM --platform flag should not use a constant value")
            }
            Self::CopyIgnoredFile => ("CopyIgnoredFile", "Attempting to Copy file that is excluded by .dockerignore"),
            Self::InvalidDefinitionDescription => (
                "InvalidDefinitionDescription",
                "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`",
            ),
            Self::ExposeProtoCasing => ("ExposeProtoCasing", "Protocol in EXPOSE instruction should be lowercase"),
            Self::ExposeInvalidFormat => {
                ("ExposeInvalidFormat", "IP address and host-port mapping should not be used in EXPOSE instruction")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lint_8_every_rule_is_found_by_its_name_and_has_a_page() {
        for rule in Rule::ALL {
            assert_eq!(Rule::of_code(rule.name()), Some(rule));
            assert!(!rule.description().ends_with('.') && !rule.description().contains("  "), "{rule:?}");
        }
        for (rule, want) in [
            (Rule::StageNameCasing, "stage-name-casing/"),
            (Rule::JsonArgsRecommended, "json-args-recommended/"),
            (Rule::SecretsUsedInArgOrEnv, "secrets-used-in-arg-or-env/"),
        ] {
            assert_eq!(rule.url().rsplit_once("rule/").unwrap().1, want);
        }
    }
}
