//! The one door to standard output and standard error.

use std::io::{self, Write};

use serde_json::Value;

use super::failure::Failure;

/// Version of the JSON lines: the member `schema` of each. New events and members do not change it.
const SCHEMA: u32 = 1;

/// Writes results. A reader who has gone away has seen enough.
pub(super) fn stdout(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes the result of a command.
pub(super) fn result(text: &str) -> Result<(), Failure> {
    stdout(text).map_err(|error| Failure::machine("cannot write to standard output", &error))
}

/// Writes messages. Where they cannot be written nobody can be told.
pub(super) fn stderr(bytes: &[u8]) {
    let mut err = io::stderr().lock();
    let _unheard = err.write_all(bytes).and_then(|()| err.flush());
}

/// Writes one object as a line of messages, with the version of the lines.
pub(super) fn json(object: &Value) {
    let mut object = object.clone();
    object["schema"] = SCHEMA.into();
    stderr(format!("{object}\n").as_bytes());
}
