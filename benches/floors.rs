//! Floors that are no programs of the machine: this program does them when it is started with `--floor`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;

use kiln::image::Compression;
use kiln::layer::Compressor;

/// The command that does floor `name`.
pub(crate) fn command(name: &str, words: &[&Path]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("--floor").arg(name).args(words);
    command
}

/// Does the floor that the rest of the command line names.
pub(crate) fn run(mut words: impl Iterator<Item = OsString>) -> ExitCode {
    let name = words.next().unwrap_or_default();
    let paths: Vec<PathBuf> = words.map(PathBuf::from).collect();
    match (name.to_str(), paths.as_slice()) {
        (Some("stat"), [dir]) => drop(walk(dir, false)),
        (Some("read"), [dir]) => drop(walk(dir, true)),
        (Some("stat-and-copy"), [dir, from, to]) => {
            walk(dir, false);
            fs::copy(from, to).unwrap();
        }
        (Some("compress"), [from, to]) => compress(from, to).unwrap(),
        _ => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

/// Looks at everything below `dir` on all cores, and reads the files if asked.
fn walk(dir: &Path, read: bool) -> u64 {
    let threads = std::thread::available_parallelism().unwrap().get();
    let queue = Mutex::new((vec![dir.to_owned()], 0_usize));
    let work = || {
        let mut buffer = vec![0; 256 << 10];
        let mut bytes = 0;
        loop {
            let mut held = queue.lock().unwrap();
            let Some(next) = held.0.pop() else {
                if held.1 == 0 {
                    return bytes;
                }
                drop(held);
                std::thread::yield_now();
                continue;
            };
            held.1 += 1;
            drop(held);
            let mut below = Vec::new();
            for entry in fs::read_dir(&next).unwrap() {
                let entry = entry.unwrap();
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    below.push(entry.path());
                } else {
                    bytes += entry.metadata().unwrap().len();
                    if read && kind.is_file() {
                        let mut file = File::open(entry.path()).unwrap();
                        while file.read(&mut buffer).unwrap() > 0 {}
                    }
                }
            }
            let mut held = queue.lock().unwrap();
            held.0.append(&mut below);
            held.1 -= 1;
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    })
}

/// What the compressor alone takes, on all cores.
fn compress(from: &Path, to: &Path) -> io::Result<()> {
    let threads = std::thread::available_parallelism()?.get();
    let (mut from, mut to) = (File::open(from)?, File::create(to)?);
    let mut compressor = Compressor::new(&mut to, Compression::Gzip, None, threads)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return compressor.finish();
        }
        compressor.write_all(&buffer[..count])?;
    }
}
