//! Limits of a step's processes (getrlimit(2)), and of its time.

use std::fmt;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Names of limits as `--ulimit` has them.
const NAMES: [(&str, Resource); 15] = [
    ("core", Resource::Core),
    ("cpu", Resource::Cpu),
    ("data", Resource::Data),
    ("fsize", Resource::Fsize),
    ("locks", Resource::Locks),
    ("memlock", Resource::Memlock),
    ("msgqueue", Resource::Msgqueue),
    ("nice", Resource::Nice),
    ("nofile", Resource::Nofile),
    ("nproc", Resource::Nproc),
    ("rss", Resource::Rss),
    ("rtprio", Resource::Rtprio),
    ("rttime", Resource::Rttime),
    ("sigpending", Resource::Sigpending),
    ("stack", Resource::Stack),
];

/// What holds a step back.
#[derive(Clone, Default, Debug)]
pub struct Limits {
    /// Of each of its processes; of two with one name the last counts.
    pub ulimits: Vec<Ulimit>,
    /// From its start to its end.
    pub timeout: Option<Duration>,
}

/// One limit of processes. `None` is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ulimit {
    name: &'static str,
    resource: Resource,
    soft: Option<u64>,
    hard: Option<u64>,
}

impl Ulimit {
    /// The names that there are.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().map(|(name, _)| name)
    }

    /// The limit of that name; `None` where there is none. `soft` is not above `hard`.
    pub fn new(name: &str, soft: Option<u64>, hard: Option<u64>) -> Option<Self> {
        let (name, resource) = NAMES.into_iter().find(|(known, _)| *known == name)?;
        Some(Self { name, resource, soft, hard })
    }

    /// Sets it for this process. Between clone and exec: nothing here allocates.
    fn set(&self) -> Result<(), Errno> {
        setrlimit(self.resource, Rlimit { current: self.soft, maximum: self.hard })
    }

    /// Whether it is above what kiln itself has; the hard limit that kiln has, if so.
    fn exceeds(&self) -> Option<u64> {
        let have = getrlimit(self.resource).maximum?;
        self.hard.is_none_or(|wanted| wanted > have).then_some(have)
    }
}

impl Limits {
    /// Sets what counts for a single process, for this one. Between clone and exec: nothing here allocates.
    pub(super) fn apply(&self) -> Result<(), Errno> {
        // A core file would end in the layer, with all that the program had in memory. The hard limit stays: who wants
        // one asks for it with `ulimit -c` or `--ulimit core=-1`.
        setrlimit(Resource::Core, Rlimit { current: Some(0), ..getrlimit(Resource::Core) })?;
        self.ulimits.iter().try_for_each(Ulimit::set)
    }

    /// Which limit cannot be had, and what can, after [`Limits::apply`] has failed.
    pub(super) fn refused(&self) -> Option<(Ulimit, u64)> {
        self.ulimits.iter().find_map(|limit| Some((*limit, limit.exceeds()?)))
    }
}

/// As `--ulimit` takes it, in full.
impl fmt::Display for Ulimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |limit: Option<u64>| limit.map_or_else(|| "-1".to_owned(), |limit| limit.to_string());
        write!(f, "{}={}:{}", self.name, number(self.soft), number(self.hard))
    }
}
