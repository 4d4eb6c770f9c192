use std::io::{self, Read};

use tar::{EntryType, Header};

use crate::rootfs::{Meta, Time};

/// Bytes of a tar block.
const BLOCK: usize = 512;
/// An extended header or long name of more bytes than this is an attack, not a name.
const MAX_EXTENDED: u64 = 1 << 20;
/// Where extended headers keep attributes.
const XATTR: &[u8] = b"SCHILY.xattr.";
/// Attributes that stand for something on kiln's own disk: from anybody else they would be a lie about a file.
const OWN_XATTRS: [&[u8]; 3] = [b"user.kiln.", b"trusted.overlay.", b"user.overlay."];
/// No file has more bytes than this, nor any archive; so that sums of two are no overflow.
const MAX_SIZE: u64 = i64::MAX as u64;

/// One entry's header, extended headers merged in.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As written: not cleaned, not trusted.
    pub name: Vec<u8>,
    /// Target of a symbolic or hard link, as written.
    pub link: Vec<u8>,
    /// What it is.
    pub kind: EntryType,
    /// Mode, owner, time, attributes.
    pub meta: Meta,
    /// Bytes of content.
    pub size: u64,
    /// Major and minor number of a device.
    pub device: (u32, u32),
}

/// The entries of a tar stream, one after the other: old, ustar, GNU and PAX forms. Reading from it reads the content of
/// the entry given last.
///
/// Headers are read here, not by the `tar` crate's iterator: that one splits PAX records at newlines, which binary
/// attribute values may hold, and lets an extended header take any amount of memory.
#[derive(Debug)]
pub struct Entries<R> {
    reader: R,
    /// Bytes of the current entry that nobody has read.
    left: u64,
    padding: u64,
}

/// What extended headers say of the next entry.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<Time>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl<R: Read> Entries<R> {
    /// Reads entries from `reader`, plain bytes.
    pub fn new(reader: R) -> Self {
        Self { reader, left: 0, padding: 0 }
    }

    /// The reader below, at whatever place it is.
    pub fn into_inner(self) -> R {
        self.reader
    }

    /// The next entry, or `None` at the archive's end.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        let mut extended = Extended::default();
        loop {
            self.skip_content()?;
            let Some(header) = self.header()? else { return Ok(None) };
            let kind = header.entry_type();
            let size = header.entry_size()?;
            match kind {
                EntryType::XHeader => extended.records(&self.metadata(size)?)?,
                EntryType::XGlobalHeader => self.begin(size)?,
                EntryType::GNULongName => extended.name = Some(until_nul(self.metadata(size)?)),
                EntryType::GNULongLink => extended.link = Some(until_nul(self.metadata(size)?)),
                EntryType::GNUSparse => return Err(invalid("GNU sparse entries are not supported")),
                _ => {
                    let entry = entry(&header, kind, size, extended)?;
                    self.begin(entry.size)?;
                    return Ok(Some(entry));
                }
            }
        }
    }

    fn begin(&mut self, size: u64) -> io::Result<()> {
        if size > MAX_SIZE {
            return Err(invalid("a tar entry is larger than any file"));
        }
        self.left = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(())
    }

    fn skip_content(&mut self) -> io::Result<()> {
        let skip = self.left + self.padding;
        let skipped = io::copy(&mut self.reader.by_ref().take(skip), &mut io::sink())?;
        (self.left, self.padding) = (0, 0);
        if skipped < skip { Err(cut_off()) } else { Ok(()) }
    }

    fn metadata(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > MAX_EXTENDED {
            return Err(invalid("an extended tar header is too large"));
        }
        self.begin(size)?;
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.reader.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(cut_off()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block).clone();
        // The checksum counts its own field as spaces (POSIX ustar).
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
            .sum();
        if header.cksum().ok() != Some(sum) {
            return Err(invalid("not a tar header: its checksum is wrong"));
        }
        Ok(Some(header))
    }
}

impl<R: Read> Read for Entries<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.reader.read(&mut buffer[..most])?;
        if count == 0 {
            return Err(cut_off());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

fn entry(header: &Header, kind: EntryType, size: u64, extended: Extended) -> io::Result<Entry> {
    let mtime = header.mtime().map_or(0, |seconds| i64::try_from(seconds).unwrap_or_default());
    let id = |field: &[u8], number: io::Result<u64>| match number {
        // Some writers leave the fields empty.
        Err(_) if field.iter().all(|byte| matches!(byte, 0 | b' ')) => Some(0),
        number => number.ok().and_then(|number| u32::try_from(number).ok()),
    };
    let old = header.as_old();
    let mode = header.mode().map_err(|_| invalid("a tar header has a bad mode"))? & 0o7777;
    let mut meta = Meta::with_mode(mode);
    meta.uid =
        extended.uid.or_else(|| id(&old.uid, header.uid())).ok_or_else(|| invalid("a tar header has a bad owner"))?;
    meta.gid =
        extended.gid.or_else(|| id(&old.gid, header.gid())).ok_or_else(|| invalid("a tar header has a bad group"))?;
    meta.mtime = extended.mtime.unwrap_or(Time { seconds: mtime, nanos: 0 });
    for (name, value) in extended.xattrs {
        meta.xattrs.insert(name.into(), value.into());
    }
    let name = extended.name.unwrap_or_else(|| header.path_bytes().into_owned());
    let device = (
        header.device_major().ok().flatten().unwrap_or_default(),
        header.device_minor().ok().flatten().unwrap_or_default(),
    );
    // Old archives mark a directory by its name alone.
    let kind = match kind {
        EntryType::Regular | EntryType::Continuous if name.ends_with(b"/") => EntryType::Directory,
        kind => kind,
    };
    let size = match kind {
        // Links and nodes have no content, whatever their size field says of what they stand for.
        EntryType::Link | EntryType::Symlink | EntryType::Char | EntryType::Block | EntryType::Fifo => 0,
        _ => extended.size.unwrap_or(size),
    };
    Ok(Entry {
        link: extended.link.unwrap_or_else(|| header.link_name_bytes().unwrap_or_default().into_owned()),
        name,
        kind,
        meta,
        size,
        device,
    })
}

impl Extended {
    /// `LENGTH KEY=VALUE\n`, again and again (POSIX pax, extended header). An empty value takes the key back.
    fn records(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let bad = || invalid("a malformed extended tar header");
        while !bytes.is_empty() {
            let space = bytes.iter().position(|byte| *byte == b' ').ok_or_else(bad)?;
            let length: usize = parse(&bytes[..space]).ok_or_else(bad)?;
            if length <= space + 1 || length > bytes.len() || bytes[length - 1] != b'\n' {
                return Err(bad());
            }
            let record = &bytes[space + 1..length - 1];
            bytes = &bytes[length..];
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(bad)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" => self.name = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = Some(parse(value).ok_or_else(bad)?),
                b"uid" => self.uid = Some(parse(value).ok_or_else(bad)?),
                b"gid" => self.gid = Some(parse(value).ok_or_else(bad)?),
                b"mtime" => self.mtime = Some(std::str::from_utf8(value).ok().and_then(time).ok_or_else(bad)?),
                _ if key.starts_with(b"GNU.sparse.") => return Err(invalid("GNU sparse entries are not supported")),
                _ => {
                    if let Some(name) = key.strip_prefix(XATTR)
                        && !OWN_XATTRS.iter().any(|own| name.starts_with(own))
                    {
                        self.xattrs.push((name.to_vec(), value.to_vec()));
                    }
                }
            }
        }
        Ok(())
    }
}

fn parse<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `SECONDS[.FRACTION]`, perhaps negative.
fn time(text: &str) -> Option<Time> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanos: u32 = digits.parse().ok()?;
    if whole.starts_with('-') && nanos > 0 {
        return Some(Time { seconds: seconds.checked_sub(1)?, nanos: 1_000_000_000 - nanos });
    }
    Some(Time { seconds, nanos })
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_fractions_and_may_be_negative() {
        assert_eq!(time("1.5"), Some(Time { seconds: 1, nanos: 500_000_000 }));
        assert_eq!(time("-1.25"), Some(Time { seconds: -2, nanos: 750_000_000 }));
        assert_eq!(time("x"), None);
        assert_eq!(time("-9223372036854775808.9"), None);
    }

    #[test]
    fn a_size_that_no_file_can_have_is_refused() {
        let mut header = Header::new_gnu();
        // In base 256, as GNU tar writes what has no room in octal digits.
        header.as_mut_bytes()[124..136].copy_from_slice(b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff");
        header.set_mode(0o644);
        header.set_cksum();
        let mut entries = Entries::new(&header.as_bytes()[..]);
        assert_eq!(entries.next_entry().unwrap_err().to_string(), "a tar entry is larger than any file");
    }

    #[test]
    fn long_names_of_gnu_tar_are_read_and_damage_is_seen() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_size(3);
        header.set_mode(0o640);
        builder.append_data(&mut header, "x/".repeat(80) + "f", &b"abc"[..]).unwrap();
        let mut bytes = builder.into_inner().unwrap();
        let mut entries = Entries::new(&bytes[..]);
        let entry = entries.next_entry().unwrap().unwrap();
        assert_eq!(entry.name.len(), 161);
        let mut text = String::new();
        entries.read_to_string(&mut text).unwrap();
        assert_eq!(text, "abc");
        assert!(entries.next_entry().unwrap().is_none());
        assert!(Entries::new(&bytes[..700]).next_entry().is_err());
        bytes[0] ^= 1;
        assert!(Entries::new(&bytes[..]).next_entry().is_err());
    }
}
