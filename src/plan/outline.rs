use crate::dockerfile::{Command, Diagnostic, Dockerfile, Instruction, Word};
use crate::image::Platform;

use super::PlanOptions;
use super::expand::expand;
use super::place::{Place, Problem, suggest};
use super::scope::{Environment, Globals};

/// The file as stages, with the FROM lines evaluated (DIAG-2, phase 3).
pub(super) struct Outline<'a> {
    pub(super) escape: char,
    pub(super) globals: Globals,
    /// The ARGs before the first FROM.
    pub(super) global_args: Vec<&'a Instruction>,
    pub(super) stages: Vec<Header<'a>>,
}

/// A stage before its instructions are looked at.
pub(super) struct Header<'a> {
    pub(super) from: &'a Instruction,
    /// In lower case.
    pub(super) name: Option<&'a str>,
    /// What FROM names, after expansion.
    pub(super) image: String,
    /// Where the name of the base stands.
    pub(super) image_word: &'a Word,
    /// `--platform`.
    pub(super) platform: Option<Platform>,
    /// What follows the FROM.
    pub(super) body: Vec<&'a Instruction>,
}

impl<'a> Outline<'a> {
    pub(super) fn read(file: &'a Dockerfile, options: &PlanOptions) -> Result<Self, Vec<Diagnostic>> {
        let last_name = file.instructions().filter_map(stage_name).last().flatten();
        let target = options.target.as_deref().filter(|target| !target.is_empty());
        let globals = Globals::new(options, target.or(last_name).unwrap_or("default"));
        let mut outline = Self { escape: file.escape, globals, global_args: Vec::new(), stages: Vec::new() };
        let mut errors = Vec::new();
        for instruction in file.instructions() {
            if let Command::From { platform, image, name } = &instruction.command {
                match outline.header(instruction, platform.as_ref(), image, name.as_ref()) {
                    Ok(header) => outline.stages.push(header),
                    Err(error) => errors.push(error),
                }
            } else if let Some(stage) = outline.stages.last_mut() {
                stage.body.push(instruction);
            } else if let Command::Arg(pairs) = &instruction.command
                && errors.is_empty()
            {
                outline.global_args.push(instruction);
                for pair in pairs {
                    let given = outline.globals.build_arg(&pair.name.text).map(str::to_owned);
                    let value = match (given, &pair.default) {
                        (Some(given), _) => Ok(Some(given)),
                        (None, Some(default)) => outline.expand(default, Place::of(instruction)).map(Some),
                        (None, None) => Ok(None),
                    };
                    match value {
                        Ok(Some(value)) => outline.globals.scope.set(&pair.name.text, value),
                        Ok(None) => {}
                        Err(error) => errors.push(error),
                    }
                }
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if outline.stages.is_empty() {
            return Err(vec![Diagnostic::nowhere("D-15", "dockerfile contains no stages to build")]);
        }
        Ok(outline)
    }

    /// A word of a FROM line or a global ARG (EXP-14).
    fn expand(&self, word: &Word, place: Place<'_>) -> Result<String, Diagnostic> {
        expand(&word.text, self.escape, &self.globals.scope)
            .map_err(|error| place.error_at(place.of_word(word), Problem::expansion(&word.text, &error)))
    }

    fn header(
        &self,
        from: &'a Instruction,
        platform: Option<&'a Word>,
        image: &'a Word,
        name: Option<&'a Word>,
    ) -> Result<Header<'a>, Diagnostic> {
        let place = Place::of(from);
        let base = self.expand(image, place)?;
        if base.is_empty() {
            let message = format!("base name ({}) should not be blank", image.text);
            let error = place.error_at(place.of_word(image), Problem::new("D-23", message));
            return Err(error.help("a variable of a FROM line needs an ARG with a value before the first FROM"));
        }
        let platform = platform.map(|word| self.platform(word, place)).transpose()?;
        let name = name.map(|name| name.text.as_str());
        Ok(Header { from, name, image: base, image_word: image, platform, body: Vec::new() })
    }

    /// FROM-9, FROM-10.
    fn platform(&self, word: &Word, place: Place<'_>) -> Result<Platform, Diagnostic> {
        let text = self.expand(word, place)?;
        let wrong = |code, message| place.error_at(place.of_word(word), Problem::new(code, message));
        if text.is_empty() {
            return Err(wrong("D-24", format!("empty platform value from expression {}", word.text)));
        }
        text.parse().map_err(|_| {
            let error = wrong("D-25", format!("failed to parse platform {}", word.text));
            if text == word.text { error } else { error.label(format!("this is `{text}`")) }
        })
    }

    /// The stage to build (FROM-20).
    pub(super) fn target(&self, options: &PlanOptions) -> Result<usize, Diagnostic> {
        let Some(target) = options.target.as_deref().filter(|target| !target.is_empty()) else {
            return Ok(self.stages.len() - 1);
        };
        self.named(target).ok_or_else(|| {
            let mut error = Diagnostic::nowhere("D-28", format!("target stage \"{target}\" could not be found"));
            error.help = suggest(target, self.names());
            error
        })
    }

    /// The last stage of this name, in any case (FROM-6).
    pub(super) fn named(&self, name: &str) -> Option<usize> {
        let name = name.to_lowercase();
        self.stages.iter().rposition(|stage| stage.name == Some(&name))
    }

    /// The stage that the FROM of stage `index` names: the nearest before it, in the same letters (FROM-4).
    pub(super) fn base(&self, index: usize) -> Option<usize> {
        let image = self.stages[index].image.as_str();
        self.stages[..index].iter().rposition(|stage| stage.name == Some(image))
    }

    /// All names of stages.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.stages.iter().filter_map(|stage| stage.name)
    }

    /// How people know stage `index` (FROM-23).
    pub(super) fn display(&self, index: usize) -> String {
        self.stages[index].name.map_or_else(|| format!("stage-{index}"), str::to_owned)
    }

    /// Whether expansion would change `text` (EXP-4).
    pub(super) fn would_expand(&self, text: &str) -> bool {
        let nothing = Environment::default();
        expand(text, self.escape, &nothing).as_deref() != Ok(text)
    }
}

fn stage_name(instruction: &Instruction) -> Option<Option<&str>> {
    match &instruction.command {
        Command::From { name, .. } => Some(name.as_ref().map(|name| name.text.as_str())),
        _ => None,
    }
}
