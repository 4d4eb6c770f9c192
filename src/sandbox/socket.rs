//! Sockets in a step's root, behind which kiln answers.
//!
//! They are made where the step can see them, on the sandbox's thread. Who connects is served by threads that have never
//! entered the sandbox: a path that they open is one of the machine, whatever the step has at that path.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

/// Clients of a step at once; more are turned away, since each costs threads and descriptors of kiln's.
const MAX_CLIENTS: usize = 64;

/// Answers what a step says to a socket.
pub trait Service: Send + Sync + Debug {
    /// Talks to one client until it has gone. Runs on a thread of its own, which may outlive the step.
    fn serve(&self, client: UnixStream);
}

/// A socket that a step can connect to.
pub(super) struct Listening {
    pub(super) socket: UnixListener,
    pub(super) service: Arc<dyn Service>,
}

/// Makes a socket in `directory`, with these permission bits and this owner. To be called on a thread with a working
/// directory of its own.
pub(super) fn bind(directory: impl AsFd, name: &str, mode: u32, owner: (u32, u32)) -> io::Result<UnixListener> {
    // A name alone: the path of a socket has 108 bytes.
    let before = rustix::fs::openat(CWD, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    rustix::process::fchdir(&directory)?;
    let socket = UnixListener::bind(name);
    rustix::process::fchdir(before)?;
    let socket = socket?;
    let (uid, gid) = (Uid::from_raw(owner.0), Gid::from_raw(owner.1));
    match rustix::fs::chownat(&directory, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW) {
        // With one id there is one owner, and a socket can hold no claim.
        Err(Errno::INVAL) => {}
        result => result?,
    }
    rustix::fs::chmodat(&directory, name, Mode::from_raw_mode(mode), AtFlags::empty())?;
    Ok(socket)
}

/// Who is connected, by the number of the descriptor.
type Clients = Arc<Mutex<BTreeMap<RawFd, UnixStream>>>;

/// Serves all sockets that arrive, until no more can come: then the step is over, and whoever is still connected is cut off.
pub(super) fn serve_all(sockets: &Receiver<Listening>) {
    let clients = Clients::default();
    thread::scope(|scope| {
        let mut doors = Vec::new();
        for Listening { socket, service } in sockets {
            let Ok(door) = socket.try_clone() else { continue };
            let (serving, clients) = (thread::Builder::new().name("socket".to_owned()), &clients);
            if serving.spawn_scoped(scope, move || serve(&socket, &service, clients)).is_ok() {
                doors.push(door);
            }
        }
        for door in doors {
            // Whoever waits for clients wakes up with an error.
            let _gone = rustix::net::shutdown(&door, rustix::net::Shutdown::Both);
        }
    });
    for client in clients.lock().unwrap_or_else(PoisonError::into_inner).values() {
        let _gone = client.shutdown(Shutdown::Both);
    }
}

fn serve(socket: &UnixListener, service: &Arc<dyn Service>, clients: &Clients) {
    loop {
        let client = match socket.accept() {
            Ok((client, _)) => client,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let Ok(other) = client.try_clone() else { continue };
        // Of open files no two have the same.
        let number = other.as_raw_fd();
        {
            let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
            if clients.len() >= MAX_CLIENTS {
                continue;
            }
            clients.insert(number, other);
        }
        let (service, leaving) = (Arc::clone(service), Arc::clone(clients));
        let leave = move || leaving.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        // Not waited for: it may be held up by what it asks.
        let spawned = thread::Builder::new().name("client".to_owned()).spawn(move || {
            service.serve(client);
            leave()
        });
        if spawned.is_err() {
            clients.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        }
    }
}
