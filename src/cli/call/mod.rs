//! `--call`: what is asked about a Dockerfile in place of a build (CALL-1 to CALL-5).

mod json;
mod text;

use std::process::ExitCode;

use serde_json::Value;

use crate::build::{self, BuildError, Checked, Options};
use crate::dockerfile::suggest;
use crate::progress::SharedSink;

use super::args::BuildArgs;
use super::booleans;
use super::failure::{Failure, Form};
use super::files::ResultFile;
use super::out;
use super::sarif::sarif;

const METHODS: [&str; 5] = ["build", "check", "lint", "outline", "targets"];

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Method {
    Check,
    Outline,
    Targets,
}

/// The form of the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    Text,
    Json,
    Sarif,
}

/// A call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Call {
    method: Method,
    shape: Shape,
    /// Findings do not make the exit code.
    ignore_status: bool,
}

impl Call {
    /// What `--check` and `--call` ask for; nothing is a build.
    pub(super) fn of(args: &BuildArgs) -> Result<Option<Self>, Failure> {
        let call = args.call.as_deref().map(Self::parse).transpose()?.flatten();
        match call {
            None if args.check => Ok(Some(Self { method: Method::Check, shape: Shape::Text, ignore_status: false })),
            Some(call) if args.check && call.method != Method::Check => {
                Err(Failure::usage("--check and --call contradict each other", Some("leave one of them out")))
            }
            call => Ok(call),
        }
    }

    /// `METHOD[,format=text|json|sarif][,ignorestatus=BOOL]`; of a check alone there is SARIF.
    fn parse(text: &str) -> Result<Option<Self>, Failure> {
        let mut parts = text.split(',');
        let name = parts.next().unwrap_or_default();
        let method = match name {
            "" | "build" => None,
            "check" | "lint" => Some(Method::Check),
            "outline" => Some(Method::Outline),
            "targets" => Some(Method::Targets),
            _ => {
                let near = suggest(name, METHODS).map(|near| format!("did you mean `{near}`?"));
                let hint = near.unwrap_or_else(|| "the methods are build, check, outline and targets".to_owned());
                return Err(Failure::usage(format!("--call: there is no method `{name}`"), Some(&hint)));
            }
        };
        let (mut shape, mut ignore_status) = (Shape::Text, false);
        for part in parts {
            let wrong = |hint| Err(Failure::usage(format!("--call: invalid option `{part}`"), Some(hint)));
            match part.split_once('=') {
                Some(("format", "json")) => shape = Shape::Json,
                Some(("format", "text")) => shape = Shape::Text,
                Some(("format", "sarif")) if method == Some(Method::Check) => shape = Shape::Sarif,
                Some(("format", "sarif")) => return wrong("only `check` has it; the other formats are text and json"),
                Some(("format", _)) => return wrong("the formats are text, json and, for `check`, sarif"),
                Some(("ignorestatus", value)) => match booleans::value(value) {
                    Some(value) => ignore_status = value,
                    None => return wrong("write `ignorestatus=true` or `ignorestatus=false`"),
                },
                _ => return wrong("the options are `format` and `ignorestatus`"),
            }
        }
        Ok(method.map(|method| Self { method, shape, ignore_status }))
    }

    /// Answers, on standard output.
    pub(super) fn run(
        self,
        options: &Options,
        sink: &SharedSink,
        metadata_file: Option<ResultFile>,
    ) -> Result<ExitCode, Failure> {
        let (text, object, status) = self.answer(options, sink)?;
        if let Some(file) = metadata_file {
            file.write(format!("{object:#}\n").as_bytes())?;
        }
        let answer = if self.shape == Shape::Json { format!("{object:#}\n") } else { text };
        out::stdout(&answer).map_err(|error| Failure::machine("cannot write to standard output", &error))?;
        match status {
            Status::Good => Ok(ExitCode::SUCCESS),
            Status::Warned => Ok(if self.ignore_status { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
            Status::Failed(failure) => {
                // The object tells of it already.
                if self.shape == Shape::Text {
                    failure.print(Form::Text);
                }
                Ok(if self.ignore_status { ExitCode::SUCCESS } else { ExitCode::from(failure.kind.exit_code()) })
            }
        }
    }

    fn checked(self, checked: &Checked) -> String {
        if self.shape != Shape::Sarif {
            return text::checked(checked);
        }
        let found = checked.errors.iter().chain(&checked.warnings).collect();
        format!("{:#}\n", sarif(&[(&checked.source, found)]))
    }

    /// The answer for people or in SARIF, the object for machines, and how it went.
    fn answer(self, options: &Options, sink: &SharedSink) -> Result<(String, Value, Status), Failure> {
        let result = match self.method {
            Method::Check => build::check(options, sink).map(|checked| {
                let (text, object) = (self.checked(&checked), json::checked(&checked));
                (text, object, Status::of(checked))
            }),
            Method::Outline => build::outline(options, sink)
                .map(|outline| (text::outline(&outline), json::outline(&outline), Status::Good)),
            Method::Targets => {
                build::targets(options).map(|targets| (text::targets(&targets), json::targets(&targets), Status::Good))
            }
        };
        sink.finish();
        result.map_err(Failure::from)
    }
}

/// How a check went.
enum Status {
    Good,
    Warned,
    Failed(Failure),
}

impl Status {
    fn of(checked: Checked) -> Self {
        if !checked.errors.is_empty() {
            let error = BuildError::Dockerfile { source_text: checked.source, diagnostics: checked.errors };
            Self::Failed(error.into())
        } else if checked.warnings.is_empty() {
            Self::Good
        } else {
            Self::Warned
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_1_methods_and_options() {
        let call = |method, shape, ignore_status| Ok(Some(Call { method, shape, ignore_status }));
        for (text, want) in [
            ("", Ok(None)),
            ("build", Ok(None)),
            ("check", call(Method::Check, Shape::Text, false)),
            ("lint,format=json", call(Method::Check, Shape::Json, false)),
            ("outline,format=text", call(Method::Outline, Shape::Text, false)),
            ("targets,ignorestatus=1,format=json", call(Method::Targets, Shape::Json, true)),
            ("target", Err("did you mean `targets`?")),
            ("nothing", Err("the methods are")),
            ("check,format=sarif", call(Method::Check, Shape::Sarif, false)),
            ("targets,format=sarif", Err("only `check` has it")),
            ("check,format=xml", Err("the formats are text, json")),
            ("check,json", Err("invalid option `json`")),
            ("check,ignorestatus=maybe", Err("`ignorestatus=true`")),
        ] {
            let got = Call::parse(text).map_err(|failure| failure.to_string());
            match want {
                Ok(want) => assert_eq!(got, Ok(want), "{text}"),
                Err(part) => assert!(got.clone().is_err_and(|message| message.contains(part)), "{text}: {got:?}"),
            }
        }
    }
}
