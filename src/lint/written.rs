use crate::dockerfile::{Command, Dockerfile, Instruction, Keyword};

/// The instructions of a file by stages.
pub(super) struct Written<'a> {
    pub(super) file: &'a Dockerfile,
    /// ARGs before the first FROM.
    pub(super) globals: Vec<&'a Instruction>,
    /// By number.
    pub(super) stages: Vec<WrittenStage<'a>>,
}

/// FROM and what follows it.
pub(super) struct WrittenStage<'a> {
    pub(super) from: &'a Instruction,
    pub(super) own: Vec<&'a Instruction>,
}

impl<'a> Written<'a> {
    pub(super) fn of(file: &'a Dockerfile) -> Self {
        let mut written = Self { file, globals: Vec::new(), stages: Vec::new() };
        for instruction in file.instructions() {
            match (instruction.keyword, written.stages.last_mut()) {
                (Keyword::From, _) => written.stages.push(WrittenStage { from: instruction, own: Vec::new() }),
                (_, Some(stage)) => stage.own.push(instruction),
                (_, None) => written.globals.push(instruction),
            }
        }
        written
    }

    /// Everything in stages, FROM included.
    pub(super) fn in_stages(&self) -> impl Iterator<Item = &'a Instruction> {
        self.stages.iter().flat_map(|stage| std::iter::once(stage.from).chain(stage.own.iter().copied()))
    }
}

impl<'a> WrittenStage<'a> {
    /// Its name in lower case, and as it is written in `file`.
    pub(super) fn name(&self, file: &'a Dockerfile) -> Option<(&'a str, &'a str)> {
        let Command::From { name: Some(name), .. } = &self.from.command else { return None };
        let as_written = file.text.get(name.span.start..name.span.end).unwrap_or_default();
        Some((&name.text, as_written))
    }
}
