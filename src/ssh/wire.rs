//! The encoding that agents and key files share (RFC 4251, section 5).

use std::io::{self, ErrorKind, Read, Write};

/// Most bytes of a message, as other agents have it.
const MAX_FRAME: u32 = 256 << 10;

/// Reads values from bytes; each is `None` where there are too few.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        self.bytes(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.bytes(usize::try_from(length).ok()?)
    }

    /// A positive integer of any length, without leading zeros.
    pub(super) fn integer(&mut self) -> Option<&'a [u8]> {
        Some(without_zeros(self.string()?))
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }
}

pub(super) fn without_zeros(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..]
}

pub(super) fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u32::try_from(bytes.len()).unwrap_or_default().to_be_bytes());
    out.extend(bytes);
}

/// Writes a positive integer; a first bit that is set would make it negative.
pub(super) fn write_integer(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = without_zeros(bytes);
    let sign: &[u8] = if bytes.first().is_some_and(|first| *first >= 0x80) { &[0] } else { &[] };
    write_string(out, &[sign, bytes].concat());
}

/// A message; `None` at the end.
pub(super) fn read_frame(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = u32::from_be_bytes(length);
    if length > MAX_FRAME {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut frame = Vec::new();
    // Not reserved at once: who sends a length alone shall cost nothing.
    stream.take(length.into()).read_to_end(&mut frame)?;
    if frame.len() as u64 == u64::from(length) { Ok(Some(frame)) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

pub(super) fn write_frame(stream: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    let mut message = Vec::with_capacity(frame.len() + 4);
    write_string(&mut message, frame);
    stream.write_all(&message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4251_integers() {
        for (row, bytes, want) in [
            ("zero", &[0, 0][..], &[0, 0, 0, 0][..]),
            ("small", &[0, 0x7f], &[0, 0, 0, 1, 0x7f]),
            ("first bit set", &[0x80], &[0, 0, 0, 2, 0, 0x80]),
        ] {
            let mut out = Vec::new();
            write_integer(&mut out, bytes);
            assert_eq!(out, want, "{row}");
            assert_eq!(Reader::new(&out).integer(), Some(without_zeros(bytes)), "{row}");
        }
    }

    #[test]
    fn a_frame_is_read_whole_or_not_at_all() {
        let mut out = Vec::new();
        write_frame(&mut out, b"abc").unwrap();
        assert_eq!(read_frame(&mut &out[..]).unwrap().as_deref(), Some(&b"abc"[..]));
        assert_eq!(read_frame(&mut &out[..0]).unwrap(), None);
        assert!(read_frame(&mut &out[..6]).is_err());
    }
}
