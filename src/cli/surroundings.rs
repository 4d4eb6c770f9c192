use std::ffi::OsString;
use std::path::PathBuf;

/// What counts besides the arguments.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// Looks up an environment variable.
    pub(super) variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// Whether standard output is a terminal.
    pub(super) stdout_is_terminal: bool,
}

impl Surroundings<'_> {
    /// A variable that is set to something.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        (self.variable)(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// A variable that is set to some text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        (self.variable)(name).and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty())
    }

    /// A directory of the base directory specification, where relative paths count as unset.
    pub(super) fn base_directory(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        let own = self.path(variable).filter(|dir| dir.is_absolute());
        own.or_else(|| self.path("HOME").map(|home| home.join(below_home)))
    }
}
