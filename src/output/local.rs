//! The root filesystem as a directory (`type=local`, OUT-1).

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::rootfs::{Directory, Inode, Node, RootFs, RootPath};
use crate::sandbox::Standing;
use crate::snapshot::{self, Nodes};

use super::filesystem::root_of;
use super::{Image, OutputError};

/// Writes the root filesystem into `dir`, over what is there: other files stay (OUT-1, `mode=copy`).
///
/// `dir` itself keeps its owner and mode: it belongs to whoever named it. Without root all files belong to whoever runs
/// kiln, and there are no devices (OUT-5).
pub(super) fn write(image: &Image<'_>, dir: &Path) -> Result<(), OutputError> {
    if dir.exists() && !dir.is_dir() {
        return Err(OutputError::NotADirectory(dir.to_owned()));
    }
    let is_user = !matches!(Standing::current(), Standing::Admin | Standing::Root);
    let owner = is_user.then(|| (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()));
    let root = root_of(image, owner)?;
    fs::create_dir_all(dir).map_err(OutputError::writing(dir))?;
    let mut writer = Writer { root: &root, links: HashMap::new() };
    writer.children(root.root(), &RootPath::root(), dir)
}

struct Writer<'a> {
    root: &'a RootFs,
    /// First name on disk of each inode that may have several.
    links: HashMap<*const Inode, PathBuf>,
}

impl Writer<'_> {
    fn children(&mut self, directory: &Directory, at: &RootPath, place: &Path) -> Result<(), OutputError> {
        for (name, node) in &directory.children {
            let below = place.join(OsStr::from_bytes(name));
            match node {
                Node::Directory(directory) => {
                    make_directory(&below).map_err(OutputError::writing(&below))?;
                    self.children(directory, &at.join(name), &below)?;
                    snapshot::set_meta(&below, &directory.meta, false)
                }
                Node::Inode(inode) => self.inode(inode, &at.join(name), &below),
            }
            .map_err(OutputError::writing(&below))?;
        }
        Ok(())
    }

    fn inode(&mut self, inode: &Arc<Inode>, at: &RootPath, place: &Path) -> io::Result<()> {
        clear(place)?;
        if let Some(first) = self.links.get(&Arc::as_ptr(inode)) {
            return fs::hard_link(first, place);
        }
        if Arc::strong_count(inode) > 1 {
            self.links.insert(Arc::as_ptr(inode), place.to_owned());
        }
        snapshot::write(self.root, at, place, Nodes::Real)
    }
}

/// A directory stays; anything else, a link to a directory too, gives way to a new one.
fn make_directory(place: &Path) -> io::Result<()> {
    match fs::symlink_metadata(place) {
        Ok(meta) if meta.is_dir() => return Ok(()),
        Ok(_) => fs::remove_file(place)?,
        Err(_) => {}
    }
    fs::create_dir(place)
}

fn clear(place: &Path) -> io::Result<()> {
    match fs::symlink_metadata(place) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(place),
        Ok(_) => fs::remove_file(place),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::super::test_image::TestImage;
    use super::super::{Destination, OutputKind, OutputSpec, write};
    use super::*;

    #[test]
    fn out_1_files_are_merged_over_a_directory_without_following_its_links() {
        let test = TestImage::new();
        let dir = test.dir.path().join("out");
        let outside = test.dir.path().join("outside");
        fs::create_dir_all(&outside).unwrap();
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("other"), "stays").unwrap();
        std::os::unix::fs::symlink(&outside, dir.join("etc")).unwrap();
        fs::create_dir(dir.join("link")).unwrap();
        let spec = OutputSpec::new(OutputKind::Local, Some(Destination::Path(dir.clone())));
        for _again in 0..2 {
            write(&spec, &test.image(), &test.store).unwrap();
            assert_eq!(fs::read(dir.join("other")).unwrap(), b"stays");
            assert_eq!(fs::read(dir.join("etc/a")).unwrap(), b"text");
            assert_eq!(fs::read_link(dir.join("link")).unwrap(), Path::new("etc/a"));
            let inode = |name: &str| fs::metadata(dir.join(name)).unwrap().ino();
            assert_eq!(inode("etc/a"), inode("etc/b"), "hard links stay links");
            assert_eq!(fs::metadata(dir.join("etc/a")).unwrap().mtime(), 5);
            assert_eq!(fs::metadata(dir.join("etc")).unwrap().mtime(), 5);
        }
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        let file = OutputSpec::new(OutputKind::Local, Some(Destination::Path(dir.join("other"))));
        assert!(matches!(write(&file, &test.image(), &test.store), Err(OutputError::NotADirectory(_))));
    }
}
