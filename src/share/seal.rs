//! How an object travels: compressed, under a line that tells its name and its digest.

use std::io::{Cursor, Read};

use crate::image::Digest;

use super::{ObjectName, ShareError};

/// Begins the line above an object. Another version is another cache.
const MAGIC: &str = "kiln-cache/1";
/// Bytes of an object once it is no longer compressed: more are an attack.
const MAX_PLAIN: u64 = 64 << 20;
/// The level of zstd at which the time of packing is no matter.
const LEVEL: i32 = 3;

/// Wraps the object `name`.
pub(super) fn seal(name: &ObjectName, plain: &[u8]) -> Result<Vec<u8>, ShareError> {
    let failed = |error: std::io::Error| ShareError::Failed(Box::new(error));
    let packed = zstd::encode_all(plain, LEVEL).map_err(failed)?;
    let mut sealed = format!("{MAGIC} {name} {}\n", Digest::of(&packed).hex()).into_bytes();
    sealed.extend(packed);
    Ok(sealed)
}

/// Unwraps what came for the object `name`: another object, one that is damaged, or one that grows without end is an error.
pub(super) fn unseal(name: &ObjectName, sealed: &[u8]) -> Result<Vec<u8>, ShareError> {
    let damaged = |reason: &str| ShareError::Damaged { what: name.to_string(), reason: reason.to_owned() };
    let end = sealed.iter().take(400).position(|byte| *byte == b'\n').ok_or_else(|| damaged("it is none of kiln's"))?;
    let (line, packed) = (String::from_utf8_lossy(&sealed[..end]), &sealed[end + 1..]);
    match line.split(' ').collect::<Vec<_>>()[..] {
        [MAGIC, own, _] if own != name.to_string() => return Err(damaged("it is another object")),
        [MAGIC, _, digest] if digest != Digest::of(packed).hex() => return Err(damaged("its bytes have changed")),
        [MAGIC, _, _] => {}
        _ => return Err(damaged("it is none of kiln's")),
    }
    let mut plain = Vec::new();
    let decoder = zstd::Decoder::new(Cursor::new(packed)).map_err(|_| damaged("it cannot be decompressed"))?;
    decoder.take(MAX_PLAIN + 1).read_to_end(&mut plain).map_err(|_| damaged("it cannot be decompressed"))?;
    if plain.len() as u64 > MAX_PLAIN { Err(damaged("it is too large")) } else { Ok(plain) }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    #[test]
    fn a_sealed_object_is_told_from_every_other_and_from_a_damaged_one() {
        let (name, other) = (ObjectName::new(Kind::Step, "a"), ObjectName::new(Kind::Step, "b"));
        let sealed = seal(&name, b"text").unwrap();
        assert_eq!(unseal(&name, &sealed).unwrap(), b"text");
        let reason =
            |name: &ObjectName, bytes: &[u8]| std::error::Error::source(&unseal(name, bytes).unwrap_err()).is_none();
        assert!(unseal(&other, &sealed).unwrap_err().to_string().contains("another object"));
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert!(reason(&name, &flipped), "byte {at}");
            assert!(reason(&name, &sealed[..at]), "cut at {at}");
        }
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let name = ObjectName::index();
        let bomb = seal(&name, &vec![0; 65 << 20]).unwrap();
        assert!(bomb.len() < 1 << 20 && unseal(&name, &bomb).is_err());
    }
}
