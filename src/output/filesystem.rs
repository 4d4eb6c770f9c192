//! The root filesystem of an image, not the image (OUT-1, OUT-2, OUT-5).

use std::collections::HashMap;
use std::sync::Arc;

use crate::layer::pack;
use crate::rootfs::{Directory, Inode, Kind, Meta, Node, RootFs, RootPath, Time};

use super::place::Place;
use super::{Destination, Image, OutputError};

/// Writes everything in the root filesystem as one tar.
pub(super) fn write_tar(image: &Image<'_>, destination: &Destination) -> Result<(), OutputError> {
    let root = root_of(image, None)?;
    let everything = root.changes_since(&RootFs::empty()).map_err(OutputError::RootFs)?;
    let mut place = Place::open(destination)?;
    if let Err(error) = pack(&everything, &mut place) {
        return Err(place.failed(error));
    }
    place.commit()
}

/// Owner and group that every entry is to have.
pub(super) type Owner = (u32, u32);

/// The root filesystem, with the times of a reproducible build (TIME-2). With `owner`, all belongs to it and devices, which
/// only root can make, are left out.
pub(super) fn root_of(image: &Image<'_>, owner: Option<Owner>) -> Result<RootFs, OutputError> {
    let root = (image.root)().map_err(OutputError::RootFs)?;
    if image.epoch.is_none() && owner.is_none() {
        return Ok(root);
    }
    let mut rewrite = Rewrite { epoch: image.epoch, owner, inodes: HashMap::new() };
    let directory = rewrite.directory(root.root());
    let mut rewritten = RootFs::empty();
    rewritten.insert(&RootPath::root(), directory.into());
    Ok(rewritten)
}

struct Rewrite {
    epoch: Option<i64>,
    owner: Option<Owner>,
    /// By the address of the old one, so that hard links stay links.
    inodes: HashMap<*const Inode, Arc<Inode>>,
}

impl Rewrite {
    fn meta(&self, meta: &Meta) -> Meta {
        let mut meta = meta.clone();
        if let Some(seconds) = self.epoch {
            meta.mtime = Time { seconds, nanos: 0 };
        }
        if let Some((uid, gid)) = self.owner {
            (meta.uid, meta.gid) = (uid, gid);
        }
        meta
    }

    fn directory(&mut self, directory: &Directory) -> Directory {
        let mut rewritten = Directory { meta: self.meta(&directory.meta), ..Directory::default() };
        for (name, node) in &directory.children {
            let node = match node {
                Node::Directory(below) => self.directory(below).into(),
                Node::Inode(inode)
                    if self.owner.is_some() && matches!(inode.kind, Kind::CharDevice(..) | Kind::BlockDevice(..)) =>
                {
                    continue;
                }
                Node::Inode(inode) => Node::Inode(self.inode(inode)),
            };
            rewritten.children.insert(name.clone(), node);
        }
        rewritten
    }

    fn inode(&mut self, inode: &Arc<Inode>) -> Arc<Inode> {
        if let Some(known) = self.inodes.get(&Arc::as_ptr(inode)) {
            return Arc::clone(known);
        }
        let rewritten = Arc::new(Inode::new(self.meta(&inode.meta), inode.kind.clone()));
        self.inodes.insert(Arc::as_ptr(inode), Arc::clone(&rewritten));
        rewritten
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_image::TestImage;
    use super::super::{OutputKind, OutputSpec, write};
    use super::*;

    #[test]
    fn out_2_a_tar_holds_the_whole_root_and_time_2_sets_its_times() {
        let test = TestImage::new();
        let path = test.dir.path().join("root.tar");
        let spec = OutputSpec::new(OutputKind::Tar, Some(Destination::Path(path.clone())));
        for (epoch, time) in [(None, 5), (Some(77), 77)] {
            let mut image = test.image();
            image.epoch = epoch;
            write(&spec, &image, &test.store).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            let mut archive = tar::Archive::new(&bytes[..]);
            let entries: Vec<String> = archive
                .entries()
                .unwrap()
                .map(|entry| {
                    let entry = entry.unwrap();
                    assert_eq!(entry.header().mtime().unwrap(), time);
                    format!("{} {:?}", entry.path().unwrap().display(), entry.header().entry_type())
                })
                .collect();
            assert_eq!(entries, ["etc/ Directory", "etc/a Regular", "etc/b Link", "link Symlink"]);
        }
    }
}
