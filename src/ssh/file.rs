//! Files that hold a private key: OpenSSH's own form (PROTOCOL.key), PKCS #8, and PKCS #1 for RSA, each in PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::key::{CURVES, Key, Rsa};
use super::wire::{Reader, without_zeros};

/// At the start of OpenSSH's form.
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// Why a file gives no key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wrong {
    /// It is something else.
    NoKey,
    /// A password is needed (SSH-1).
    Encrypted,
    /// A kind of key, or a form of file, that kiln cannot use.
    Unsupported,
    /// It begins like a key.
    Damaged,
}

impl Wrong {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::NoKey => "this is no private key",
            Self::Encrypted => "the key is encrypted",
            Self::Unsupported => "keys of this kind are not supported",
            Self::Damaged => "the key is damaged",
        }
    }

    pub(super) fn help(self) -> &'static str {
        match self {
            Self::NoKey => "name the private key, not the `.pub` file, or the socket of an agent",
            Self::Encrypted => "add it to an agent with `ssh-add`, and pass the agent's socket",
            Self::Unsupported => {
                "keys are of Ed25519, RSA with 2048 to 4096 bits, or ECDSA on P-256 or P-384; \
                 an agent may hold any other (`ssh-add`)"
            }
            Self::Damaged => "`ssh-keygen -y -f FILE` says whether ssh can read it",
        }
    }
}

/// Reads a file.
pub(super) fn parse(text: &[u8]) -> Result<Key, Wrong> {
    let text = std::str::from_utf8(text).map_err(|_binary| Wrong::NoKey)?;
    let (_, rest) = text.split_once("-----BEGIN ").ok_or(Wrong::NoKey)?;
    let (label, rest) = rest.split_once("-----").ok_or(Wrong::NoKey)?;
    let (body, _) = rest.split_once("-----END ").ok_or(Wrong::Damaged)?;
    if !label.ends_with("PRIVATE KEY") {
        return Err(Wrong::NoKey);
    }
    if label.starts_with("ENCRYPTED") || body.contains("ENCRYPTED") {
        return Err(Wrong::Encrypted);
    }
    let digits: String = body.split_whitespace().collect();
    let bytes = STANDARD.decode(digits).map_err(|_not_base64| Wrong::Damaged)?;
    match label {
        "OPENSSH PRIVATE KEY" => openssh(&bytes),
        "PRIVATE KEY" => Key::from_pkcs8(&bytes).ok_or(Wrong::Unsupported),
        "RSA PRIVATE KEY" => Key::rsa_from_der(&bytes).ok_or(Wrong::Unsupported),
        _ => Err(Wrong::Unsupported),
    }
}

fn openssh(bytes: &[u8]) -> Result<Key, Wrong> {
    let mut outer = Reader::new(bytes.strip_prefix(MAGIC).ok_or(Wrong::Damaged)?);
    let mut header = || Some((outer.string()?, outer.string()?, outer.string()?, outer.number()?, outer.string()?));
    let (cipher, _kdf, _options, count, _public) = header().ok_or(Wrong::Damaged)?;
    if cipher != b"none" {
        return Err(Wrong::Encrypted);
    }
    let private = outer.string().filter(|_| count == 1).ok_or(Wrong::Damaged)?;
    let mut reader = Reader::new(private);
    let checks = (reader.number(), reader.number());
    let kind = reader.string().filter(|_| checks.0 == checks.1).ok_or(Wrong::Damaged)?;
    let key = match kind {
        b"ssh-ed25519" => ed25519(&mut reader),
        b"ssh-rsa" => rsa(&mut reader),
        _ if kind.starts_with(b"ecdsa-sha2-") => ecdsa(&mut reader),
        _ => return Err(Wrong::Unsupported),
    };
    key.ok_or(Wrong::Damaged)?
}

/// The outer `None` is a file that ends too early.
type Found = Option<Result<Key, Wrong>>;

fn comment<'a>(reader: &mut Reader<'a>) -> Option<&'a str> {
    std::str::from_utf8(reader.string()?).ok()
}

fn ed25519(reader: &mut Reader<'_>) -> Found {
    let (public, secret, comment) = (reader.string()?, reader.string()?, comment(reader)?);
    Some(Key::ed25519(secret.get(..32)?, public, comment).ok_or(Wrong::Damaged))
}

fn rsa(reader: &mut Reader<'_>) -> Found {
    // Evaluated in the order written, which is that of the file.
    let rsa = Rsa {
        n: reader.integer()?,
        e: reader.integer()?,
        d: reader.integer()?,
        inverse_of_q: reader.integer()?,
        p: reader.integer()?,
        q: reader.integer()?,
    };
    Some(Key::rsa(&rsa, comment(reader)?).ok_or(Wrong::Unsupported))
}

fn ecdsa(reader: &mut Reader<'_>) -> Found {
    let (name, point, secret, comment) = (reader.string()?, reader.string()?, reader.string()?, comment(reader)?);
    let Some(curve) = CURVES.iter().find(|curve| curve.name.as_bytes() == name) else {
        return Some(Err(Wrong::Unsupported));
    };
    Some(Key::ecdsa(curve, without_zeros(secret), point, comment).ok_or(Wrong::Damaged))
}

#[cfg(test)]
pub(super) mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair};

    use super::super::wire::write_string;
    use super::*;

    /// A key as `ssh-keygen` would write it, of a secret that is none.
    pub(in crate::ssh) fn ed25519(cipher: &str) -> String {
        let seed = [7; 32];
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let public = pair.public_key().as_ref();
        let mut private = [1; 8].to_vec();
        for part in [b"ssh-ed25519", public, &[&seed, public].concat(), b"comment"] {
            write_string(&mut private, part);
        }
        let mut bytes = MAGIC.to_vec();
        for part in [cipher.as_bytes(), b"none", b""] {
            write_string(&mut bytes, part);
        }
        bytes.extend(1_u32.to_be_bytes());
        write_string(&mut bytes, public);
        write_string(&mut bytes, &private);
        pem("OPENSSH PRIVATE KEY", &bytes)
    }

    fn pem(label: &str, bytes: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(bytes))
    }

    #[test]
    fn ssh_1_key_files() {
        for (row, text, want) in [
            ("a key", ed25519("none"), None),
            ("an encrypted key", ed25519("aes256-ctr"), Some(Wrong::Encrypted)),
            ("an encrypted PKCS #8 key", pem("ENCRYPTED PRIVATE KEY", b"x"), Some(Wrong::Encrypted)),
            (
                "an encrypted PKCS #1 key",
                pem("RSA PRIVATE KEY", b"x").replacen('\n', "\nProc-Type: 4,ENCRYPTED\n\n", 1),
                Some(Wrong::Encrypted),
            ),
            ("cut off", ed25519("none")[..200].to_owned(), Some(Wrong::Damaged)),
            ("cut short", pem("OPENSSH PRIVATE KEY", MAGIC), Some(Wrong::Damaged)),
            ("a public key", "ssh-ed25519 AAAA test".to_owned(), Some(Wrong::NoKey)),
            ("a certificate", pem("CERTIFICATE", b"x"), Some(Wrong::NoKey)),
            ("an older form of ECDSA", pem("EC PRIVATE KEY", b"x"), Some(Wrong::Unsupported)),
        ] {
            assert_eq!(parse(text.as_bytes()).err(), want, "{row}");
        }
        let key = parse(ed25519("none").as_bytes()).unwrap();
        assert_eq!(key.comment, "comment");
    }
}
