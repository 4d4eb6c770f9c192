//! Where the dynamic loader would find a library (ld.so(8)), without its cache.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::elf::{Elf, Target};

/// Directories in which every loader looks by itself. Those of other machines are harmless: a library must be of the program's kind.
const DEFAULT: &[&str] =
    &["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/lib32", "/usr/lib32", "/libx32", "/usr/libx32"];
/// Names of the directories below `/lib` and `/usr/lib` that Debian's loaders know.
const MULTIARCH: &[&str] = &[
    "x86_64-linux-gnu",
    "aarch64-linux-gnu",
    "i386-linux-gnu",
    "arm-linux-gnueabihf",
    "arm-linux-gnueabi",
    "riscv64-linux-gnu",
    "powerpc64le-linux-gnu",
    "s390x-linux-gnu",
    "loongarch64-linux-gnu",
    "mips64el-linux-gnuabi64",
];
/// `include` lines within files that are included.
const MAX_INCLUDES: usize = 4;

/// The directories that hold this machine's libraries.
#[derive(Debug)]
pub(super) struct Libraries {
    default: Vec<PathBuf>,
    configured: Vec<PathBuf>,
}

/// A library that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Library {
    /// The name under which the loader opens it.
    pub(super) path: PathBuf,
    /// The directory to name in `LD_LIBRARY_PATH` where there is no cache.
    pub(super) unusual: Option<PathBuf>,
}

impl Libraries {
    /// Reads `/etc/ld.so.conf`.
    pub(super) fn of_machine() -> Self {
        let multiarch = MULTIARCH.iter().flat_map(|name| [format!("/lib/{name}"), format!("/usr/lib/{name}")]);
        let default = multiarch.chain(DEFAULT.iter().map(|path| (*path).to_owned())).map(PathBuf::from);
        let default: Vec<_> = default.filter(|path| path.is_dir()).collect();
        let mut configured = Vec::new();
        configuration(Path::new("/etc/ld.so.conf"), MAX_INCLUDES, &mut configured);
        // musl's loader looks here by itself, glibc's where it is configured.
        configured.push(PathBuf::from("/usr/local/lib"));
        Self { default, configured }
    }

    /// Finds the library `name` for an object in the directory `origin`. `inherited` are the search paths of what loads it.
    pub(super) fn find(&self, name: &[u8], elf: &Elf, origin: &Path, inherited: &[PathBuf]) -> Option<Library> {
        let target = elf.target;
        if name.contains(&b'/') {
            let path = PathBuf::from(OsStr::from_bytes(name));
            return fits(&path, target).then_some(Library { path, unusual: None });
        }
        let name = OsStr::from_bytes(name);
        let own = search_path(&elf.runpath, origin);
        let inherited = if own.is_empty() { inherited } else { &[] };
        let usual = inherited.iter().chain(&own).chain(&self.default).map(|dir| (dir, false));
        let unusual = self.configured.iter().map(|dir| (dir, true));
        usual.chain(unusual).find_map(|(dir, unusual)| {
            let path = dir.join(name);
            fits(&path, target).then(|| Library { path, unusual: unusual.then(|| dir.clone()) })
        })
    }
}

/// Whether the file is a library for `target`.
fn fits(path: &Path, target: Target) -> bool {
    path.is_file()
        && File::open(path)
            .and_then(|file| Elf::read(&file))
            .is_ok_and(|elf| elf.is_some_and(|elf| elf.target == target))
}

/// Entries of a search path with `$ORIGIN` replaced. Those with other variables, or relative ones, are left out.
pub(super) fn search_path(entries: &[Vec<u8>], origin: &Path) -> Vec<PathBuf> {
    let place = |entry: &Vec<u8>| {
        let text = String::from_utf8_lossy(entry);
        let text = text.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", &origin.to_string_lossy());
        (text.starts_with('/') && !text.contains('$')).then(|| PathBuf::from(text))
    };
    entries.iter().filter_map(place).collect()
}

/// Reads a configuration file of the loader: a directory a line, and `include PATTERN` with `*` in its last component.
fn configuration(file: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(text) = fs::read_to_string(file) else { return };
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(pattern) = line.strip_prefix("include ").map(str::trim) {
            let pattern = file.parent().unwrap_or(Path::new("/")).join(pattern);
            let (Some(dir), Some(name)) = (pattern.parent(), pattern.file_name()) else { continue };
            let name = name.to_string_lossy();
            let (start, end) = name.split_once('*').unwrap_or((&name, ""));
            let whole = !name.contains('*');
            let matches = |has: &str| {
                if whole {
                    has == name
                } else {
                    has.starts_with(start) && has.ends_with(end) && has.len() >= name.len() - 1
                }
            };
            let mut files: Vec<_> = fs::read_dir(dir)
                .into_iter()
                .flatten()
                .flatten()
                .filter(|entry| matches(&entry.file_name().to_string_lossy()))
                .map(|entry| entry.path())
                .collect();
            files.sort();
            for file in files.iter().filter(|_| depth > 0) {
                configuration(file, depth - 1, found);
            }
        } else if line.starts_with('/') {
            found.push(PathBuf::from(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_replaced_and_other_variables_are_passed_over() {
        let entries = [&b"$ORIGIN/../lib"[..], b"${ORIGIN}", b"/opt/$LIB", b"relative", b"/a"].map(<[u8]>::to_vec);
        let found = search_path(&entries, Path::new("/x/bin"));
        assert_eq!(found, [Path::new("/x/bin/../lib"), Path::new("/x/bin"), Path::new("/a")]);
    }

    #[test]
    fn configuration_files_include_others() {
        let dir = tempfile::tempdir().unwrap();
        let conf = dir.path().join("ld.so.conf");
        fs::create_dir(dir.path().join("conf.d")).unwrap();
        fs::write(dir.path().join("conf.d/b.conf"), "/b\n").unwrap();
        fs::write(dir.path().join("conf.d/a.conf"), "# text\n/a # more\n").unwrap();
        fs::write(dir.path().join("conf.d/c.txt"), "/c\n").unwrap();
        fs::write(&conf, "include conf.d/*.conf\n/last\ninclude ld.so.conf\n").unwrap();
        let mut found = Vec::new();
        configuration(&conf, 1, &mut found);
        assert_eq!(found[..3], [Path::new("/a"), Path::new("/b"), Path::new("/last")]);
    }
}
