//! `kiln lint --fix`: mends what can be mended for certain, and writes the file anew.

use std::fs;
use std::path::Path;

use crate::build::rewrite;
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
        rewrite(path, text.as_bytes()).map_err(|error| Failure::machine(&format!("cannot write {name}"), &error))?;
    }
    Ok(count)
}
