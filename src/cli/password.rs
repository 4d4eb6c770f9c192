//! Passwords, without anybody looking on.

use std::io::{self, IsTerminal, Read};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};

use super::failure::Failure;
use super::out;

/// Longer ones are no passwords.
const MAX: u64 = 64 << 10;

/// What the key sends.
const CTRL_C: u8 = 3;

/// All of standard input but for the line end after it.
pub(super) fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    io::stdin().lock().take(MAX).read_to_string(&mut text).map_err(|error| failed(&error))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// The user name, asked for on the terminal.
pub(super) fn ask_user() -> Result<String, Failure> {
    must_be_terminal("pass `--username NAME`")?;
    out::stderr(b"Username: ");
    line()
}

/// The password, asked for on the terminal, which does not show what is typed.
pub(super) fn ask() -> Result<String, Failure> {
    must_be_terminal("pass `--password-stdin`")?;
    out::stderr(b"Password: ");
    let stdin = io::stdin();
    let before = tcgetattr(&stdin).map_err(|error| failed(&error.into()))?;
    let mut silent = before.clone();
    // A signal would leave the terminal silent: Ctrl-C ends the line instead.
    silent.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
    silent.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
    tcsetattr(&stdin, OptionalActions::Flush, &silent).map_err(|error| failed(&error.into()))?;
    let typed = line();
    // The line end was not shown either.
    out::stderr(b"\n");
    tcsetattr(&stdin, OptionalActions::Flush, &before).map_err(|error| failed(&error.into()))?;
    let typed = typed?;
    if typed.contains(char::from(CTRL_C)) { Err(Failure::stopped()) } else { Ok(typed) }
}

fn must_be_terminal(hint: &str) -> Result<(), Failure> {
    if io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage("there is no terminal to ask at", Some(hint)))
}

fn line() -> Result<String, Failure> {
    let mut text = Vec::new();
    let mut stdin = io::stdin().lock();
    // Byte for byte, since Ctrl-C may end the line as well.
    loop {
        let mut byte = [0];
        match stdin.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => text.extend(byte),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(&error)),
        }
        if matches!(byte[0], b'\n' | CTRL_C) {
            break;
        }
    }
    let text = String::from_utf8(text).map_err(|error| failed(&io::Error::other(error)))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

fn failed(error: &io::Error) -> Failure {
    Failure::machine("cannot read the password", error)
}
