use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};

use super::Error;

/// A key that signatures are checked with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PublicKey {
    kind: Kind,
    /// The point, as the kind has it.
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    P256,
    Ed25519,
}

/// What stands before the key's bytes in a `SubjectPublicKeyInfo` (RFC 5480, RFC 8410), always the same for keys of one kind; and
/// how many bytes follow.
const KINDS: [(&[u8], usize, Kind); 2] = [
    (
        &[
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
            0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ],
        65,
        Kind::P256,
    ),
    (&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00], 32, Kind::Ed25519),
];

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

impl PublicKey {
    /// Reads the keys of a file in PEM.
    pub(super) fn read(path: &Path) -> Result<Vec<Self>, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|reason| Error::Key { path: path.to_owned(), reason })
    }

    /// Reads keys in PEM (RFC 7468).
    pub(super) fn parse(text: &str) -> Result<Vec<Self>, String> {
        let mut keys = Vec::new();
        for part in text.split(BEGIN).skip(1) {
            let body = part.split_once(END).ok_or("a public key has no end")?.0;
            let body: String = body.split_whitespace().collect();
            let der = BASE64_STANDARD.decode(body).map_err(|_| "a public key is no base64")?;
            keys.push(Self::of(&der)?);
        }
        if keys.is_empty() { Err("there is no public key in it".to_owned()) } else { Ok(keys) }
    }

    fn of(der: &[u8]) -> Result<Self, String> {
        let known = KINDS.iter().find_map(|(before, length, kind)| {
            let bytes = der.strip_prefix(*before)?;
            (bytes.len() == *length).then(|| Self { kind: *kind, bytes: bytes.to_vec() })
        });
        known.ok_or_else(|| "a public key is neither ECDSA of P-256 nor Ed25519".to_owned())
    }

    /// Whether the key has signed `message`: ECDSA with SHA-256 and a signature in DER, or plain Ed25519.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn VerificationAlgorithm = match self.kind {
            Kind::P256 => &ECDSA_P256_SHA256_ASN1,
            Kind::Ed25519 => &ED25519,
        };
        UnparsedPublicKey::new(algorithm, &self.bytes).verify(message, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `openssl ecparam -name prime256v1 -genkey`, `openssl genpkey -algorithm ed25519`, `openssl pkeyutl -sign` and
    /// `openssl dgst -sha256 -sign` over `hello`.
    const P256: (&str, &str) = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE95fNpU1jm4Iu6mIu5b5NBv1bLWS8FPeD+/23q+qa5rUbGmJ5XJecYgSoPtAxXmep1QzBMCbiAYSTMsGQRmysYw==",
        "MEUCIQCW8wVeZ4wB1wkk18RPaAR8mxSdf+SvOWpAACdplIbCLgIgJ13bNSDa+85FIx3w4M/fC9Ga77rmQaHv0NEB01E1kp8=",
    );
    const ED25519_: (&str, &str) = (
        "MCowBQYDK2VwAyEAoTvw2M5863kei7yioxJpKuC8eSOj4vHyjYz2ZxeF1UE=",
        "avrCI/lD5Eu+7lKBglXxdu6h/IJsN3X+pn5vquHlYJ3W390fjnoFtnD4EyeawXN/JfiuI7L+YF+1udne7e8DDw==",
    );
    const P384: &str = "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEboFgaFT6qMHj4WztHOVVzBmckkpLPcwGzwRB7Xm0etW+jUkWe6JDr4Nt5a8H131q5q+iQACAWhlDRATGbk+pSDZeW+KI+jQKnRSNT68CW1NaGFi53auDcgXOkGqZl9eT";

    fn pem(body: &str) -> String {
        format!("{BEGIN}\n{body}\n{END}\n")
    }

    #[test]
    fn keys_and_signatures_of_openssl() {
        for (body, signature) in [P256, ED25519_] {
            let keys = PublicKey::parse(&pem(body)).unwrap();
            let signature = BASE64_STANDARD.decode(signature).unwrap();
            assert!(keys[0].has_signed(b"hello", &signature));
            assert!(!keys[0].has_signed(b"hallo", &signature) && !keys[0].has_signed(b"hello", &signature[1..]));
        }
        assert_eq!(PublicKey::parse(&(pem(P256.0) + &pem(ED25519_.0))).unwrap().len(), 2);
        for (text, want) in [
            (pem(P384), "neither ECDSA of P-256 nor Ed25519"),
            (pem("**"), "no base64"),
            (BEGIN.to_owned(), "has no end"),
            (String::new(), "no public key"),
        ] {
            assert!(PublicKey::parse(&text).unwrap_err().contains(want), "{text}");
        }
    }
}
