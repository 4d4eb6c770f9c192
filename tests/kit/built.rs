use std::path::PathBuf;
use std::process::Output;

use super::Image;

/// What a build has done.
pub(crate) struct Built {
    output: Output,
    archive: PathBuf,
}

impl Built {
    pub(crate) fn new(output: Output, archive: PathBuf) -> Self {
        Self { output, archive }
    }

    /// What was written to standard error.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// The build must have made an image.
    pub(crate) fn succeeds(&self) -> Image {
        assert!(self.output.status.success(), "the build failed ({}):\n{}", self.output.status, self.stderr());
        assert!(self.output.stdout.is_empty(), "EXIT-2: standard output carries results only");
        Image::read(&self.archive)
    }

    /// The build must have failed with this exit code, and each of `texts` on standard error; and there must be no
    /// archive.
    pub(crate) fn fails_with(&self, code: i32, texts: &[&str]) {
        let stderr = self.stderr();
        assert_eq!(self.output.status.code(), Some(code), "{stderr}");
        for text in texts {
            assert!(stderr.contains(text), "no {text:?} in:\n{stderr}");
        }
        assert!(!self.archive.exists(), "a failed build has left an archive");
    }

    /// The steps that came out of the cache, as plain progress names them: `RUN …`, `COPY …`.
    pub(crate) fn steps_cached(&self) -> Vec<String> {
        self.steps("CACHED")
    }

    /// The steps that were run.
    pub(crate) fn steps_run(&self) -> Vec<String> {
        self.steps("DONE")
    }

    /// `#N [stage 1/2] RUN x` says what task N is, `#N CACHED` or `#N DONE 0.1s` what became of it.
    fn steps(&self, outcome: &str) -> Vec<String> {
        let stderr = self.stderr();
        let ended = stderr.lines().filter_map(|line| {
            let (task, rest) = line.split_once(' ')?;
            rest.starts_with(outcome).then_some(task)
        });
        let title = |task: &str| {
            stderr.lines().find_map(|line| {
                let title = line.strip_prefix(task)?.strip_prefix(" [")?.split_once("] ")?.1;
                ["RUN", "COPY", "ADD", "WORKDIR"].iter().any(|word| title.starts_with(word)).then(|| title.to_owned())
            })
        };
        ended.filter_map(title).collect()
    }
}
