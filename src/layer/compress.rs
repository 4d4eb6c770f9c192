//! Compression of layer tars. The bytes depend on the input and the level, never on the number of threads.

use std::collections::VecDeque;
use std::io::{self, Write};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use flate2::{Compress, Crc, FlushCompress, Status};

use crate::image::Compression;

/// Level of gzip unless asked otherwise.
pub const DEFAULT_GZIP_LEVEL: i32 = 6;
/// Level of zstd unless asked otherwise: that of the `zstd` program.
const DEFAULT_ZSTD_LEVEL: i32 = 3;

/// Input bytes of one gzip block.
const BLOCK: usize = 1 << 20;
/// How far back deflate looks (RFC 1951, section 2).
const WINDOW: usize = 32 << 10;

/// Fixed gzip header (RFC 1952, section 2.3): deflate, no flags, no time, unknown system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Takes plain bytes, writes compressed ones. [`Compressor::finish`] must be called.
pub struct Compressor<'a>(Format<'a>);

enum Format<'a> {
    Plain(&'a mut dyn Write),
    Gzip(Box<Gzip<'a>>),
    Zstd(Box<zstd::Encoder<'static, &'a mut dyn Write>>),
}

impl<'a> Compressor<'a> {
    /// Compresses into `out` at `level`, or the format's default, on up to `threads` threads.
    pub fn new(
        out: &'a mut dyn Write,
        compression: Compression,
        level: Option<i32>,
        threads: usize,
    ) -> io::Result<Self> {
        Ok(Self(match compression {
            Compression::Uncompressed => Format::Plain(out),
            Compression::Gzip => {
                let level = u32::try_from(level.unwrap_or(DEFAULT_GZIP_LEVEL)).unwrap_or_default().min(9);
                Format::Gzip(Box::new(Gzip::new(out, level, threads)))
            }
            Compression::Zstd => Format::Zstd(Box::new(zstd::Encoder::new(out, level.unwrap_or(DEFAULT_ZSTD_LEVEL))?)),
        }))
    }

    /// Writes what is left.
    pub fn finish(self) -> io::Result<()> {
        match self.0 {
            Format::Plain(out) => out.flush(),
            Format::Gzip(gzip) => gzip.finish(),
            Format::Zstd(encoder) => encoder.finish().map(drop),
        }
    }
}

impl Write for Compressor<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Format::Plain(out) => out.write(bytes),
            Format::Gzip(gzip) => gzip.write(bytes),
            Format::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One block on its way to a worker.
struct Task {
    block: Vec<u8>,
    /// The bytes before the block, which its matches may reach back to.
    before: Vec<u8>,
    last: bool,
    done: Sender<io::Result<Vec<u8>>>,
}

/// Gzip in blocks of a fixed size, each of which knows the window before it: they can be compressed apart, and joined
/// they are one ordinary gzip member.
struct Gzip<'a> {
    out: &'a mut dyn Write,
    level: u32,
    threads: usize,
    workers: Option<Sender<Task>>,
    pending: VecDeque<Receiver<io::Result<Vec<u8>>>>,
    block: Vec<u8>,
    before: Vec<u8>,
    crc: Crc,
    begun: bool,
}

impl<'a> Gzip<'a> {
    fn new(out: &'a mut dyn Write, level: u32, threads: usize) -> Self {
        Self {
            out,
            level,
            threads: threads.max(1),
            workers: None,
            pending: VecDeque::new(),
            block: Vec::new(),
            before: Vec::new(),
            crc: Crc::new(),
            begun: false,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK {
            self.submit(false)?;
        }
        let count = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..count]);
        self.crc.update(&bytes[..count]);
        Ok(count)
    }

    /// Sends the block to a worker; a layer of one block is compressed here, without any thread.
    fn submit(&mut self, last: bool) -> io::Result<()> {
        let block = std::mem::take(&mut self.block);
        let before = std::mem::replace(&mut self.before, block[block.len().saturating_sub(WINDOW)..].to_vec());
        if last && self.workers.is_none() {
            let compressed = deflate(&mut new_deflate(self.level), &block, &before, true)?;
            return self.put(&compressed);
        }
        let (level, threads) = (self.level, self.threads);
        let workers = self.workers.get_or_insert_with(|| spawn(level, threads));
        let (done, result) = bounded(1);
        let ended = |_| io::Error::other("the compressing threads have ended");
        workers.send(Task { block, before, last, done }).map_err(ended)?;
        self.pending.push_back(result);
        self.block.reserve(BLOCK);
        while self.pending.len() > 2 * self.threads {
            self.take_one()?;
        }
        Ok(())
    }

    fn take_one(&mut self) -> io::Result<()> {
        if let Some(result) = self.pending.pop_front() {
            let compressed = result.recv().map_err(|_| io::Error::other("a compressing thread has ended"))??;
            self.put(&compressed)?;
        }
        Ok(())
    }

    fn put(&mut self, compressed: &[u8]) -> io::Result<()> {
        if !self.begun {
            self.out.write_all(&GZIP_HEADER)?;
            self.begun = true;
        }
        self.out.write_all(compressed)
    }

    fn finish(mut self) -> io::Result<()> {
        self.submit(true)?;
        while !self.pending.is_empty() {
            self.take_one()?;
        }
        self.out.write_all(&self.crc.sum().to_le_bytes())?;
        self.out.write_all(&self.crc.amount().to_le_bytes())?;
        self.out.flush()
    }
}

/// Workers that end when the last sender is gone.
fn spawn(level: u32, threads: usize) -> Sender<Task> {
    let (send, receive) = unbounded::<Task>();
    for _ in 0..threads {
        let tasks = receive.clone();
        std::thread::spawn(move || {
            let mut compress = new_deflate(level);
            for task in tasks {
                let result = deflate(&mut compress, &task.block, &task.before, task.last);
                // Nobody listens after an error elsewhere.
                let _unheard = task.done.send(result);
            }
        });
    }
    send
}

fn new_deflate(level: u32) -> Compress {
    Compress::new(flate2::Compression::new(level), false)
}

/// One block as raw deflate that ends on a byte boundary.
fn deflate(compress: &mut Compress, block: &[u8], before: &[u8], last: bool) -> io::Result<Vec<u8>> {
    compress.reset();
    if !before.is_empty() {
        compress.set_dictionary(before).map_err(io::Error::other)?;
    }
    let mut out = Vec::with_capacity(block.len() / 2 + 1024);
    let flush = if last { FlushCompress::Finish } else { FlushCompress::Sync };
    loop {
        let consumed = usize::try_from(compress.total_in()).unwrap_or(usize::MAX).min(block.len());
        let status = compress.compress_vec(&block[consumed..], &mut out, flush).map_err(io::Error::other)?;
        let all_in = compress.total_in() >= block.len() as u64;
        // Room left over means that the flush is complete.
        if status == Status::StreamEnd || (!last && all_in && out.len() < out.capacity()) {
            return Ok(out);
        }
        out.reserve(64 << 10);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn compressed(bytes: &[u8], compression: Compression, threads: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut compressor = Compressor::new(&mut out, compression, None, threads).unwrap();
        compressor.write_all(bytes).unwrap();
        compressor.finish().unwrap();
        out
    }

    /// Text-like bytes that do not repeat exactly.
    fn sample(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let words: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b"etaoin shrdlu"[(state >> 24) as usize % 13]
        })
        .take(length)
        .collect();
        words
    }

    #[test]
    fn gzip_is_read_back_and_does_not_depend_on_threads() {
        for length in [0, 1, 1000, BLOCK, BLOCK + 1, 3 * BLOCK + 77] {
            let bytes = sample(length);
            let one = compressed(&bytes, Compression::Gzip, 1);
            assert_eq!(one, compressed(&bytes, Compression::Gzip, 4), "{length}");
            let mut back = Vec::new();
            flate2::read::GzDecoder::new(&one[..]).read_to_end(&mut back).unwrap();
            assert!(back == bytes, "{length}");
        }
    }

    #[test]
    fn zstd_and_plain_are_read_back() {
        let bytes = sample(100_000);
        assert_eq!(compressed(&bytes, Compression::Uncompressed, 1), bytes);
        assert_eq!(zstd::decode_all(&compressed(&bytes, Compression::Zstd, 2)[..]).unwrap(), bytes);
    }
}
