//! An ssh agent for steps: it lists identities and signs with them, and refuses everything else.
//!
//! The keys are those of another agent, which is asked for each signature, or of files, which are read once. What a step says
//! is taken apart and put together anew: nothing but these two requests reaches another agent, so no step can add, remove or
//! lock keys (SSH-1). The protocol is that of draft-ietf-sshm-ssh-agent.

mod file;
mod key;
mod wire;

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use key::Key;
use wire::{Reader, read_frame, write_frame, write_string};

/// `SSH_AGENT_FAILURE`
const FAILURE: u8 = 5;
/// `SSH_AGENTC_REQUEST_IDENTITIES`
const LIST: u8 = 11;
/// `SSH_AGENT_IDENTITIES_ANSWER`
const IDENTITIES: u8 = 12;
/// `SSH_AGENTC_SIGN_REQUEST`
const SIGN: u8 = 13;
/// `SSH_AGENT_SIGN_RESPONSE`
const SIGNATURE: u8 = 14;

/// Why there is no agent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key or a socket cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no key that can sign.
    #[error("{}: {why}", path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
        /// The way out.
        help: &'static str,
    },
    /// A socket beside keys, or several sockets.
    #[error("only a single socket is possible, and no key beside it")]
    Mixed,
}

/// Lists and signs.
pub enum Agent {
    /// With the keys of the agent that listens here.
    Forward(PathBuf),
    /// With these.
    Keys(Vec<HeldKey>),
}

/// A key that was read from a file.
pub struct HeldKey(Key);

/// Says nothing about keys.
impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Forward(path) => f.debug_tuple("Forward").field(path).finish(),
            Self::Keys(keys) => f.debug_tuple("Keys").field(&keys.len()).finish(),
        }
    }
}

impl Agent {
    /// The agent that listens at the one path, or one that has the keys of all the files (SSH-1).
    pub fn open(paths: &[PathBuf]) -> Result<Self, Error> {
        let is_socket = |path: &PathBuf| {
            let failed = |source| Error::Read { path: path.clone(), source };
            path.metadata().map(|found| found.file_type().is_socket()).map_err(failed)
        };
        let sockets = paths.iter().map(is_socket).collect::<Result<Vec<_>, _>>()?;
        match (sockets.contains(&true), paths) {
            (true, [only]) => Ok(Self::Forward(only.clone())),
            (true, _) => Err(Error::Mixed),
            (false, _) => paths.iter().map(|path| HeldKey::read(path)).collect::<Result<_, _>>().map(Self::Keys),
        }
    }

    /// Answers a client until it has no more requests, or says something that is none.
    pub fn serve(&self, mut client: UnixStream) -> io::Result<()> {
        let mut other = None;
        while let Some(request) = read_frame(&mut client)? {
            let answer = self.answer(&request, &mut other).unwrap_or_else(|| vec![FAILURE]);
            write_frame(&mut client, &answer)?;
        }
        Ok(())
    }

    /// `other` is the connection to another agent, once there is one. `None` is a refusal.
    fn answer(&self, request: &[u8], other: &mut Option<UnixStream>) -> Option<Vec<u8>> {
        let asked = Request::read(request)?;
        match self {
            Self::Forward(path) => {
                let answer = forward(path, request, other);
                if answer.is_err() {
                    // A new request may find an agent that was started again.
                    *other = None;
                }
                answer.ok()
            }
            Self::Keys(keys) => match asked {
                Request::List => Some(list(keys)),
                Request::Sign { blob, data, flags } => {
                    let key = keys.iter().find(|key| key.0.blob() == blob)?;
                    let mut answer = vec![SIGNATURE];
                    write_string(&mut answer, &key.0.sign(data, flags)?);
                    Some(answer)
                }
            },
        }
    }
}

/// What may be asked for.
enum Request<'a> {
    List,
    Sign { blob: &'a [u8], data: &'a [u8], flags: u32 },
}

impl<'a> Request<'a> {
    /// `None` where it is anything else, or anything follows.
    fn read(request: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(request);
        let asked = match reader.byte()? {
            LIST => Self::List,
            SIGN => Self::Sign { blob: reader.string()?, data: reader.string()?, flags: reader.number()? },
            _ => return None,
        };
        reader.is_at_end().then_some(asked)
    }
}

fn forward(path: &Path, request: &[u8], other: &mut Option<UnixStream>) -> io::Result<Vec<u8>> {
    let agent = match other {
        Some(agent) => agent,
        None => other.insert(UnixStream::connect(path)?),
    };
    write_frame(agent, request)?;
    read_frame(agent)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn list(keys: &[HeldKey]) -> Vec<u8> {
    let mut answer = vec![IDENTITIES];
    answer.extend(u32::try_from(keys.len()).unwrap_or_default().to_be_bytes());
    for key in keys {
        write_string(&mut answer, key.0.blob());
        write_string(&mut answer, key.0.comment.as_bytes());
    }
    answer
}

impl HeldKey {
    fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let key = file::parse(&text).map_err(|wrong| Error::Key {
            path: path.to_owned(),
            why: wrong.as_str(),
            help: wrong.help(),
        })?;
        Ok(Self(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent() -> Agent {
        Agent::Keys(vec![HeldKey(file::parse(file::tests::ed25519("none").as_bytes()).unwrap())])
    }

    fn sign_request(blob: &[u8], data: &[u8]) -> Vec<u8> {
        let mut request = vec![SIGN];
        write_string(&mut request, blob);
        write_string(&mut request, data);
        request.extend(0_u32.to_be_bytes());
        request
    }

    #[test]
    fn ssh_1_listing_and_signing_is_all_that_is_answered() {
        let agent = agent();
        let Agent::Keys(keys) = &agent else { panic!("{agent:?}") };
        let blob = keys[0].0.blob().to_vec();
        for (row, request, want) in [
            ("list", vec![LIST], IDENTITIES),
            ("sign", sign_request(&blob, b"data"), SIGNATURE),
            ("sign with another's key", sign_request(b"x", b"data"), FAILURE),
            ("add", vec![17, 0, 0, 0, 0], FAILURE),
            ("remove", vec![18, 0, 0, 0, 0], FAILURE),
            ("remove all", vec![19], FAILURE),
            ("lock", vec![22, 0, 0, 0, 1, b'x'], FAILURE),
            ("add with constraints", vec![25], FAILURE),
            ("extension", vec![27, 0, 0, 0, 1, b'x'], FAILURE),
            ("list and more", vec![LIST, 17], FAILURE),
            ("cut off", sign_request(&blob, b"data")[..9].to_vec(), FAILURE),
            ("nothing", vec![], FAILURE),
        ] {
            let answer = agent.answer(&request, &mut None).unwrap_or_else(|| vec![FAILURE]);
            assert_eq!(answer[0], want, "{row}");
        }
    }

    #[test]
    fn ssh_1_a_frame_that_is_too_large_ends_the_conversation() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let server = std::thread::spawn(move || agent().serve(theirs));
        io::Write::write_all(&mut ours, &u32::MAX.to_be_bytes()).unwrap();
        assert!(server.join().unwrap().is_err());
    }

    #[test]
    fn ssh_1_keys_are_not_shown() {
        assert_eq!(format!("{:?}", agent()), "Keys(1)");
    }
}
