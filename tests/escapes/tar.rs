//! Archives as bytes, with nothing checked.

/// One entry of an archive, with nothing checked.
#[derive(Clone, Default)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) kind: u8,
    pub(super) link: Vec<u8>,
    pub(super) content: Vec<u8>,
    pub(super) device: (u32, u32),
    /// In place of the content's.
    pub(super) size: Option<[u8; 12]>,
    /// In place of the usual one.
    pub(super) mode: Option<[u8; 8]>,
    pub(super) pax: Vec<u8>,
}

pub(super) fn entry(kind: u8, name: &str) -> Entry {
    Entry { kind, name: name.as_bytes().to_vec(), ..Entry::default() }
}

pub(super) fn file(name: &str, content: &str) -> Entry {
    Entry { content: content.as_bytes().to_vec(), ..entry(b'0', name) }
}

fn link(kind: u8, name: &str, target: &str) -> Entry {
    Entry { link: target.as_bytes().to_vec(), ..entry(kind, name) }
}

pub(super) fn symlink(name: &str, target: &str) -> Entry {
    link(b'2', name, target)
}

pub(super) fn hard_link(name: &str, target: &str) -> Entry {
    link(b'1', name, target)
}

pub(super) fn directory(name: &str) -> Entry {
    entry(b'5', name)
}

pub(super) fn block_device(name: &str, major: u32, minor: u32) -> Entry {
    Entry { device: (major, minor), ..entry(b'4', name) }
}

impl Entry {
    pub(super) fn with_pax(mut self, key: &str, value: &[u8]) -> Self {
        let rest = key.len() + value.len() + 3;
        let length =
            (1..8).map(|digits| rest + digits).find(|length| length.to_string().len() + rest == *length).unwrap();
        self.pax.extend_from_slice(format!("{length} {key}=").as_bytes());
        self.pax.extend_from_slice(value);
        self.pax.push(b'\n');
        self
    }

    fn write(&self, tar: &mut Vec<u8>) {
        if !self.pax.is_empty() {
            let extended = Entry { content: self.pax.clone(), ..entry(b'x', "extended") };
            extended.write(tar);
        }
        let mut header = [0_u8; 512];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.name[..self.name.len().min(100)]);
        put(100, &self.mode.unwrap_or(if self.kind == b'5' { *b"0000755\0" } else { *b"0000644\0" }));
        put(108, b"0000000\0");
        put(116, b"0000000\0");
        put(
            124,
            &self.size.unwrap_or_else(|| format!("{:011o}\0", self.content.len()).into_bytes().try_into().unwrap()),
        );
        put(136, b"13727420000\0");
        put(156, &[self.kind]);
        put(157, &self.link[..self.link.len().min(100)]);
        put(257, b"ustar\x0000");
        put(329, format!("{:07o}\0", self.device.0).as_bytes());
        put(337, format!("{:07o}\0", self.device.1).as_bytes());
        put(148, b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend_from_slice(&header);
        tar.extend_from_slice(&self.content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
}

pub(super) fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut tar = Vec::new();
    for entry in entries {
        entry.write(&mut tar);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// A file with a claim.
pub(super) fn claimed(name: &str, claim: &str) -> Entry {
    file(name, "x").with_pax("SCHILY.xattr.user.kiln.claim", claim.as_bytes())
}

pub(super) fn program(name: &str, bytes: &[u8]) -> Entry {
    Entry { content: bytes.to_vec(), mode: Some(*b"0000755\0"), ..entry(b'0', name) }
}
