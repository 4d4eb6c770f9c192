//! What strangers may hand to kiln, one function a kind: text and archives of any bytes must be read or refused, without a
//! panic, in time and memory that grow with the input, and without a trace outside the place that was given.
//!
//! Only in tests and in fuzzing builds (`fuzz/`): both call the same functions.
#![expect(clippy::missing_panics_doc, reason = "a panic is the finding")]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tar::Header;

use crate::context::{self, Patterns};
use crate::copy::{self, Env};
use crate::dockerfile::{Command, Dockerfile, ItemKind, Source, parse};
use crate::format::format;
use crate::image::{Compression, DiffId, Digest, ImageConfig, Platform, Reference};
use crate::layer;
use crate::lint::hadolint::{HadolintOptions, hadolint};
use crate::lint::{self, CheckOptions, Subject};
use crate::plan::{BaseError, Bases, CopyOp, CopySource, Found, ImageId, Plan, PlanOptions, Unplanned, plan};
use crate::rootfs::{File, Files, Inode, Kind, Meta, RootFs, RootPath, Time};
use crate::snapshot::TreeFiles;

/// Bytes of a tar block.
const BLOCK: usize = 512;

/// Has every image.
struct All;

impl Bases for All {
    fn context(&self, _: &str, _: &Platform) -> Result<Option<Found>, BaseError> {
        Ok(None)
    }

    fn image(&self, _: &Reference, platform: &Platform) -> Result<Found, BaseError> {
        Ok(Found::Image(ImageId(0), Box::new(ImageConfig::scratch(platform))))
    }
}

/// All stages of `file`, every image being at hand.
pub fn planned(file: &Dockerfile) -> Result<Plan, Unplanned> {
    let platform = Platform::host();
    let options = PlanOptions::whole_file(platform);
    plan(file, &options, &All)
}

/// What is in the keys and the history of all steps.
fn steps(plan: Plan) -> Vec<String> {
    let steps = plan.stages.into_iter().flat_map(|stage| stage.steps);
    let texts = steps.map(|mut step| {
        step.op.forget_places();
        format!("{:?} {:?}", step.created_by, step.op)
    });
    texts.collect()
}

/// A Dockerfile is read, printed as it was, planned, judged and formatted; and the formatted one means the same.
pub fn dockerfile(bytes: &[u8]) {
    let parsed = parse(bytes);
    assert_eq!(parsed.file.print(), String::from_utf8_lossy(bytes));
    if !parsed.diagnostics.is_empty() {
        return;
    }
    let (before, remarks) = match planned(&parsed.file) {
        Ok(mut plan) => {
            let remarks = std::mem::take(&mut plan.remarks);
            (Ok(plan), remarks)
        }
        Err(failed) => (Err(failed.errors), failed.remarks),
    };
    if let Ok(check) = CheckOptions::read(&parsed.file, &BTreeMap::new()) {
        let stages = before.as_ref().map_or(&[][..], |plan| plan.stages.as_slice());
        lint::lint(Subject { file: &parsed.file, stages, remarks: &remarks, ignore: None }, &check);
    }
    mended(&parsed.file);
    let formatted = format(&parsed.file);
    let again = parse(formatted.as_bytes());
    assert_eq!(again.diagnostics, [], "{formatted:?}");
    assert_eq!(format(&again.file), formatted, "twice is not once");
    let after = planned(&again.file);
    assert_eq!(before.ok().map(steps), after.ok().map(steps), "{formatted:?}");
}

/// All rules judge a file, and what mends their findings leaves the steps as they were, where it is not about a step.
fn mended(file: &Dockerfile) {
    let mut found = lint::offline(file, None).warnings;
    found.extend(hadolint(file, &HadolintOptions::default(), &[]));
    found.retain(|found| !matches!(&*found.code, "MaintainerDeprecated" | "DL4000" | "DL3027"));
    match lint::mend(file, &found) {
        Ok(None) => {}
        Ok(Some(mended)) => {
            let [before, after] = [planned(file), planned(&parse(mended.text.as_bytes()).file)];
            assert_eq!(before.ok().map(steps), after.ok().map(steps), "{:?}", mended.text);
        }
        Err(error) => panic!("{error}: {:?}", file.text),
    }
}

/// The bytes are expanded as a word, as several words and as the body of a heredoc.
pub fn expansion(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let around = "FROM a\nENV X=abc E= P=/usr/local/bin S='a  b' L=$X\nLABEL l=w\nEXPOSE w\nCOPY <<B /\nB\n";
    for escape in ['\\', '`'] {
        let mut file = parse(around.as_bytes()).file;
        file.escape = escape;
        for item in &mut file.items {
            let ItemKind::Instruction(instruction) = &mut item.kind else { continue };
            match &mut instruction.command {
                Command::Label(pairs) => pairs.iter_mut().for_each(|pair| pair.value.text = text.clone().into_owned()),
                Command::Expose(words) => words.iter_mut().for_each(|word| word.text = text.clone().into_owned()),
                Command::Copy(copying, _) => {
                    for source in &mut copying.sources {
                        if let Source::Heredoc(heredoc) = source {
                            heredoc.body = text.clone().into_owned();
                        }
                    }
                }
                _ => {}
            }
        }
        if let Ok(plan) = planned(&file)
            && !text.contains(['$', '\'', '"', '`', '\\', '\u{feff}'])
        {
            let label = plan.stages[0].config.labels.iter().find(|(name, _)| *name == "l");
            assert_eq!(label.map(|(_, value)| value.as_str()), Some(&*text), "nothing was there to expand");
        }
    }
}

/// Lines up to a NUL byte are ignore patterns, and what follows is a path; asked at once and on the way down, they
/// answer the same.
pub fn ignore_patterns(bytes: &[u8]) {
    let (file, path) = bytes.split_at(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    let Ok(patterns) = Patterns::from_file(file) else { return };
    let path = RootPath::clamped(path);
    let (mut at, mut verdict) = (RootPath::root(), patterns.start());
    for name in path.as_bytes().split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        at = at.join(name);
        verdict = patterns.below(&verdict, at.as_bytes(), name);
        patterns.may_include_below(&verdict, at.as_bytes());
    }
    if !path.is_root() {
        assert_eq!(patterns.excludes(&path), verdict.excluded(), "{path}");
    }
}

/// A tar is read as a build context, as a layer and as an archive that ADD unpacks; nothing of it appears outside the
/// directories that it was given. Checksums of headers are put right first, or hardly any input would come past them.
pub fn tar_archive(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    mend(&mut bytes);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let place = |name: &str| {
        let path = dir.path().join(name);
        fs::create_dir(&path).expect("a directory");
        path
    };
    let (scratch, tree, members) = (place("context"), place("layer"), place("members"));
    let files = |path: &Path| Arc::new(TreeFiles::open(path).expect("the directory"));
    let _read_or_refused = context::from_tar(&bytes[..], &scratch, files(&scratch));
    let diff_id = DiffId(Digest::from_bytes(Sha256::digest(&bytes).into()));
    let _read_or_refused = layer::unpack(&bytes[..], Compression::Uncompressed, &diff_id, u64::MAX, &tree);
    let _read_or_refused = add(bytes, &members, files(&members));
    let left = fs::read_dir(dir.path()).expect("the temporary directory").count();
    assert_eq!(left, 3, "something lies beside the directories");
}

/// What a shared cache hands out: an index and the record of a step, as they are and sealed as they should be.
pub fn shared_cache(bytes: &[u8]) {
    crate::share::read_anything(bytes);
}

/// Where the members of an archive go.
#[derive(Debug)]
struct Place<'a>(&'a Path, Arc<TreeFiles>);

impl copy::Scratch for Place<'_> {
    fn place(&self) -> io::Result<(&Path, Arc<dyn Files>)> {
        Ok((self.0, Arc::clone(&self.1) as Arc<dyn Files>))
    }
}

/// `ADD a.tar /d`
fn add(bytes: Vec<u8>, dir: &Path, files: Arc<TreeFiles>) -> Result<(), copy::CopyError> {
    let op = CopyOp {
        sources: vec![CopySource::Path("a.tar".to_owned())],
        destination: "/d".to_owned(),
        ..CopyOp::blank(true)
    };
    let mut context = RootFs::empty();
    let archive = Inode::new(Meta::with_mode(0o644), Kind::File(File::inline(bytes)));
    context.insert(&RootPath::clamped(b"a.tar"), archive.into());
    let scratch = Place(dir, files);
    let env = Env { now: Time::default(), scratch: &scratch, destination_is_scratch: true };
    let mut root = RootFs::empty();
    copy::copy(&mut root, &copy::select(&context, &op)?, &op, &env)?;
    let beside = root.root().children.keys().filter(|name| &name[..] != b"d").count();
    assert_eq!(beside, 0, "something lies beside the destination");
    Ok(())
}

/// Puts the checksums of all headers right, as far as sizes tell where headers are.
fn mend(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(block) = bytes.get_mut(at..at + BLOCK) {
        let mut header = Header::new_old();
        header.as_mut_bytes().copy_from_slice(block);
        let is_end = block.iter().all(|byte| *byte == 0);
        if !is_end {
            header.set_cksum();
            block.copy_from_slice(header.as_bytes());
        }
        let size = header.entry_size().ok().and_then(|size| usize::try_from(size).ok()).unwrap_or_default();
        let Some(next) = size.checked_next_multiple_of(BLOCK).and_then(|size| size.checked_add(at + BLOCK)) else {
            return;
        };
        at = next;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::time::{Duration, Instant};

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    type Read = fn(&[u8]);

    /// A kind of input, the folder of its corpus, and what reads it.
    const KINDS: [(&str, Read); 5] = [
        ("cache", shared_cache),
        ("dockerfile", dockerfile),
        ("expansion", expansion),
        ("ignore", ignore_patterns),
        ("tar", tar_archive),
    ];

    /// All inputs that are kept, by kind.
    static CORPUS: LazyLock<BTreeMap<&str, Vec<Vec<u8>>>> = LazyLock::new(|| {
        let inputs = |kind| {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/fuzz").join(kind);
            let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            files.map(|path| fs::read(path).unwrap()).collect()
        };
        KINDS.iter().map(|(kind, _)| (*kind, inputs(kind))).collect()
    });

    #[test]
    fn the_corpus_is_read() {
        for (kind, read) in KINDS {
            let inputs = &CORPUS[kind];
            assert!(inputs.len() >= 4, "{kind}: {}", inputs.len());
            for input in inputs {
                let began = Instant::now();
                read(input);
                assert!(began.elapsed() < Duration::from_secs(5), "{kind}: {:?}", String::from_utf8_lossy(input));
            }
        }
    }

    /// An input of the corpus with some bytes changed, taken out, doubled, or cut off.
    fn changed(kind: &str, picked: usize, changes: &[(u32, u8, u8)]) -> Vec<u8> {
        let inputs = &CORPUS[kind];
        let mut bytes = inputs[picked % inputs.len()].clone();
        for (at, how, byte) in changes {
            let at = *at as usize % bytes.len().max(1);
            match how % 6 {
                _ if bytes.is_empty() => bytes.push(*byte),
                0 => bytes[at] = *byte,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, *byte),
                3 => bytes.truncate(at),
                4 => bytes[at] ^= 1 << (byte % 8),
                _ => bytes.extend_from_within(at..),
            }
            bytes.truncate(1 << 16);
        }
        bytes
    }

    fn changes() -> impl Strategy<Value = Vec<(u32, u8, u8)>> {
        vec(
            (any::<u32>(), any::<u8>(), prop_oneof![any::<u8>(), Just(b'\\'), Just(b'$'), Just(b'\n'), Just(b'/')]),
            0..12,
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn what_is_near_the_corpus_is_read(picked in any::<prop::sample::Index>(), changes in changes()) {
            for (kind, read) in KINDS {
                read(&changed(kind, picked.index(1000), &changes));
            }
        }

        #[test]
        fn any_bytes_are_read(bytes in vec(any::<u8>(), 0..300)) {
            for (_, read) in KINDS {
                read(&bytes);
            }
        }

        #[test]
        fn any_word_is_expanded(word in "([$`\\\\'\"{}/:#%?+*=-]|[XEPSLU]|\\$\\{[XEPU](:?[-+?]|##?|%%?|//?)|[ -~\n\u{a0}\u{e9}]){0,30}") {
            expansion(word.as_bytes());
        }
    }
}
