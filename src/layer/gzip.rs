//! Gzip on several threads.

use std::collections::VecDeque;
use std::io::{self, Write};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::deflate::Deflate;

/// Input bytes of one member.
pub(super) const BLOCK: usize = 1 << 20;

/// One block on its way to a worker.
struct Task {
    block: Vec<u8>,
    done: Sender<io::Result<Vec<u8>>>,
}

/// Gzip as one member for each block of a fixed size. Every reader of gzip reads members one after the other
/// (RFC 1952, section 2.2), and they are made apart, on as many threads as there are.
pub(super) struct Gzip<'a> {
    out: &'a mut dyn Write,
    level: u32,
    threads: usize,
    workers: Option<Sender<Task>>,
    pending: VecDeque<Receiver<io::Result<Vec<u8>>>>,
    block: Vec<u8>,
    begun: bool,
}

impl<'a> Gzip<'a> {
    pub(super) fn new(out: &'a mut dyn Write, level: u32, threads: usize) -> Self {
        let (pending, block) = (VecDeque::new(), Vec::new());
        Self { out, level, threads: threads.max(1), workers: None, pending, block, begun: false }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK {
            self.submit()?;
        }
        let count = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// Sends the block to a worker.
    fn submit(&mut self) -> io::Result<()> {
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        let (level, threads) = (self.level, self.threads);
        let workers = self.workers.get_or_insert_with(|| spawn(level, threads));
        let (done, result) = bounded(1);
        let ended = |_| io::Error::other("the compressing threads have ended");
        workers.send(Task { block, done }).map_err(ended)?;
        self.pending.push_back(result);
        self.begun = true;
        while self.pending.len() > 2 * self.threads {
            self.take_one()?;
        }
        Ok(())
    }

    fn take_one(&mut self) -> io::Result<()> {
        if let Some(result) = self.pending.pop_front() {
            let member = result.recv().map_err(|_| io::Error::other("a compressing thread has ended"))??;
            self.out.write_all(&member)?;
        }
        Ok(())
    }

    /// Writes what is left. A layer of one block is compressed here, without any thread.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if !self.begun {
            let member = Deflate::new(self.level).member(&self.block)?;
            self.out.write_all(&member)?;
        } else if !self.block.is_empty() {
            self.submit()?;
        }
        while !self.pending.is_empty() {
            self.take_one()?;
        }
        self.out.flush()
    }
}

/// Workers that end when the last sender is gone.
fn spawn(level: u32, threads: usize) -> Sender<Task> {
    let (send, receive) = unbounded::<Task>();
    for _ in 0..threads {
        let tasks = receive.clone();
        std::thread::spawn(move || {
            let mut deflate = Deflate::new(level);
            for task in tasks {
                // Nobody listens after an error elsewhere.
                let _unheard = task.done.send(deflate.member(&task.block));
            }
        });
    }
    send
}
