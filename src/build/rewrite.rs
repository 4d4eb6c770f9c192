use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

/// Mode of a file that is not there yet.
const MODE: u32 = 0o644;

/// Puts `bytes` in the place of a file that people keep, a Dockerfile or a lock file beside it, whole or not at all. A link
/// stays one; mode and, where kiln may give files away, owner stay what they were.
pub fn rewrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let dir = place.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let meta = fs::metadata(&place).ok();
    let mut aside = tempfile::Builder::new().prefix(".kiln-").tempfile_in(dir)?;
    aside.write_all(bytes)?;
    if let Some(meta) = &meta {
        // It is theirs already, or becomes theirs.
        let _best_effort = fchown(&aside, Some(meta.uid()), Some(meta.gid()));
    }
    // After the owner, since giving a file away takes its set-id bits.
    let mode = meta.map_or(MODE, |meta| meta.mode() & 0o7777);
    aside.as_file().set_permissions(Permissions::from_mode(mode))?;
    aside.persist(place).map(drop).map_err(|error| error.error)
}
