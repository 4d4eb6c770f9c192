use std::io::{self, Read};
use std::sync::Arc;

/// The bytes of a blob that is sent.
pub trait Content: Send + Sync {
    /// Opens the bytes from `start` on.
    fn open(&self, start: u64) -> io::Result<Box<dyn Read + Send>>;
}

/// Small blobs are sent out of memory.
impl Content for Vec<u8> {
    fn open(&self, start: u64) -> io::Result<Box<dyn Read + Send>> {
        let start = usize::try_from(start).unwrap_or(usize::MAX).min(self.len());
        Ok(Box::new(io::Cursor::new(self[start..].to_vec())))
    }
}

/// Takes the number of bytes that have been sent so far: after a failure it may be less than before.
pub type Told = Arc<dyn Fn(u64) + Send + Sync>;

/// Tells of the bytes as they are read.
pub struct Counted {
    reader: Box<dyn Read + Send>,
    done: u64,
    told: Told,
}

impl Counted {
    /// What comes out of `reader` is told to `told`.
    pub fn new(reader: Box<dyn Read + Send>, told: &Told) -> Self {
        Self { reader, done: 0, told: Arc::clone(told) }
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.done += count as u64;
        (self.told)(self.done);
        Ok(count)
    }
}
