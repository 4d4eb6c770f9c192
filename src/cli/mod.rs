//! The command line: arguments to options, one verb a file, failures to messages and exit codes.

mod args;
mod booleans;
mod build;
mod call;
mod config;
mod copy;
mod delete;
mod df;
mod doctor;
mod failure;
mod files;
mod fmt;
mod foreign;
mod history;
mod image_args;
mod images;
mod import;
mod inspect;
mod limits;
mod lint;
mod load;
mod login;
mod logout;
mod options;
mod out;
mod password;
mod pin;
mod policy;
mod progress;
mod prune;
mod pull;
mod push;
mod referrers;
mod region;
mod remote_args;
mod render;
mod rmi;
mod sarif;
mod save;
mod secret;
mod session;
mod signals;
mod ssh;
mod store;
mod surroundings;
mod table;
mod tag;
mod tags;
mod upkeep_args;
mod values;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Args, ProgressMode, PullArgs, PushArgs, Verb};
use failure::{Failure, Form, Kind};
use image_args::{CopyArgs, SaveArgs};
use surroundings::Surroundings;

use crate::sandbox;

/// What makes root filesystems does so as root, be it of a user namespace. There is no second thread yet.
fn become_root(verb: &Verb) {
    match verb {
        // What is wrong with the option is told with the others.
        Verb::Build(args) => sandbox::enter(values::isolation(&args.isolation).unwrap_or_default()),
        Verb::Import(_) | Verb::Doctor(_) | Verb::Prune(_) | Verb::Df(_) | Verb::Store(_) => sandbox::enter(None),
        // Blobs and texts as they are: nothing is unpacked.
        _ => {}
    }
}

/// Descriptors that a build of a deep image holds at once, roughly.
const DESCRIPTORS: i32 = 1000;

/// Makes the table of descriptors large while there is one thread: once there are several, the kernel waits each time the
/// table grows until all processors have passed a point of rest, which takes about 20 ms (Linux `expand_fdtable`).
fn make_room_for_descriptors() {
    // A lower limit is no failure: fewer will be needed, or the lack of them will be told of.
    let _largest = rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), DESCRIPTORS);
}

/// Runs kiln with `args`, the first of which is the program's name, and gives its exit code (cli.md, EXIT).
///
/// Results go to standard output, everything else to standard error. A panic is a defect and gives 100.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(booleans::normalise(args, &Args::command())) {
        Ok(args) => args,
        Err(error) => {
            let is_help = !error.use_stderr();
            // Where even this cannot be written there is nobody to tell.
            let _unheard = error.print();
            return ExitCode::from(if is_help { 0 } else { Kind::Usage.exit_code() });
        }
    };
    let around =
        Surroundings { variable: &|name| std::env::var_os(name), stdout_is_terminal: std::io::stdout().is_terminal() };
    let form = match &args.verb {
        Verb::Build(args) if options::progress(args, around).is_ok_and(|mode| mode == ProgressMode::Json) => Form::Json,
        Verb::Push(PushArgs { transfer, .. })
        | Verb::Pull(PullArgs { transfer, .. })
        | Verb::Copy(CopyArgs { transfer, .. })
        | Verb::Save(SaveArgs { transfer, .. })
            if transfer.progress == Some(ProgressMode::Json) =>
        {
            Form::Json
        }
        _ => Form::Text,
    };
    make_room_for_descriptors();
    become_root(&args.verb);
    let result = catch_unwind(AssertUnwindSafe(|| match args.verb {
        Verb::Build(args) => build::run(&args, around),
        Verb::Push(args) => push::run(&args, around).map(|()| ExitCode::SUCCESS),
        Verb::Pull(args) => pull::run(&args, around).map(|()| ExitCode::SUCCESS),
        Verb::Pin(args) => pin::run(&args, around).map(|()| ExitCode::SUCCESS),
        Verb::Prune(args) => prune::run(&args, around).map(|()| ExitCode::SUCCESS),
        Verb::Df(args) => df::run(&args, around).map(|()| ExitCode::SUCCESS),
        Verb::Store(args) => store::run(&args, around),
        Verb::Copy(args) => copy::run(&args, around).map(|()| ExitCode::SUCCESS),
        Verb::Login(args) => login::run(&args, around).map(|()| ExitCode::SUCCESS),
        Verb::Logout(args) => logout::run(&args).map(|()| ExitCode::SUCCESS),
        Verb::Images(args) => images::run(&args, around).map(|()| ExitCode::SUCCESS),
        Verb::Tags(args) => tags::run(&args, around).map(|()| ExitCode::SUCCESS),
        Verb::Referrers(args) => referrers::run(&args, around).map(|()| ExitCode::SUCCESS),
        Verb::Delete(args) => delete::run(&args, around).map(|()| ExitCode::SUCCESS),
        Verb::Tag(args) => tag::run(&args, around).map(|()| ExitCode::SUCCESS),
        Verb::Rmi(args) => rmi::run(&args, around).map(|()| ExitCode::SUCCESS),
        Verb::Inspect(args) => inspect::run(&args, around).map(|()| ExitCode::SUCCESS),
        Verb::History(args) => history::run(&args, around).map(|()| ExitCode::SUCCESS),
        Verb::Save(args) => save::run(&args, around).map(|()| ExitCode::SUCCESS),
        Verb::Load(args) => load::run(&args, around).map(|()| ExitCode::SUCCESS),
        Verb::Import(args) => import::run(&args, around).map(|()| ExitCode::SUCCESS),
        Verb::Lint(args) => lint::run(&args, around),
        Verb::Fmt(args) => Ok(fmt::run(&args)),
        Verb::Doctor(args) => doctor::run(&args, around).map(|()| ExitCode::SUCCESS),
    }));
    match result.unwrap_or_else(|_| Err(Failure::internal())) {
        Ok(code) => code,
        Err(failure) => {
            failure.print(form);
            ExitCode::from(failure.kind.exit_code())
        }
    }
}
