use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tempfile::TempDir;

use crate::sandbox::Service;
use crate::ssh;

use super::source::usage;
use super::{BuildError, SshAgent};

/// The agent that git takes, too.
const DEFAULT: &str = "default";

/// The ssh agents of a build, by id.
pub(super) struct Agents {
    known: BTreeMap<String, Arc<Answering>>,
    socket: OnceLock<Socket>,
}

/// Where programs of this machine find the agent.
enum Socket {
    /// Another agent's own.
    Other(PathBuf),
    /// In a directory that nobody else may enter.
    Own(TempDir),
}

/// An agent, behind the sockets of steps.
#[derive(Debug)]
struct Answering(ssh::Agent);

impl Agents {
    /// Keys are read now: a file that is missing is found before anything runs.
    pub(super) fn open(agents: &[SshAgent]) -> Result<Self, BuildError> {
        let known = agents.iter().map(|agent| Ok((agent.id.clone(), Answering::open(agent)?)));
        Ok(Self { known: known.collect::<Result<_, BuildError>>()?, socket: OnceLock::new() })
    }

    /// The agent of a step.
    pub(super) fn service(&self, id: &str) -> Option<Arc<dyn Service>> {
        let agent = self.known.get(id)?;
        Some(Arc::<Answering>::clone(agent))
    }

    /// The socket of the agent `default` for programs of this machine; `None` where there is no such agent.
    pub(super) fn socket(&self) -> io::Result<Option<PathBuf>> {
        let Some(agent) = self.known.get(DEFAULT) else { return Ok(None) };
        let socket = match self.socket.get() {
            Some(socket) => socket,
            None => {
                let new = match &agent.0 {
                    ssh::Agent::Forward(path) => Socket::Other(path.clone()),
                    ssh::Agent::Keys(_) => Socket::Own(listen(agent)?),
                };
                self.socket.get_or_init(|| new)
            }
        };
        Ok(Some(match socket {
            Socket::Other(path) => path.clone(),
            Socket::Own(dir) => path_in(dir.path()),
        }))
    }
}

fn path_in(dir: &Path) -> PathBuf {
    dir.join("agent")
}

/// Lets the agent answer at a new socket until kiln ends. Not in the store, whose path may be too long for one.
fn listen(agent: &Arc<Answering>) -> io::Result<TempDir> {
    let dir = tempfile::Builder::new().prefix("kiln-").tempdir()?;
    let listener = UnixListener::bind(path_in(dir.path()))?;
    let agent = Arc::clone(agent);
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let agent = Arc::clone(&agent);
            std::thread::spawn(move || agent.serve(client));
        }
    });
    Ok(dir)
}

impl Answering {
    fn open(agent: &SshAgent) -> Result<Arc<Self>, BuildError> {
        let opened = ssh::Agent::open(&agent.paths).map_err(|error| {
            let help = match &error {
                ssh::Error::Key { help, .. } => Some((*help).to_owned()),
                ssh::Error::Read { .. } | ssh::Error::Mixed => None,
            };
            usage(format!("ssh agent `{}`: {error}", agent.id), help)
        });
        Ok(Arc::new(Self(opened?)))
    }
}

impl Service for Answering {
    fn serve(&self, client: UnixStream) {
        // A client that breaks off is its own affair.
        let _broken_off = self.0.serve(client);
    }
}
