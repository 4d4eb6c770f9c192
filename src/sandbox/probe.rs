//! Which rungs this machine gives, found out by trying.

use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::thread;

use super::{Isolation, Standing, chroot, namespaces, standing, sys};

/// What the machine allows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probe {
    /// The strongest rung that works.
    pub isolation: Isolation,
    /// Each stronger one, and why it does not work, in one line.
    pub refused: Vec<(Isolation, String)>,
}

/// The strongest rung that this machine gives. Tried once for each process of kiln.
///
/// An overlay is tried in memory; whether a given directory can hold its upper is for [`can_overlay_in`].
pub fn probe() -> Probe {
    static PROBE: OnceLock<Probe> = OnceLock::new();
    PROBE.get_or_init(try_all).clone()
}

/// Whether the file system of `directory`, which is kiln's own, can hold the upper of an overlay; why not, if not. It
/// cannot where it is an overlay itself, or on a network. Then a step needs [`super::Root::Directory`] on any rung.
pub fn can_overlay_in(isolation: Isolation, directory: &Path) -> io::Result<()> {
    let room = tempfile::tempdir_in(directory)?;
    for name in ["upper", "work"] {
        std::fs::create_dir(room.path().join(name))?;
    }
    apart(|| namespaces::try_out(Some(room.path()), isolation != Isolation::Root))
}

fn try_all() -> Probe {
    let mut refused = Vec::new();
    for isolation in Isolation::ALL {
        let why = match isolation {
            Isolation::Root => root(),
            Isolation::Rootless | Isolation::SingleId => user_namespace(isolation),
            Isolation::Chroot => apart(chroot::try_out).map_err(|error| format!("cannot change the root: {error}")),
            Isolation::Files => Ok(()),
        };
        match why {
            Ok(()) => return Probe { isolation, refused },
            Err(why) => refused.push((isolation, why)),
        }
    }
    Probe { isolation: Isolation::Files, refused }
}

fn root() -> Result<(), String> {
    match Standing::current() {
        Standing::Admin => {}
        Standing::Root => return Err("root has no CAP_SYS_ADMIN here".to_owned()),
        Standing::ManyIds | Standing::OneId | Standing::User => return Err("kiln does not run as root".to_owned()),
    }
    apart(|| namespaces::try_out(None, false))
        .map_err(|error| format!("cannot mount in a namespace of its own: {error}"))
}

/// Whether the user namespace that [`super::enter`] has made is good for `isolation`.
fn user_namespace(isolation: Isolation) -> Result<(), String> {
    if let Some(why) = standing::refusal(isolation) {
        return Err(why);
    }
    apart(|| namespaces::try_out(None, true)).map_err(|error| format!("cannot mount in a user namespace: {error}"))
}

/// Runs something on a thread of its own, whose namespaces and root directory end with it.
fn apart(attempt: impl FnOnce() -> io::Result<()> + Send) -> io::Result<()> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, || {
            sys::block_signals();
            attempt()
        })?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_is_not_refused_and_all_stronger_are() {
        let probe = probe();
        let refused: Vec<_> = probe.refused.iter().map(|(isolation, _)| *isolation).collect();
        let stronger: Vec<_> = Isolation::ALL.into_iter().take_while(|rung| *rung != probe.isolation).collect();
        assert_eq!(refused, stronger);
    }
}
