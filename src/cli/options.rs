//! From what was typed to what is meant: every value checked, with the way out where it is wrong.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;

use crate::bases::Pull;
use crate::build::{ContextSpec, DockerfileSpec, Options, SshAgent};
use crate::output::{self, OutputKind, OutputSpec};
use crate::plan::Network;
use crate::registry::Access;
use crate::remote;
use crate::share::{ExportSpec, Location, SpecError};

use super::args::{BuildArgs, ProgressMode, PullMode, RegistryArgs, StoreArgs};
use super::config::Config;
use super::failure::Failure;
use super::surroundings::Surroundings;
use super::{limits, policy, secret, ssh, values};

/// A value, or what is wrong with it.
pub(super) type Checked<T> = Result<T, Failure>;

/// The directory of the store.
pub(super) fn store_dir(args: &StoreArgs, around: Surroundings<'_>) -> Checked<PathBuf> {
    let default = || around.base_directory("XDG_DATA_HOME", ".local/share").map(|dir| dir.join("kiln"));
    given(args.store.as_deref())
        .map(Path::to_owned)
        .or_else(|| around.path("KILN_STORE"))
        .or_else(default)
        .ok_or_else(|| Failure::usage("there is no home directory for the store", Some("pass `--store DIR`")))
}

/// How registries are reached.
pub(super) fn access(args: &RegistryArgs, around: Surroundings<'_>) -> Checked<Access> {
    Config::read(args.config.as_deref(), around)?.access(&args.registry_mirror)
}

/// How progress is to be shown.
pub(super) fn progress(args: &BuildArgs, around: Surroundings<'_>) -> Checked<ProgressMode> {
    if args.quiet {
        return match args.progress {
            None | Some(ProgressMode::Auto | ProgressMode::Quiet) => Ok(ProgressMode::Quiet),
            Some(_) => {
                let hint = "leave one of them out";
                Err(Failure::usage("--quiet and --progress contradict each other", Some(hint)))
            }
        };
    }
    // As with the reference, the variable says what `auto` means.
    if let Some(mode) = args.progress.filter(|mode| *mode != ProgressMode::Auto) {
        return Ok(mode);
    }
    let Some(text) = around.text("BUILDKIT_PROGRESS") else { return Ok(ProgressMode::Auto) };
    ProgressMode::from_str(&text, true).map_err(|_| {
        let message = format!("BUILDKIT_PROGRESS: there is no progress mode `{text}`");
        Failure::usage(message, Some("the modes are auto, tty, plain, json and quiet"))
    })
}

/// Checks the arguments of `kiln build`.
pub(super) fn build(args: &BuildArgs, around: Surroundings<'_>) -> Checked<Options> {
    args.unsupported.refuse()?;
    let context = context(&args.context)?;
    if args.no_cache && !args.no_cache_filter.is_empty() {
        let message = "--no-cache and --no-cache-filter cannot currently be used together";
        return Err(Failure::usage(message, Some("`--no-cache` alone runs every stage anew")));
    }
    let network = values::network(&args.network)?;
    let allowed = values::entitlements(&args.allow)?;
    Ok(Options {
        context,
        dockerfile: match given(args.file.as_deref()) {
            None => DockerfileSpec::Default,
            Some(path) if path == Path::new("-") => DockerfileSpec::Stdin,
            Some(path) if path.to_str().is_some_and(remote::is_url) => {
                DockerfileSpec::Url(path.to_string_lossy().into_owned())
            }
            Some(path) => DockerfileSpec::Path(path.to_owned()),
        },
        store: store_dir(&args.store, around)?,
        tags: args.tag.iter().map(|tag| values::tag(tag)).collect::<Checked<_>>()?,
        outputs: outputs(args, around)?,
        build_args: build_args(&args.build_arg, around),
        named_contexts: args.build_context.iter().map(|text| values::named_context(text)).collect::<Checked<_>>()?,
        labels: args.label.iter().map(|text| values::label(text)).collect::<Checked<_>>()?,
        target: args.target.clone().filter(|target| !target.is_empty()),
        platform: values::platforms(&args.platform)?.map_or_else(
            || values::platforms(around.text("DOCKER_DEFAULT_PLATFORM").as_slice()),
            |one| Ok(Some(one)),
        )?,
        no_cache: args.no_cache,
        no_cache_filter: args.no_cache_filter.clone(),
        pull: match args.pull {
            _ if args.offline => Pull::Never,
            Some(PullMode::Always) => Pull::Always,
            Some(PullMode::Never) => Pull::Never,
            Some(PullMode::Missing) | None => Pull::Missing,
        },
        policy: policy::read(args.policy.as_deref(), around)?,
        cache_from: shared("--cache-from", &args.cache_from, Location::import)?,
        cache_to: shared("--cache-to", &args.cache_to, ExportSpec::parse)?,
        locked: args.locked,
        offline: args.offline,
        network,
        isolation: values::isolation(&args.isolation)?,
        jobs: match args.jobs {
            Some(0) => {
                return Err(Failure::usage("--jobs must be at least 1", Some("leave it out to let kiln choose")));
            }
            jobs => jobs,
        },
        hosts: args.add_host.iter().map(|text| values::hosts(text)).collect::<Checked<Vec<_>>>()?.concat(),
        shm_size: args.shm_size.as_deref().map_or(Ok(0), |text| values::size("--shm-size", text))?,
        limits: limits::limits(args)?,
        resources: limits::resources(&args.resources)?,
        secrets: args.secret.iter().map(|text| secret::parse(text, around)).collect::<Checked<_>>()?,
        agents: agents(args, around)?,
        // The reference's command line grants it with the flag.
        allow_network_host: allowed.network_host || network == Network::Host,
        allow_insecure: allowed.insecure,
        registries: Access { offline: args.offline, ..access(&args.registries, around)? },
        now: now(),
    })
}

/// `--cache-from` or `--cache-to` (CX-1). Scripts pass an empty value for what is not set.
fn shared<T>(flag: &str, given: &[String], read: fn(&str) -> Result<T, SpecError>) -> Checked<Vec<T>> {
    let given = given.iter().filter(|text| !text.is_empty());
    let hint = "write for example `type=registry,ref=REGISTRY/NAME` or `type=local,dest=DIR`";
    given.map(|text| read(text).map_err(|error| Failure::usage(format!("{flag}: {error}"), Some(hint)))).collect()
}

/// Scripts pass an empty value for what is not set.
fn given(path: Option<&Path>) -> Option<&Path> {
    path.filter(|path| !path.as_os_str().is_empty())
}

/// The time, in seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}

/// CTX-1: `-`, an existing directory, a remote place, in this order.
fn context(path: &Path) -> Checked<ContextSpec> {
    if path == Path::new("-") {
        return Ok(ContextSpec::Stdin);
    }
    if path.as_os_str().is_empty() {
        return Err(Failure::usage("please specify build context", Some("often it is `.`")));
    }
    if path.is_dir() {
        return Ok(ContextSpec::Directory(path.to_owned()));
    }
    let text = path.to_string_lossy();
    let wrong = |error: remote::GitReferenceError| Failure::usage(error.to_string(), None);
    if let Some(remote) = remote::context(&text).map_err(wrong)? {
        return Ok(ContextSpec::Remote(remote));
    }
    let hint = if path.exists() {
        "the context is a directory; a Dockerfile is named with `-f`"
    } else {
        "the context is a directory, a URL, or `-`"
    };
    Err(Failure::usage(format!("unable to prepare context: path \"{text}\" not found"), Some(hint)))
}

/// `--ssh`; the agent `default` need not be named where a context comes by ssh and there is one (SSH-2).
fn agents(args: &BuildArgs, around: Surroundings<'_>) -> Checked<Vec<SshAgent>> {
    let mut agents = args.ssh.iter().map(|text| ssh::parse(text, around)).collect::<Checked<Vec<_>>>()?;
    let named = args.build_context.iter().filter_map(|text| text.split_once('=').map(|(_, value)| value));
    let by_ssh = |text: &str| {
        matches!(remote::context(text), Ok(Some(remote::Source::Git(reference))) if reference.is_ssh())
            && !Path::new(text).is_dir()
    };
    let is_there = || around.path("SSH_AUTH_SOCK").is_some_and(|path| path.exists());
    if agents.iter().all(|agent| agent.id != "default")
        && args.context.to_str().into_iter().chain(named).any(by_ssh)
        && is_there()
    {
        agents.push(ssh::parse("default", around)?);
    }
    Ok(agents)
}

fn outputs(args: &BuildArgs, around: Surroundings<'_>) -> Checked<Vec<OutputSpec>> {
    let wrong = |error: output::OutputSpecError| Failure::usage(format!("--output: {error}"), None);
    let mut outputs =
        args.output.iter().map(|text| OutputSpec::parse(text)).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    // CLI-2
    if args.load && !outputs.iter().any(|output| output.kind == OutputKind::Docker) {
        outputs.push(OutputSpec::parse("type=docker").map_err(wrong)?);
    }
    if args.push {
        let mut images = outputs.iter_mut().filter(|output| output.kind == OutputKind::Store).peekable();
        if images.peek().is_none() {
            outputs.push(OutputSpec::parse("type=registry").map_err(wrong)?);
        } else {
            images.for_each(|output| output.push = true);
        }
    }
    if args.tag.is_empty() && outputs.iter().any(|output| output.push && output.names.is_empty()) {
        let hint = "name the image with `-t REGISTRY/NAME:TAG`";
        return Err(Failure::usage("tag is needed when pushing to registry", Some(hint)));
    }
    output::check(&outputs, around.stdout_is_terminal).map_err(wrong)?;
    if given(args.iidfile.as_deref()).is_some() && !outputs.iter().all(|output| output.kind.is_image()) {
        let message = "--iidfile has no image id to write with a local or tar output";
        return Err(Failure::usage(message, Some("leave `--iidfile` out, or write the image with `-o type=oci`")));
    }
    Ok(outputs)
}

/// `NAME[=VALUE]`; without a value the environment's counts, and without that the argument is dropped.
pub(super) fn build_args(given: &[String], around: Surroundings<'_>) -> BTreeMap<String, String> {
    let from_environment = |name: &str| (around.variable)(name).and_then(|value| value.into_string().ok());
    let mut args = BTreeMap::new();
    for text in given {
        match text.split_once('=') {
            Some((name, value)) => {
                args.insert(name.to_owned(), value.to_owned());
            }
            None => {
                if let Some(value) = from_environment(text) {
                    args.insert(text.clone(), value);
                }
            }
        }
    }
    // TIME-1
    if let Some(epoch) = around.text("SOURCE_DATE_EPOCH") {
        args.entry("SOURCE_DATE_EPOCH".to_owned()).or_insert(epoch);
    }
    args
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::Parser;

    use super::super::args::{Args, Verb};
    use super::super::booleans;
    use super::*;

    fn variable(name: &str) -> Option<OsString> {
        let value = match name {
            "HOME" => "/nonexistent",
            "FROM_ENV" => "value",
            // Any file that is there.
            "SSH_AUTH_SOCK" => "/proc/self/stat",
            "SOURCE_DATE_EPOCH" => "7",
            "EMPTY" | "KILN_STORE" | "DOCKER_DEFAULT_PLATFORM" => "",
            "BUILDKIT_PROGRESS" => "RAWJSON",
            _ => return None,
        };
        Some(value.into())
    }

    const AROUND: Surroundings<'_> = Surroundings { variable: &variable, stdout_is_terminal: true };

    fn parse(line: &str) -> BuildArgs {
        let words = ["kiln", "build"].into_iter().chain(line.split_whitespace()).map(OsString::from);
        let words = booleans::normalise(words, &<Args as clap::CommandFactory>::command());
        match Args::try_parse_from(words).unwrap().verb {
            Verb::Build(args) => *args,
            verb => panic!("{verb:?}"),
        }
    }

    fn options(line: &str) -> Result<Options, String> {
        build(&parse(line), AROUND).map_err(|failure| failure.to_string())
    }

    #[test]
    fn cli_what_is_wrong_is_named() {
        for (line, want) in [
            ("/does/not/exist", "unable to prepare context: path \"/does/not/exist\" not found"),
            ("--no-cache --no-cache-filter a .", "--no-cache and --no-cache-filter cannot currently be used together"),
            ("--push .", "tag is needed when pushing to registry"),
            ("--cache-from type=local .", "--cache-from: type=local needs `src`"),
            ("--platform linux/amd64,linux/arm64 .", "several platforms at once are not supported yet"),
            ("--network bridge .", "invalid network mode \"bridge\""),
            ("--isolation rotless .", "`rootless`?"),
            ("--jobs 0 .", "--jobs must be at least 1"),
            ("-t Upper .", "--tag `Upper`: invalid reference format"),
            ("-o - .", "--output: "),
            ("-o dir --iidfile id .", "--iidfile has no image id to write with a local or tar output"),
            ("--build-context x .", "invalid context value: x, expected key=value"),
            ("--config /does/not/exist .", "cannot read /does/not/exist"),
        ] {
            let got = options(line).map(drop).expect_err(line);
            assert!(got.contains(want), "{line}: {got}");
        }
    }

    #[test]
    fn ctx_1_forms_of_the_context() {
        for (line, want) in [
            ("-", ContextSpec::Stdin),
            (".", ContextSpec::Directory(".".into())),
            ("https://h/x.tar.gz", ContextSpec::Remote(remote::Source::Url("https://h/x.tar.gz".into()))),
        ] {
            assert_eq!(options(line).unwrap().context, want, "{line}");
        }
        assert!(context(Path::new("")).unwrap_err().to_string().contains("please specify build context"));
    }

    #[test]
    fn df_forms_of_the_dockerfile() {
        for (line, want) in [
            (".", DockerfileSpec::Default),
            ("--file= .", DockerfileSpec::Default),
            ("-f - .", DockerfileSpec::Stdin),
            ("-f https://h/Dockerfile .", DockerfileSpec::Url("https://h/Dockerfile".into())),
            ("-f a/b .", DockerfileSpec::Path("a/b".into())),
        ] {
            assert_eq!(options(line).unwrap().dockerfile, want, "{line}");
        }
    }

    #[test]
    fn ssh_2_a_context_by_ssh_brings_the_agent() {
        for (line, want) in [
            ("git@h:x", 1),
            ("--build-context a=ssh://h/x .", 1),
            ("--ssh default=/a git@h:x", 1),
            ("--ssh other=/a git@h:x", 2),
            ("https://h/x.git", 0),
            (".", 0),
        ] {
            assert_eq!(options(line).unwrap().agents.len(), want, "{line}");
        }
    }

    #[test]
    fn cli_build_args_come_from_the_environment_or_are_dropped() {
        let args = options("--build-arg A=1 --build-arg A=2 --build-arg FROM_ENV --build-arg EMPTY --build-arg NO .");
        let args = args.unwrap().build_args;
        let args: Vec<_> = args.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(args, ["A=2", "EMPTY=", "FROM_ENV=value", "SOURCE_DATE_EPOCH=7"]);
    }

    #[test]
    fn time_1_a_given_epoch_wins_over_the_environment() {
        let args = options("--build-arg SOURCE_DATE_EPOCH=1 .").unwrap().build_args;
        assert_eq!(args["SOURCE_DATE_EPOCH"], "1");
    }

    #[test]
    fn cli_empty_values_count_as_not_given() {
        let options = options("--target= --platform= --metadata-file= --store= .").unwrap();
        assert_eq!((options.target, options.platform), (None, None));
        assert_eq!(options.store, Path::new("/nonexistent/.local/share/kiln"));
    }

    #[test]
    fn cli_repeated_flags_last_one_wins() {
        let options = options("--target a --target b --no-cache --no-cache=false --pull=never --pull .").unwrap();
        assert_eq!(options.target.as_deref(), Some("b"));
        assert!(!options.no_cache && options.pull == Pull::Always);
    }

    #[test]
    fn cli_forms_of_pull() {
        for (line, want) in [
            (".", Pull::Missing),
            ("--pull .", Pull::Always),
            ("--pull=true .", Pull::Always),
            ("--pull=newer .", Pull::Always),
            ("--pull=false .", Pull::Missing),
            ("--pull=missing .", Pull::Missing),
            ("--pull=never .", Pull::Never),
            ("--pull --offline .", Pull::Never),
        ] {
            assert_eq!(options(line).unwrap().pull, want, "{line}");
        }
        assert!(options("--offline .").unwrap().registries.offline);
    }

    #[test]
    fn cli_2_load_and_push_add_an_output_or_fit_one() {
        for (line, count, pushed) in [
            ("--load .", 1, 0),
            ("--load -o type=docker,dest=x.tar .", 1, 0),
            ("--push -t a .", 1, 1),
            ("--push -o type=image,name=a .", 1, 1),
            ("--push -o type=oci,dest=x.tar -t a .", 2, 1),
            ("--push --load -t a .", 1, 1),
            ("-o type=registry,name=a .", 1, 1),
            (".", 0, 0),
        ] {
            let outputs = options(line).unwrap().outputs;
            assert_eq!(outputs.len(), count, "{line}");
            assert_eq!(outputs.iter().filter(|output| output.push).count(), pushed, "{line}");
        }
    }

    #[test]
    fn cli_progress_modes() {
        for (line, want) in [
            (".", Some(ProgressMode::Json)),
            ("--progress auto .", Some(ProgressMode::Json)),
            ("--progress plain .", Some(ProgressMode::Plain)),
            ("--progress rawjson .", Some(ProgressMode::Json)),
            ("--progress none .", Some(ProgressMode::Quiet)),
            ("-q .", Some(ProgressMode::Quiet)),
            ("-q --progress plain .", None),
        ] {
            assert_eq!(progress(&parse(line), AROUND).ok(), want, "{line}");
        }
    }

    #[test]
    fn cli_network_host_grants_itself() {
        assert!(options("--network host .").unwrap().allow_network_host);
        assert!(!options(".").unwrap().allow_network_host);
    }
}
