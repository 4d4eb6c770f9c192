//! `kiln lint --fix`: mends what can be mended for certain, and writes the file anew.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use crate::dockerfile::{Diagnostic, parse};
use crate::lint::mend;

use super::Failure;

/// Rounds of mending: what one round has mended may show what the next can.
const ROUNDS: usize = 8;

/// Mends a file in its place, and says how many findings are mended. `judge` finds what is wrong with a text.
pub(super) fn fix(path: &Path, judge: impl Fn(&[u8]) -> Vec<Diagnostic>) -> Result<usize, Failure> {
    let name = path.display();
    let bytes = fs::read(path).map_err(|error| Failure::machine(&format!("cannot read {name}"), &error))?;
    // What is read with replacements would be written with them.
    let Ok(original) = String::from_utf8(bytes) else {
        let hint = "convert it first; without --fix it is judged as it is";
        return Err(Failure::usage(format!("--fix: {name} is not UTF-8"), Some(hint)));
    };
    let (mut text, mut count) = (original.clone(), 0);
    for _ in 0..ROUNDS {
        let found = judge(text.as_bytes());
        let mended = mend(&parse(text.as_bytes()).file, &found)
            .map_err(|error| Failure::machine(&format!("cannot mend {name}, which is left as it was"), &error))?;
        let Some(mended) = mended else { break };
        text = mended.text;
        count += mended.count;
    }
    if text != original {
        replace(path, &text).map_err(|error| Failure::machine(&format!("cannot write {name}"), &error))?;
    }
    Ok(count)
}

/// Writes aside and renames, so that nobody ever reads a half of it. Mode and owner stay; a link still leads to the file.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = path.canonicalize()?;
    let metadata = path.metadata()?;
    let dir = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(metadata.permissions())?;
    // An ordinary user cannot give a file away: it is theirs already, or becomes theirs.
    let _best_effort = chown(file.path(), Some(metadata.uid()), Some(metadata.gid()));
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}
