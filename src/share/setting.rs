use std::collections::BTreeMap;
use std::fmt;

/// What a place is opened by: `key=value` of the command line, and variables of the environment.
#[derive(Clone, Default)]
pub struct Settings {
    /// Options as they were written. Whoever opens a place takes out those that it knows.
    pub options: BTreeMap<String, String>,
    /// Variables of the environment.
    pub environment: BTreeMap<String, String>,
}

/// Why a place cannot be opened as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// An option that must be there is not.
    #[error("type={kind} needs `{option}=…`{}", or_variable(variable.as_deref()))]
    Missing {
        /// The type of place.
        kind: &'static str,
        /// The option.
        option: &'static str,
        /// The environment variable that may stand for it.
        variable: Option<String>,
    },
    /// An option has a value that means nothing.
    #[error("`{option}={value}` of type={kind}: {reason}")]
    Value {
        /// The type of place.
        kind: &'static str,
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The client of a service cannot be set up so.
    #[error("type={kind} cannot be used as it is set up")]
    Refused {
        /// The type of place.
        kind: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

fn or_variable(variable: Option<&str>) -> String {
    variable.map(|name| format!(", or {name} in the environment")).unwrap_or_default()
}

impl Settings {
    /// Takes an option out; an empty one counts as absent.
    pub fn take(&mut self, option: &str) -> Option<String> {
        self.options.remove(option).filter(|value| !value.is_empty())
    }

    /// Takes an option out, or reads the environment variable that may stand for it.
    pub fn take_or(&mut self, option: &str, variable: &str) -> Option<String> {
        self.take(option).or_else(|| self.variable(variable).map(str::to_owned))
    }

    /// An environment variable that is set to something.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Takes out an option that says yes or no.
    pub fn take_boolean(&mut self, kind: &'static str, option: &'static str) -> Result<Option<bool>, SettingError> {
        let Some(value) = self.take(option) else { return Ok(None) };
        match value.to_ascii_lowercase().as_str() {
            "1" | "t" | "true" => Ok(Some(true)),
            "0" | "f" | "false" => Ok(Some(false)),
            _ => Err(SettingError::Value { kind, option, value, reason: "it is neither true nor false".to_owned() }),
        }
    }
}

/// Without values: some are secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.options.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Settings {
            options: [("a", "1"), ("b", ""), ("yes", "TRUE"), ("odd", "maybe")].map(pair).into(),
            environment: [("A", "2"), ("B", "3"), ("C", "")].map(pair).into(),
        }
    }

    #[test]
    fn an_option_goes_before_the_environment_and_empty_is_absent() {
        let mut settings = settings();
        assert_eq!(settings.take_or("a", "A").as_deref(), Some("1"));
        assert_eq!(settings.take_or("a", "A").as_deref(), Some("2"), "an option is taken once");
        assert_eq!(settings.take_or("b", "B").as_deref(), Some("3"));
        assert_eq!(settings.take_or("c", "C"), None);
    }

    #[test]
    fn what_says_neither_yes_nor_no_is_an_error() {
        let mut settings = settings();
        assert_eq!(settings.take_boolean("s3", "yes").unwrap(), Some(true));
        assert_eq!(settings.take_boolean("s3", "none").unwrap(), None);
        let error = settings.take_boolean("s3", "odd").unwrap_err().to_string();
        assert_eq!(error, "`odd=maybe` of type=s3: it is neither true nor false");
    }

    #[test]
    fn a_secret_is_not_shown() {
        let options = [("secret_access_key".to_owned(), "hush".to_owned())].into();
        let shown = format!("{:?}", Settings { options, environment: BTreeMap::new() });
        assert!(shown.contains("secret_access_key") && !shown.contains("hush"), "{shown}");
    }
}
