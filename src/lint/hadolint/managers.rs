//! How each package manager is told what to install, and in which version.

/// How packages are named to one manager.
pub(super) struct Manager {
    pub(super) code: &'static str,
    pub(super) programs: &'static [&'static str],
    pub(super) verbs: &'static [&'static str],
    /// Flags whose value is the next word.
    pub(super) with_value: &'static [&'static str],
    /// Whether a word says which version is meant.
    pub(super) is_pinned: fn(&str) -> bool,
}

pub(super) const MANAGERS: [Manager; 9] = [
    Manager {
        code: "DL3008",
        programs: &["apt-get"],
        verbs: &["install"],
        with_value: &["-t", "--target-release", "--default-release", "-o", "--option", "-c", "--config-file", "-a"],
        is_pinned: |word| word.contains(['=', '/']) || is_file(word, ".deb"),
    },
    Manager {
        code: "DL3013",
        programs: &["pip", "pip2", "pip3"],
        verbs: &["install"],
        with_value: &[
            "-r",
            "--requirement",
            "-c",
            "--constraint",
            "-e",
            "--editable",
            "-t",
            "--target",
            "-i",
            "--index-url",
            "--extra-index-url",
            "-f",
            "--find-links",
            "--prefix",
            "--root",
            "--platform",
            "--python-version",
            "--abi",
            "--implementation",
            "--no-binary",
            "--only-binary",
            "--src",
            "-b",
            "--build",
            "--upgrade-strategy",
            "--proxy",
            "--progress-bar",
            "--trusted-host",
            "--timeout",
            "--retries",
            "--cache-dir",
            "--log",
            "--config-settings",
        ],
        is_pinned: pip,
    },
    Manager {
        code: "DL3016",
        programs: &["npm"],
        verbs: &["install", "i", "add"],
        with_value: &["--loglevel", "--prefix", "--registry", "--cache", "--omit", "--include", "--tag"],
        is_pinned: npm,
    },
    Manager {
        code: "DL3018",
        programs: &["apk"],
        verbs: &["add"],
        with_value: &[
            "-t",
            "--virtual",
            "-X",
            "--repository",
            "-p",
            "--root",
            "--arch",
            "--repositories-file",
            "--cache-dir",
            "--keys-dir",
            "--wait",
            "--progress-fd",
            "--cache-max-age",
        ],
        is_pinned: |word| word.contains(['=', '<', '>', '~']) || is_file(word, ".apk") || word.starts_with('!'),
    },
    Manager {
        code: "DL3028",
        programs: &["gem"],
        verbs: &["install", "i"],
        with_value: &[
            "-v",
            "--version",
            "-i",
            "--install-dir",
            "-n",
            "--bindir",
            "-P",
            "--trust-policy",
            "-s",
            "--source",
            "--platform",
            "--build-root",
            "--document",
            "-p",
            "--http-proxy",
            "-g",
            "--file",
        ],
        is_pinned: |word| word.contains(':') || is_file(word, ".gem"),
    },
    Manager {
        code: "DL3033",
        programs: &["yum"],
        verbs: &["install", "localinstall"],
        with_value: RPM_FLAGS,
        is_pinned: rpm,
    },
    Manager {
        code: "DL3037",
        programs: &["zypper"],
        verbs: &["install", "in"],
        with_value: &["-t", "--type", "-r", "--repo", "--from", "-R", "--root", "-C", "--cache-dir", "--name", "-c"],
        is_pinned: |word| word.contains(['=', '<', '>']) || is_file(word, ".rpm") || word.starts_with(['-', '!', '~']),
    },
    Manager {
        code: "DL3041",
        programs: &["dnf", "microdnf", "dnf5"],
        verbs: &["install"],
        with_value: RPM_FLAGS,
        is_pinned: rpm,
    },
    Manager {
        code: "DL3062",
        programs: &["go"],
        verbs: &["install", "get", "run"],
        with_value: &[
            "-ldflags",
            "-tags",
            "-gcflags",
            "-asmflags",
            "-mod",
            "-modfile",
            "-o",
            "-p",
            "-buildmode",
            "-C",
            "-exec",
        ],
        is_pinned: |word| {
            let is_local = word.starts_with(['.', '/']) || !word.contains('.') || is_file(word, ".go");
            is_local || word.split_once('@').is_some_and(|(_, version)| !matches!(version, "" | "latest"))
        },
    },
];

/// Flags of yum and dnf whose value is the next word.
pub(super) const RPM_FLAGS: &[&str] = &[
    "-c",
    "--config",
    "--installroot",
    "--releasever",
    "--repo",
    "--repoid",
    "--enablerepo",
    "--disablerepo",
    "-x",
    "--exclude",
    "--setopt",
    "-d",
    "-e",
    "--forcearch",
];

/// A version, a place, or a file.
fn pip(word: &str) -> bool {
    let is_git = word.starts_with("git+");
    let has_version = ["==", ">=", "<=", "~=", "!=", ">", "<"].iter().any(|sign| word.contains(sign));
    let is_path = word.starts_with(['.', '/', '~']);
    let is_file = [".whl", ".tar.gz", ".zip"].iter().any(|end| word.ends_with(end));
    if is_git {
        word[4..].contains('@')
    } else {
        has_version || is_path || is_file || word.contains("://") || word.contains(" @ ")
    }
}

/// A version, a commit, or a place.
fn npm(word: &str) -> bool {
    if word.starts_with("git+") || word.starts_with("git:") {
        return word.contains('#');
    }
    let name = word.strip_prefix('@').unwrap_or(word);
    let is_path = word.starts_with(['.', '/', '~']);
    let is_file = [".tgz", ".tar.gz", ".tar"].iter().any(|end| word.ends_with(end));
    name.contains(['@', '#']) || is_path || is_file || word.contains("://")
}

fn is_file(word: &str, end: &str) -> bool {
    word.ends_with(end)
}

/// `name-1.2`, a file, a URL, or a group.
fn rpm(word: &str) -> bool {
    let has_version = word.as_bytes().windows(2).any(|pair| pair[0] == b'-' && pair[1].is_ascii_digit());
    has_version || is_file(word, ".rpm") || word.contains('/') || word.starts_with('@')
}
