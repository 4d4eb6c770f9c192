use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A line to a server on this machine that counts bytes, and may be a bad one.
pub(crate) struct Wire {
    /// `localhost:PORT`
    pub(crate) address: String,
    sent: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
}

impl Wire {
    /// A good line.
    pub(crate) fn tap(server: &str) -> Self {
        Self::cutting(server, u64::MAX)
    }

    /// A line on which each connection breaks after so many bytes in either direction.
    pub(crate) fn cutting(server: &str, after: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("localhost:{}", listener.local_addr().unwrap().port());
        let server = server.replace("localhost", "127.0.0.1");
        let (sent, received) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let counters = (Arc::clone(&sent), Arc::clone(&received));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(upstream) = TcpStream::connect(&server) else { return };
                let there = (client.try_clone().unwrap(), upstream.try_clone().unwrap(), Arc::clone(&counters.0));
                let back = (upstream, client, Arc::clone(&counters.1));
                for (from, to, counter) in [there, back] {
                    std::thread::spawn(move || pass_on(from, to, &counter, after));
                }
            }
        });
        Self { address, sent, received }
    }

    /// Bytes to the server.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Bytes from the server.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, counter: &AtomicU64, mut left: u64) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count) = from.read(&mut buffer) {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(count);
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
        counter.fetch_add(count as u64, Ordering::Relaxed);
        left -= count as u64;
        // What was read beyond that is lost: nobody must wait for it.
        if left == 0 {
            break;
        }
    }
    let _closed = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
