/// A text is no mode (D-86).
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChmodError {
    /// It begins as a number, but is not octal or too large.
    #[error("invalid chmod parameter: '{0}'. it should be octal string and between 0 and 07777")]
    Octal(String),
    /// It is no symbolic mode either.
    #[error("invalid chmod parameter: '{0}' is not a symbolic mode such as u+x,go-w")]
    Symbolic(String),
}

/// What `--chmod` does to a mode (COPY-41). The umask plays no part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Chmod {
    /// This mode, 0 to 0o7777.
    Octal(u32),
    /// As chmod(1), one change after the other.
    Symbolic(Vec<Change>),
}

/// One change of a symbolic mode: `u+x`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// The bits that belong to those named before the operator.
    affected: u32,
    operator: Operator,
    bits: Bits,
    /// `s` was written: then `=` may take it from a directory as well.
    names_set_id: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operator {
    Add,
    Remove,
    Set,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bits {
    /// These; with `search_if_any`, also x for directories and for what has an x already (`X`).
    These { bits: u32, search_if_any: bool },
    /// Those that the user, group or others have now: by how far they are to be shifted.
    Copy { shift: u32 },
}

impl Chmod {
    /// Reads an octal number or a symbolic mode. Errors: D-86.
    pub fn parse(text: &str) -> Result<Self, ChmodError> {
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
            return match u32::from_str_radix(text, 8) {
                Ok(mode) if digits && mode <= 0o7777 => Ok(Self::Octal(mode)),
                _ => Err(ChmodError::Octal(text.to_owned())),
            };
        }
        let mut changes = Vec::new();
        for clause in text.split(',') {
            let read = read_clause(clause, &mut changes);
            read.ok_or_else(|| ChmodError::Symbolic(text.to_owned()))?;
        }
        Ok(Self::Symbolic(changes))
    }

    /// The mode of an entry that has `mode` in the source.
    pub fn apply(&self, mode: u32, directory: bool) -> u32 {
        match self {
            Self::Octal(octal) => *octal,
            Self::Symbolic(changes) => changes.iter().fold(mode, |mode, change| change.apply(mode, directory)),
        }
    }
}

impl Change {
    fn apply(&self, mode: u32, directory: bool) -> u32 {
        let bits = match self.bits {
            Bits::These { bits, search_if_any } => {
                let search = search_if_any && (directory || mode & 0o111 != 0);
                bits | if search { 0o111 } else { 0 }
            }
            Bits::Copy { shift } => ((mode >> shift) & 0o7) * 0o111,
        } & self.affected;
        match self.operator {
            Operator::Add => mode | bits,
            Operator::Remove => mode & !bits,
            Operator::Set => {
                // chmod(1) keeps a directory's set-id bits unless they are named.
                let kept = if directory && !self.names_set_id { 0o6000 } else { 0 };
                mode & (!self.affected | kept) | bits
            }
        }
    }
}

/// `[ugoa]*([-+=]([rwxXst]*|[ugo]))+`; `None` when it is not that.
fn read_clause(clause: &str, changes: &mut Vec<Change>) -> Option<()> {
    let start = clause.find(['+', '-', '='])?;
    let mut affected = 0;
    for who in clause[..start].bytes() {
        affected |= match who {
            b'u' => 0o4700,
            b'g' => 0o2070,
            b'o' => 0o1007,
            b'a' => 0o7777,
            _ => return None,
        };
    }
    if start == 0 {
        affected = 0o7777;
    }
    let mut rest = &clause[start..];
    while let Some(sign) = rest.bytes().next() {
        let operator = match sign {
            b'+' => Operator::Add,
            b'-' => Operator::Remove,
            _ => Operator::Set,
        };
        let end = rest[1..].find(['+', '-', '=']).map_or(rest.len(), |at| at + 1);
        let letters = &rest[1..end];
        let bits = match letters {
            "u" => Bits::Copy { shift: 6 },
            "g" => Bits::Copy { shift: 3 },
            "o" => Bits::Copy { shift: 0 },
            _ => read_bits(letters)?,
        };
        changes.push(Change { affected, operator, bits, names_set_id: letters.contains('s') });
        rest = &rest[end..];
    }
    Some(())
}

fn read_bits(letters: &str) -> Option<Bits> {
    let (mut bits, mut search_if_any) = (0, false);
    for letter in letters.bytes() {
        match letter {
            b'r' => bits |= 0o444,
            b'w' => bits |= 0o222,
            b'x' => bits |= 0o111,
            b'X' => search_if_any = true,
            b's' => bits |= 0o6000,
            b't' => bits |= 0o1000,
            _ => return None,
        }
    }
    Some(Bits::These { bits, search_if_any })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_41_modes() {
        for (text, mode, directory, want) in [
            ("600", 0o755, false, 0o600),
            ("04755", 0o644, false, 0o4755),
            ("0", 0o644, false, 0),
            ("7", 0o644, true, 0o007),
            ("u+x", 0o644, false, 0o744),
            ("u+x,go-w", 0o666, false, 0o744),
            ("u=rwx,go=r", 0o644, false, 0o744),
            ("a=rX", 0o644, false, 0o444),
            ("a=rX", 0o744, false, 0o555),
            ("a=rX", 0o600, true, 0o555),
            ("+x", 0o600, false, 0o711),
            ("g=u", 0o640, false, 0o660),
            ("o=g", 0o640, false, 0o644),
            ("u=o", 0o604, false, 0o404),
            ("go=", 0o777, false, 0o700),
            ("u+s", 0o755, false, 0o4755),
            ("g+s", 0o755, true, 0o2755),
            ("+s", 0o755, false, 0o6755),
            ("o+s", 0o755, false, 0o755),
            ("+t", 0o777, true, 0o1777),
            ("-t", 0o1777, true, 0o777),
            ("a=rx", 0o6755, false, 0o555),
            ("a=rx", 0o6755, true, 0o6555),
            ("u=rwxs", 0o6755, true, 0o6755),
            ("ug=rw", 0o111, false, 0o661),
            ("u=r+x-r", 0o777, false, 0o177),
            ("a-x,a+X", 0o755, false, 0o644),
        ] {
            assert_eq!(
                format!("{:04o}", Chmod::parse(text).unwrap().apply(mode, directory)),
                format!("{want:04o}"),
                "{text} on {mode:o}"
            );
        }
    }

    #[test]
    fn d_86_modes_that_are_none() {
        for text in ["9999", "99x", "0799", "17777", "07778", "77777777777777777", "0o644", "1.0"] {
            let error = Chmod::parse(text).unwrap_err();
            let want = format!("invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777");
            assert_eq!(error.to_string(), want);
        }
        for text in ["wide", "rw-rw-rw-", "", "u+x,", ",u+x", "u", "u+q", "z+x", "u+xu", "-é"] {
            assert!(Chmod::parse(text).is_err(), "{text}");
        }
    }
}
