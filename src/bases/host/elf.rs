//! As much of an ELF file as tells what must be loaded with it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const PT_LOAD: u64 = 1;
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

/// Longest path or name that is believed.
const MAX_NAME: u64 = 4096;
/// Bytes of the largest dynamic section that is believed.
const MAX_DYNAMIC: u64 = 1 << 20;

/// Word size, byte order and machine: what a program and its libraries have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Target {
    wide: bool,
    big_endian: bool,
    machine: u64,
}

/// What a program or library asks of the dynamic loader.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Elf {
    /// What it runs on.
    pub(super) target: Target,
    /// Path of the loader.
    pub(super) interpreter: Option<Vec<u8>>,
    /// Names of libraries.
    pub(super) needed: Vec<Vec<u8>>,
    /// Where to look for libraries, for itself and for what it loads; split at colons.
    pub(super) rpath: Vec<Vec<u8>>,
    /// Where to look for its own libraries; then `rpath` does not count.
    pub(super) runpath: Vec<Vec<u8>>,
}

struct Segment {
    kind: u64,
    offset: u64,
    address: u64,
    size: u64,
}

impl Elf {
    /// Reads the headers of `file`; `None` if it is no ELF file at all.
    pub(super) fn read(file: &File) -> io::Result<Option<Self>> {
        let head = bytes_at(file, 0, 64)?;
        if !head.starts_with(b"\x7fELF") || head.len() < 52 {
            return Ok(None);
        }
        let machine = number(&head, 18, 2, head[5] == 2).ok_or_else(malformed)?;
        let target = Target { wide: head[4] == 2, big_endian: head[5] == 2, machine };
        let mut elf = Self { target, interpreter: None, needed: Vec::new(), rpath: Vec::new(), runpath: Vec::new() };
        let segments = elf.segments(file, &head)?;
        if let Some(segment) = segments.iter().find(|segment| segment.kind == PT_INTERP) {
            elf.interpreter = Some(text_at(file, segment.offset, segment.size)?);
        }
        if let Some(dynamic) = segments.iter().find(|segment| segment.kind == PT_DYNAMIC) {
            elf.dynamic(file, dynamic, &segments)?;
        }
        Ok(Some(elf))
    }

    fn word(&self, bytes: &[u8], at: usize) -> Option<u64> {
        number(bytes, at, if self.target.wide { 8 } else { 4 }, self.target.big_endian)
    }

    fn segments(&self, file: &File, head: &[u8]) -> io::Result<Vec<Segment>> {
        let (offset, sizes) = if self.target.wide { (32, 54) } else { (28, 42) };
        let half = |at| number(head, at, 2, self.target.big_endian).ok_or_else(malformed);
        let (entry, count) = (half(sizes)?, half(sizes + 2)?);
        let start = self.word(head, offset).ok_or_else(malformed)?;
        let table = bytes_at(file, start, entry * count)?;
        let fields = if self.target.wide { (8, 16, 32) } else { (4, 8, 16) };
        let segment = |bytes: &[u8]| {
            Some(Segment {
                kind: number(bytes, 0, 4, self.target.big_endian)?,
                offset: self.word(bytes, fields.0)?,
                address: self.word(bytes, fields.1)?,
                size: self.word(bytes, fields.2)?,
            })
        };
        let entry = usize::try_from(entry.max(1)).map_err(|_| malformed())?;
        Ok(table.chunks(entry).map_while(segment).collect())
    }

    fn dynamic(&mut self, file: &File, dynamic: &Segment, segments: &[Segment]) -> io::Result<()> {
        let bytes = bytes_at(file, dynamic.offset, dynamic.size.min(MAX_DYNAMIC))?;
        let word = if self.target.wide { 8 } else { 4 };
        let entries: Vec<(u64, u64)> = bytes
            .chunks(2 * word)
            .map_while(|entry| Some((self.word(entry, 0)?, self.word(entry, word)?)))
            .take_while(|(tag, _)| *tag != DT_NULL)
            .collect();
        let Some((_, address)) = entries.iter().find(|(tag, _)| *tag == DT_STRTAB) else { return Ok(()) };
        let mut loaded = segments.iter().filter(|segment| segment.kind == PT_LOAD);
        let strings = loaded
            .find_map(|segment| {
                let into = address.checked_sub(segment.address).filter(|into| *into < segment.size)?;
                segment.offset.checked_add(into)
            })
            .ok_or_else(malformed)?;
        for (tag, value) in entries {
            let list = match tag {
                DT_NEEDED => &mut self.needed,
                DT_RPATH => &mut self.rpath,
                DT_RUNPATH => &mut self.runpath,
                _ => continue,
            };
            let text = text_at(file, strings.checked_add(value).ok_or_else(malformed)?, MAX_NAME)?;
            if tag == DT_NEEDED {
                list.push(text);
            } else {
                list.extend(text.split(|byte| *byte == b':').filter(|part| !part.is_empty()).map(<[u8]>::to_vec));
            }
        }
        Ok(())
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a malformed ELF file")
}

/// An unsigned number of `length` bytes.
fn number(bytes: &[u8], at: usize, length: usize, big_endian: bool) -> Option<u64> {
    let field = bytes.get(at..at + length)?;
    let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    Some(if big_endian { field.iter().fold(0, join) } else { field.iter().rev().fold(0, join) })
}

/// Up to `length` bytes; fewer at the end of the file.
fn bytes_at(file: &File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| malformed())?];
    let mut filled = 0;
    while filled < bytes.len() {
        let at = offset.checked_add(filled as u64).ok_or_else(malformed)?;
        match file.read_at(&mut bytes[filled..], at) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Bytes up to a NUL, which must come within `length`.
fn text_at(file: &File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = bytes_at(file, offset, length.min(MAX_NAME))?;
    let end = bytes.iter().position(|byte| *byte == 0).ok_or_else(malformed)?;
    bytes.truncate(end);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read(bytes: &[u8]) -> io::Result<Option<Elf>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Elf::read(&file)
    }

    /// A 64-bit little-endian file: header, three program headers, interpreter, dynamic section, strings.
    fn sample() -> Vec<u8> {
        let strings = b"\0libone.so\0$ORIGIN/../lib:/opt\0";
        let interpreter = b"/lib/ld.so\0";
        let base = 64 + 3 * 56;
        let dynamic: Vec<u8> = [(1u64, 1u64), (29, 11), (5, 0x1000), (0, 0)]
            .iter()
            .flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()].concat())
            .collect();
        let at_dynamic = base + interpreter.len();
        let at_strings = at_dynamic + dynamic.len();
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(18, 0);
        bytes.extend(62u16.to_le_bytes());
        bytes.resize(32, 0);
        bytes.extend(64u64.to_le_bytes());
        bytes.resize(54, 0);
        bytes.extend([56u16.to_le_bytes(), 3u16.to_le_bytes()].concat());
        bytes.resize(64, 0);
        for (kind, offset, address, size) in [
            (3u32, base, 0u64, interpreter.len()),
            (2, at_dynamic, 0, dynamic.len()),
            (1, at_strings, 0x1000, strings.len()),
        ] {
            let start = bytes.len();
            bytes.extend(kind.to_le_bytes());
            bytes.extend([0; 4]);
            bytes.extend((offset as u64).to_le_bytes());
            bytes.extend(address.to_le_bytes());
            bytes.extend([0; 8]);
            bytes.extend((size as u64).to_le_bytes());
            bytes.resize(start + 56, 0);
        }
        bytes.extend(interpreter);
        bytes.extend(dynamic);
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn loader_libraries_and_paths_are_read() {
        let elf = read(&sample()).unwrap().unwrap();
        assert_eq!(elf.interpreter.unwrap(), b"/lib/ld.so");
        assert_eq!(elf.needed, [b"libone.so"]);
        assert_eq!(elf.runpath, [&b"$ORIGIN/../lib"[..], b"/opt"]);
        assert!(elf.rpath.is_empty());
    }

    #[test]
    fn other_files_are_none_and_damage_is_no_panic() {
        assert_eq!(read(b"#!/bin/sh\n").unwrap(), None);
        assert_eq!(read(b"").unwrap(), None);
        let sample = sample();
        for at in 4..sample.len() {
            for value in [0, 0xff, 0x7f] {
                let mut bytes = sample.clone();
                bytes[at] = value;
                let _any = read(&bytes);
                let _any = read(&bytes[..at]);
            }
        }
    }
}
