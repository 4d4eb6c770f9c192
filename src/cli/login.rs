use crate::registry::{self, Kept};

use super::failure::Failure;
use super::image_args::LoginArgs;
use super::surroundings::Surroundings;
use super::{options, out, password, render, values};

/// The registry that is meant where none is named.
const HUB: &str = "docker.io";

/// `kiln login`.
pub(super) fn run(args: &LoginArgs, around: Surroundings<'_>) -> Result<(), Failure> {
    let host = host(args.registry.as_deref())?;
    let access = options::access(&args.registries, around)?;
    let user = match args.username.as_deref().filter(|user| !user.is_empty()) {
        Some(user) => user.to_owned(),
        None if args.password_stdin => {
            return Err(Failure::usage("--password-stdin needs a user name", Some("pass `--username NAME`")));
        }
        None => password::ask_user()?,
    };
    let secret = match &args.password {
        Some(secret) => {
            let message = "a password on the command line is seen by everybody on this machine";
            warn(message, "pass `--password-stdin`, or let kiln ask for it");
            secret.clone()
        }
        None if args.password_stdin => password::from_stdin()?,
        None => password::ask()?,
    };
    if secret.is_empty() {
        return Err(Failure::usage("the password is empty", None));
    }
    if let Kept::File(path) = registry::log_in(&access, &host, &user, &secret)? {
        let message = format!("the password is kept in {}, readable for you alone, but not encrypted", path.display());
        warn(&message, "a credential helper (`credsStore` in that file) keeps it better");
    }
    out::result("Login Succeeded\n")
}

fn warn(message: &str, hint: &str) {
    out::stderr(render::message("warning", message, Some(hint), render::colours()).as_bytes());
}

/// The registry, as images name it: people give URLs as well.
pub(super) fn host(given: Option<&str>) -> Result<String, Failure> {
    let text = given.filter(|text| !text.is_empty()).unwrap_or(HUB);
    let text = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let host = text.split('/').next().unwrap_or_default();
    if matches!(host, "index.docker.io" | "registry-1.docker.io" | "docker.io" | "hub.docker.com") {
        return Ok(HUB.to_owned());
    }
    values::mirror(host)
}
