//! Keys that sign, by the names and encodings that ssh has for them (RFC 4253, RFC 5656, RFC 8332, RFC 8709).

use ring::rand::SystemRandom;
use ring::rsa::{KeyPairComponents, PublicKeyComponents};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaKeyPair,
};

use super::wire::{write_integer, write_string};

/// Of a request: sign with SHA-512, and with SHA-256, if the key is of RSA.
const RSA_SHA_512: u32 = 4;
const RSA_SHA_256: u32 = 2;

/// A key pair.
pub(super) struct Key {
    pair: Pair,
    blob: Vec<u8>,
    /// What its owner calls it.
    pub(super) comment: String,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair, &'static Curve),
}

/// A curve of ECDSA.
pub(super) struct Curve {
    pub(super) name: &'static str,
    /// Bytes of a coordinate.
    pub(super) size: usize,
    algorithm: &'static EcdsaSigningAlgorithm,
}

/// The curves that can be had.
pub(super) static CURVES: [Curve; 2] = [
    Curve { name: "nistp256", size: 32, algorithm: &ECDSA_P256_SHA256_FIXED_SIGNING },
    Curve { name: "nistp384", size: 48, algorithm: &ECDSA_P384_SHA384_FIXED_SIGNING },
];

/// The numbers of an RSA key, each without leading zeros.
pub(super) struct Rsa<'a> {
    pub(super) n: &'a [u8],
    pub(super) e: &'a [u8],
    pub(super) d: &'a [u8],
    pub(super) inverse_of_q: &'a [u8],
    pub(super) p: &'a [u8],
    pub(super) q: &'a [u8],
}

impl Key {
    fn new(pair: Pair, comment: &str) -> Self {
        let mut blob = Vec::new();
        match &pair {
            Pair::Rsa(pair) => {
                write_string(&mut blob, b"ssh-rsa");
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                write_integer(&mut blob, &public.e);
                write_integer(&mut blob, &public.n);
            }
            Pair::Ed25519(pair) => {
                write_string(&mut blob, b"ssh-ed25519");
                write_string(&mut blob, pair.public_key().as_ref());
            }
            Pair::Ecdsa(pair, curve) => {
                write_string(&mut blob, format!("ecdsa-sha2-{}", curve.name).as_bytes());
                write_string(&mut blob, curve.name.as_bytes());
                write_string(&mut blob, pair.public_key().as_ref());
            }
        }
        Self { pair, blob, comment: comment.to_owned() }
    }

    /// From what OpenSSH keeps of an RSA key. ring takes 2048 to 4096 bits.
    pub(super) fn rsa(rsa: &Rsa<'_>, comment: &str) -> Option<Self> {
        let exponent = |prime: &[u8]| -> Option<Vec<u8>> {
            let mut less_one = prime.to_vec();
            // Primes are odd: nothing is borrowed.
            *less_one.last_mut()? -= prime.last()? & 1;
            Some(remainder(rsa.d, &less_one))
        };
        let (for_p, for_q) = (exponent(rsa.p)?, exponent(rsa.q)?);
        let components = KeyPairComponents {
            public_key: PublicKeyComponents { n: rsa.n, e: rsa.e },
            d: rsa.d,
            p: rsa.p,
            q: rsa.q,
            dP: &for_p,
            dQ: &for_q,
            qInv: rsa.inverse_of_q,
        };
        let pair = RsaKeyPair::from_components(&components).ok()?;
        Some(Self::new(Pair::Rsa(pair), comment))
    }

    /// From PKCS #1.
    pub(super) fn rsa_from_der(der: &[u8]) -> Option<Self> {
        RsaKeyPair::from_der(der).ok().map(|pair| Self::new(Pair::Rsa(pair), ""))
    }

    /// From 32 bytes and the public key that belongs to them.
    pub(super) fn ed25519(seed: &[u8], public: &[u8], comment: &str) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public).ok()?;
        Some(Self::new(Pair::Ed25519(pair), comment))
    }

    /// From a number and the point that belongs to it.
    pub(super) fn ecdsa(curve: &'static Curve, secret: &[u8], point: &[u8], comment: &str) -> Option<Self> {
        let mut padded = vec![0; curve.size.checked_sub(secret.len())?];
        padded.extend(secret);
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(curve.algorithm, &padded, point, &random).ok()?;
        Some(Self::new(Pair::Ecdsa(pair, curve), comment))
    }

    /// From PKCS #8.
    pub(super) fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let rsa = || RsaKeyPair::from_pkcs8(der).ok().map(Pair::Rsa);
        let ed25519 = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(Pair::Ed25519);
        let ecdsa = || {
            let random = SystemRandom::new();
            CURVES.iter().find_map(|curve| {
                let pair = EcdsaKeyPair::from_pkcs8(curve.algorithm, der, &random).ok()?;
                Some(Pair::Ecdsa(pair, curve))
            })
        };
        rsa().or_else(ed25519).or_else(ecdsa).map(|pair| Self::new(pair, ""))
    }

    /// The public key, as ssh writes it.
    pub(super) fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// A signature, as ssh writes it. `None` where it cannot be had: with SHA-1 above all.
    pub(super) fn sign(&self, data: &[u8], flags: u32) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        let mut signature = Vec::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let (name, padding) = if flags & RSA_SHA_512 != 0 {
                    ("rsa-sha2-512", &RSA_PKCS1_SHA512)
                } else if flags & RSA_SHA_256 != 0 {
                    ("rsa-sha2-256", &RSA_PKCS1_SHA256)
                } else {
                    return None;
                };
                let mut bytes = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, data, &mut bytes).ok()?;
                write_string(&mut signature, name.as_bytes());
                write_string(&mut signature, &bytes);
            }
            Pair::Ed25519(pair) => {
                write_string(&mut signature, b"ssh-ed25519");
                write_string(&mut signature, pair.sign(data).as_ref());
            }
            Pair::Ecdsa(pair, curve) => {
                let both = pair.sign(&random, data).ok()?;
                let (r, s) = both.as_ref().split_at_checked(curve.size)?;
                let mut bytes = Vec::new();
                write_integer(&mut bytes, r);
                write_integer(&mut bytes, s);
                write_string(&mut signature, format!("ecdsa-sha2-{}", curve.name).as_bytes());
                write_string(&mut signature, &bytes);
            }
        }
        Some(signature)
    }
}

/// What is left of one big-endian number after division by another, without leading zeros.
///
/// Bit by bit: it is done twice for each key of RSA, in less than a millisecond.
fn remainder(number: &[u8], divisor: &[u8]) -> Vec<u8> {
    // One byte more, for the bit that is shifted out.
    let divisor = [&[0], divisor].concat();
    let mut rest = vec![0_u8; divisor.len()];
    for byte in number {
        for bit in (0..8).rev() {
            let mut carry = (byte >> bit) & 1;
            for place in rest.iter_mut().rev() {
                let out = *place >> 7;
                *place = (*place << 1) | carry;
                carry = out;
            }
            if rest >= divisor {
                let mut borrow = false;
                for (place, taken) in rest.iter_mut().zip(&divisor).rev() {
                    let (once, under) = place.overflowing_sub(*taken);
                    let (twice, again) = once.overflowing_sub(borrow.into());
                    *place = twice;
                    borrow = under || again;
                }
            }
        }
    }
    super::wire::without_zeros(&rest).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remainders_are_right() {
        for (number, divisor) in [(0_u64, 3_u64), (100, 7), (u64::MAX, 0xffff_fffb), (1 << 40, (1 << 40) - 1), (5, 9)] {
            let (number, want) = (number.to_be_bytes(), (number % divisor).to_be_bytes());
            let got = remainder(&number, super::super::wire::without_zeros(&divisor.to_be_bytes()));
            assert_eq!(got, super::super::wire::without_zeros(&want), "{number:?} % {divisor}");
        }
    }
}
