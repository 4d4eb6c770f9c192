use std::io::Read;

/// What kind of entry a layer has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink(String),
    HardLink(String),
    Other,
}

/// One entry of a layer.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Relative, without a slash at the end.
    pub(crate) path: String,
    pub(crate) kind: Kind,
    pub(crate) mode: u64,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) mtime: u64,
    pub(crate) content: Vec<u8>,
}

/// The entries of a layer in their order.
#[derive(Clone, Debug)]
pub(crate) struct Layer(pub(crate) Vec<Entry>);

impl Layer {
    /// Reads the blob of a layer: plain or compressed.
    pub(super) fn read(blob: &[u8]) -> Self {
        let plain: Box<dyn Read + '_> = match blob {
            [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(blob)),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::new(blob).unwrap()),
            _ => Box::new(blob),
        };
        let mut archive = tar::Archive::new(plain);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let link = entry.link_name_bytes().map(|name| text(&name)).unwrap_or_default();
            let header = entry.header();
            let kind = match header.entry_type() {
                tar::EntryType::Regular => Kind::File,
                tar::EntryType::Directory => Kind::Directory,
                tar::EntryType::Symlink => Kind::Symlink(link),
                tar::EntryType::Link => Kind::HardLink(link),
                _ => Kind::Other,
            };
            let (mode, uid, gid) = (header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap());
            let mtime = header.mtime().unwrap();
            let path = text(entry.path_bytes().strip_suffix(b"/").unwrap_or(&entry.path_bytes()));
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            Entry { path, kind, mode: u64::from(mode), uid, gid, mtime, content }
        });
        Self(entries.collect())
    }

    /// The layer must hold exactly these entries, each written `path: file`, `path: directory`, `path: symlink to x` or
    /// `path: link to x`.
    pub(crate) fn lists(&self, want: &[&str]) {
        let found: Vec<String> = self
            .0
            .iter()
            .map(|entry| match &entry.kind {
                Kind::File => format!("{}: file", entry.path),
                Kind::Directory => format!("{}: directory", entry.path),
                Kind::Symlink(target) => format!("{}: symlink to {target}", entry.path),
                Kind::HardLink(target) => format!("{}: link to {target}", entry.path),
                Kind::Other => format!("{}: other", entry.path),
            })
            .collect();
        assert_eq!(found, want);
    }
}
