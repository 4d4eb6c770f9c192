//! One tar header, and the extended header before it where a value needs it (TAR-4 to TAR-10).

use std::io::{self, Write};

use tar::{EntryType, Header};

use crate::rootfs::Meta;

/// The greatest number that seven octal digits hold: larger owners need an extended header.
const MAX_ID: u32 = 0o7_777_777;
/// The greatest number that eleven octal digits hold: larger sizes and times need an extended header.
const MAX_LONG: u64 = 0o77_777_777_777;
/// Names of more bytes need an extended header.
const MAX_NAME: usize = 100;

/// The only extended attribute that the reference writes (TAR-7).
const CAPABILITY: &[u8] = b"security.capability";

/// What a header says.
pub(super) struct Entry<'a> {
    /// Relative, directories with a slash at the end.
    pub(super) name: &'a [u8],
    pub(super) kind: EntryType,
    pub(super) meta: &'a Meta,
    pub(super) size: u64,
    /// Target of a symbolic or hard link.
    pub(super) link: &'a [u8],
    /// Major and minor number.
    pub(super) device: Option<(u32, u32)>,
}

impl Entry<'_> {
    /// Writes the headers, padded to whole blocks.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let records = self.extended();
        if !records.is_empty() {
            let mut header = Header::new_ustar();
            set_name(&mut header, b"PaxHeaders.0");
            header.set_entry_type(EntryType::XHeader);
            header.set_mode(0);
            header.set_size(records.len() as u64);
            header.set_cksum();
            out.write_all(header.as_bytes())?;
            out.write_all(&records)?;
            pad(out, records.len() as u64)?;
        }
        let mut header = Header::new_ustar();
        set_name(&mut header, self.name);
        if let Some(ustar) = header.as_ustar_mut() {
            put(&mut ustar.linkname, self.link);
        }
        header.set_entry_type(self.kind);
        header.set_mode(self.meta.mode);
        header.set_uid(u64::from(if self.meta.uid > MAX_ID { 0 } else { self.meta.uid }));
        header.set_gid(u64::from(if self.meta.gid > MAX_ID { 0 } else { self.meta.gid }));
        header.set_size(if self.size > MAX_LONG { 0 } else { self.size });
        header.set_mtime(u64::try_from(self.meta.mtime.seconds).ok().filter(|time| *time <= MAX_LONG).unwrap_or(0));
        if let Some((major, minor)) = self.device {
            header.set_device_major(major)?;
            header.set_device_minor(minor)?;
        }
        header.set_cksum();
        out.write_all(header.as_bytes())
    }

    /// The records of the extended header, sorted by key.
    fn extended(&self) -> Vec<u8> {
        let mut records = Vec::new();
        if let Some(value) = self.meta.xattrs.get(CAPABILITY) {
            record(&mut records, b"SCHILY.xattr.security.capability", value);
        }
        if self.meta.gid > MAX_ID {
            record(&mut records, b"gid", self.meta.gid.to_string().as_bytes());
        }
        if needs_record(self.link) {
            record(&mut records, b"linkpath", self.link);
        }
        if !u64::try_from(self.meta.mtime.seconds).is_ok_and(|time| time <= MAX_LONG) {
            record(&mut records, b"mtime", self.meta.mtime.seconds.to_string().as_bytes());
        }
        if needs_record(self.name) {
            record(&mut records, b"path", self.name);
        }
        if self.size > MAX_LONG {
            record(&mut records, b"size", self.size.to_string().as_bytes());
        }
        if self.meta.uid > MAX_ID {
            record(&mut records, b"uid", self.meta.uid.to_string().as_bytes());
        }
        records
    }
}

fn needs_record(name: &[u8]) -> bool {
    name.len() > MAX_NAME || !name.is_ascii()
}

/// `LENGTH KEY=VALUE\n`, where LENGTH counts itself (POSIX pax, extended header).
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

fn set_name(header: &mut Header, name: &[u8]) {
    if let Some(ustar) = header.as_ustar_mut() {
        put(&mut ustar.name, name);
    }
}

/// Fills a field with as much of `text` as it holds: readers take the rest from the extended header.
fn put(field: &mut [u8; 100], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
}

/// Zeros up to the next whole block of 512 bytes.
pub(super) fn pad(out: &mut dyn Write, size: u64) -> io::Result<()> {
    let over = usize::try_from(size % 512).unwrap_or_default();
    if over == 0 { Ok(()) } else { out.write_all(&[0; 512][over..]) }
}
