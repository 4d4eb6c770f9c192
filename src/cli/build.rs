use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use crate::build::{self, Options, Outcome};
use crate::progress::{Cancel, Event, SharedSink};

use super::args::{BuildArgs, ProgressMode};
use super::call::Call;
use super::failure::{Failure, Kind};
use super::files::ResultFile;
use super::progress::{Json, Plain, Quiet, Terminal};
use super::surroundings::Surroundings;
use super::{options, out, prune, render, signals, values};

/// `kiln build`.
pub(super) fn run(args: &BuildArgs, around: Surroundings<'_>) -> Result<ExitCode, Failure> {
    let mode = options::progress(args, around)?;
    let call = Call::of(args)?;
    let options = options::build(args, around)?;
    let budget = args.store_budget.as_deref().map(|text| values::size("--store-budget", text)).transpose()?;
    let metadata_file = ResultFile::at("--metadata-file", args.metadata_file.as_deref())?;
    if let Some(call) = call {
        return call.run(&options, &sink(mode)?, metadata_file);
    }
    let id_file = ResultFile::at("--iidfile", args.iidfile.as_deref())?;
    id_file.as_ref().map_or(Ok(()), ResultFile::remove_old)?;
    let cancel = Cancel::new().map_err(|error| Failure::machine("cannot prepare to be interrupted", &error))?;
    signals::watch(&cancel).map_err(|error| Failure::machine("cannot watch for signals", &error))?;
    let sink = sink(mode)?;
    for flag in args.ignored.given() {
        sink.event(Event::Warning(format!("`{flag}` has no effect")));
    }
    let result = build::run(&options, &sink, &cancel);
    sink.finish();
    let outcome = result.map_err(|error| {
        let failure = Failure::from(error);
        // A terminal sends the signal to the running steps too, and they fail of it before the build looks.
        if cancel.is_set() && failure.kind != Kind::Usage { Failure::interrupted() } else { failure }
    })?;
    let id = outcome.image.map(|image| image.id.to_string());
    if let (Some(file), Some(id)) = (id_file, &id) {
        file.write(id.as_bytes())?;
    }
    if let Some(file) = metadata_file {
        file.write(format!("{:#}\n", outcome.metadata).as_bytes())?;
    }
    tell(mode, &options, &outcome);
    if let Some(budget) = budget {
        prune::to_budget(&options.store, budget, mode)?;
    }
    if let Some(id) = id.filter(|_| args.quiet) {
        out::stdout(&format!("{id}\n")).map_err(|error| Failure::machine("cannot write to standard output", &error))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What shows progress that way.
pub(super) fn sink(mode: ProgressMode) -> Result<SharedSink, Failure> {
    let is_terminal = std::io::stderr().is_terminal();
    let can_draw = is_terminal && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    let terminal = || -> Result<SharedSink, Failure> {
        let terminal = Terminal::new().map_err(|error| Failure::machine("cannot start to draw", &error))?;
        Ok(Arc::new(terminal))
    };
    Ok(match mode {
        ProgressMode::Quiet => Arc::new(Quiet::default()),
        ProgressMode::Json => Arc::new(Json::default()),
        ProgressMode::Tty | ProgressMode::Auto if can_draw => terminal()?,
        // What is drawn into a file nobody can read.
        ProgressMode::Tty | ProgressMode::Auto | ProgressMode::Plain => Arc::new(Plain::default()),
    })
}

/// Warnings, and what has been made.
fn tell(mode: ProgressMode, options: &Options, outcome: &Outcome) {
    match mode {
        ProgressMode::Quiet => {}
        ProgressMode::Json => {
            for found in &outcome.warnings {
                out::json(&render::diagnostic_json(&outcome.source, found));
            }
            out::json(&json!({
                "event": "result",
                "image": outcome.image.map(|image| image.id.to_string()),
                "manifest": outcome.image.map(|image| image.manifest.to_string()),
                "names": options.tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
            }));
        }
        ProgressMode::Auto | ProgressMode::Tty | ProgressMode::Plain => {
            let mut text: String =
                outcome.warnings.iter().map(|found| render::warning_line(found, render::colours())).collect();
            if !outcome.warnings.is_empty() {
                text.push_str("hint: `--check` shows where, and what is asked for\n");
            }
            if let Some(image) = outcome.image {
                text.push_str("image ");
                text.push_str(&image.id.to_string());
                text.push('\n');
            }
            if options.tags.is_empty() && options.outputs.is_empty() {
                text.push_str("hint: the image is in the store only; name it with `-t`, or write it with `-o`\n");
            }
            out::stderr(text.as_bytes());
        }
    }
}
