//! The command line: arguments to options, one verb a file, failures to messages and exit codes.

mod args;
mod build;
mod doctor;
mod failure;
mod import;
mod options;
mod out;
mod progress;
mod render;
mod signals;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use args::{Args, Verb};

/// Runs kiln with `args`, the first of which is the program's name, and gives its exit code (cli.md, EXIT).
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            let is_help = !error.use_stderr();
            // Where even this cannot be written there is nobody to tell.
            let _unheard = error.print();
            return ExitCode::from(if is_help { 0 } else { failure::Kind::Usage.exit_code() });
        }
    };
    let result = match args.verb {
        Verb::Build(args) => build::run(*args),
        Verb::Import(args) => import::run(&args),
        Verb::Doctor(args) => doctor::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.kind.exit_code())
        }
    }
}
