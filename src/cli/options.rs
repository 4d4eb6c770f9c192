//! From what was typed to what is meant: every value checked, with the way out where it is wrong.

use std::collections::BTreeMap;
use std::env;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use crate::build::{ContextSpec, DockerfileSpec, NamedContext, Options, Secret, SecretSource};
use crate::dockerfile::{csv_fields, suggest};
use crate::image::{Platform, Reference};
use crate::output::{self, OutputKind, OutputSpec};
use crate::plan::Network;
use crate::sandbox::{HostEntry, Isolation};

use super::args::{BuildArgs, StoreArgs, Unsupported};
use super::failure::Failure;

type Checked<T> = Result<T, Failure>;

/// The configuration file. Unknown keys are errors: a setting that nobody reads misleads.
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Registries asked in place of Docker Hub, in order.
    #[serde(default)]
    mirrors: Vec<String>,
}

/// The directory of the store.
pub(super) fn store_dir(args: &StoreArgs) -> Checked<PathBuf> {
    if let Some(dir) = &args.store {
        return Ok(dir.clone());
    }
    home_dir("XDG_DATA_HOME", ".local/share")
        .map(|dir| dir.join("kiln"))
        .ok_or_else(|| Failure::usage("there is no home directory for the store", Some("pass `--store DIR`")))
}

fn home_dir(variable: &str, below_home: &str) -> Option<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // The base directory specification: relative paths count as unset.
    set(variable).filter(|dir| dir.is_absolute()).or_else(|| set("HOME").map(|home| home.join(below_home)))
}

/// Checks the arguments of `kiln build`.
pub(super) fn build(args: &BuildArgs) -> Checked<Options> {
    refuse(&args.unsupported)?;
    if args.no_cache && !args.no_cache_filter.is_empty() {
        let message = "--no-cache and --no-cache-filter cannot currently be used together";
        return Err(Failure::usage(message, Some("`--no-cache` alone runs every stage anew")));
    }
    let outputs = outputs(args)?;
    let network = network(&args.network)?;
    let allowed = |name: &str| args.allow.iter().any(|given| given == name);
    if let Some(unknown) =
        args.allow.iter().find(|name| !matches!(name.as_str(), "network.host" | "security.insecure"))
    {
        let near = suggest(unknown, ["network.host", "security.insecure"]);
        let hint = near.map(|near| format!("did you mean `{near}`?"));
        return Err(Failure::usage(format!("unknown entitlement `{unknown}`"), hint.as_deref()));
    }
    Ok(Options {
        context: context(&args.context)?,
        dockerfile: match &args.file {
            None => DockerfileSpec::Default,
            Some(path) if path == Path::new("-") => DockerfileSpec::Stdin,
            Some(path) => DockerfileSpec::Path(path.clone()),
        },
        store: store_dir(&args.store)?,
        tags: args.tag.iter().map(|tag| reference(tag)).collect::<Checked<_>>()?,
        outputs,
        build_args: build_args(&args.build_arg),
        named_contexts: args.build_context.iter().map(|text| named_context(text)).collect::<Checked<_>>()?,
        labels: args.label.iter().map(|text| pair(text)).collect(),
        target: args.target.clone(),
        platform: platform(&args.platform)?,
        no_cache: args.no_cache,
        no_cache_filter: args.no_cache_filter.clone(),
        pull: args.pull,
        network,
        isolation: isolation(&args.isolation)?,
        jobs: match args.jobs {
            Some(0) => return Err(Failure::usage("--jobs must be at least 1", None)),
            jobs => jobs,
        },
        hosts: args.add_host.iter().map(|text| hosts(text)).collect::<Checked<Vec<_>>>()?.concat(),
        shm_size: args.shm_size.as_deref().map_or(Ok(0), |text| size("--shm-size", text))?,
        secrets: args.secret.iter().map(|text| secret(text)).collect::<Checked<_>>()?,
        // The reference's command line grants it with the flag.
        allow_network_host: allowed("network.host") || network == Network::Host,
        allow_insecure: allowed("security.insecure"),
        mirrors: [args.registry_mirror.clone(), config(args.config.as_deref())?.mirrors].concat(),
        now: now(),
    })
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}

fn refuse(flags: &Unsupported) -> Checked<()> {
    let given = [
        ("--push", flags.push, "write an archive with `-o` and push it with another tool"),
        ("--check", flags.check, "a build reports errors before its first step runs"),
        ("--call", flags.call.as_deref().is_some_and(|method| method != "build"), "leave it out to build"),
        ("--cache-from", !flags.cache_from.is_empty(), "keep the store (`--store`) between builds"),
        ("--cache-to", !flags.cache_to.is_empty(), "keep the store (`--store`) between builds"),
        ("--ssh", !flags.ssh.is_empty(), "pass a key with `--secret`"),
        ("--attest", !flags.attest.is_empty(), "leave it out"),
        ("--sbom", flags.sbom.as_deref().is_some_and(|value| value != "false"), "leave it out"),
        ("--provenance", flags.provenance.as_deref().is_some_and(|value| value != "false"), "pass `--provenance=false`"),
        ("--annotation", !flags.annotation.is_empty(), "use `--label`"),
        ("--ulimit", !flags.ulimit.is_empty(), "set limits in the RUN itself"),
        ("--policy", !flags.policy.is_empty(), "leave it out"),
    ];
    match given.into_iter().find(|(_, given, _)| *given) {
        Some((flag, _, hint)) => Err(Failure::usage(format!("`{flag}` is not supported yet"), Some(hint))),
        None => Ok(()),
    }
}

/// CTX-1.
fn context(path: &Path) -> Checked<ContextSpec> {
    if path == Path::new("-") {
        return Ok(ContextSpec::Stdin);
    }
    if path.as_os_str().is_empty() {
        return Err(Failure::usage("please specify build context", Some("often it is `.`")));
    }
    let text = path.to_string_lossy();
    let remote = ["http://", "https://", "git://", "ssh://", "git@", "github.com/"];
    if !path.is_dir() && remote.iter().any(|start| text.starts_with(start)) {
        return Ok(ContextSpec::Remote(text.into_owned()));
    }
    Ok(ContextSpec::Directory(path.to_owned()))
}

fn outputs(args: &BuildArgs) -> Checked<Vec<OutputSpec>> {
    let mut outputs = Vec::new();
    for text in &args.output {
        outputs.push(OutputSpec::parse(text).map_err(|error| Failure::usage(format!("--output: {error}"), None))?);
    }
    if args.load && !outputs.iter().any(|output| output.kind == OutputKind::Docker) {
        let hint = "write an archive with `-o type=docker,dest=FILE` and load that";
        return Err(Failure::usage("there is no engine that `--load` could load into", Some(hint)));
    }
    let terminal = std::io::stdout().is_terminal();
    output::check(&outputs, terminal).map_err(|error| Failure::usage(format!("--output: {error}"), None))?;
    let files_only = |output: &OutputSpec| matches!(output.kind, OutputKind::Local | OutputKind::Tar);
    if args.iidfile.is_some() && outputs.iter().any(files_only) {
        let message = "--iidfile has no image id to write with a local or tar output";
        return Err(Failure::usage(message, None));
    }
    Ok(outputs)
}

fn reference(text: &str) -> Checked<Reference> {
    let parsed: Reference = text.parse().map_err(|error: crate::image::ReferenceError| {
        let lower = text.to_lowercase();
        let hint = if lower != text && lower.parse::<Reference>().is_ok() {
            format!("names are in lower case: `{lower}`")
        } else {
            "an image is named `NAME[:TAG]`".to_owned()
        };
        Failure::usage(format!("--tag {error}"), Some(&hint))
    })?;
    if parsed.digest().is_some() {
        return Err(Failure::usage(format!("--tag `{text}`: a tag cannot have a digest"), None));
    }
    Ok(parsed)
}

/// `NAME[=VALUE]`; without a value the environment's counts, and without that the argument is dropped.
fn build_args(given: &[String]) -> BTreeMap<String, String> {
    let mut args = BTreeMap::new();
    for text in given {
        match text.split_once('=') {
            Some((name, value)) => {
                args.insert(name.to_owned(), value.to_owned());
            }
            None => {
                if let Ok(value) = env::var(text) {
                    args.insert(text.clone(), value);
                }
            }
        }
    }
    // TIME-1
    if let Ok(epoch) = env::var("SOURCE_DATE_EPOCH") {
        args.entry("SOURCE_DATE_EPOCH".to_owned()).or_insert(epoch);
    }
    args
}

fn named_context(text: &str) -> Checked<NamedContext> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(NamedContext { name: name.to_owned(), value: value.to_owned() }),
        _ => Err(Failure::usage(
            format!("invalid context value: {text}, expected key=value"),
            Some("write `--build-context NAME=DIR`"),
        )),
    }
}

fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (name.to_owned(), value.to_owned())
}

fn platform(given: &[String]) -> Checked<Option<Platform>> {
    let all: Vec<&str> = given.iter().flat_map(|text| text.split(',')).filter(|text| !text.is_empty()).collect();
    match all[..] {
        [] => Ok(None),
        ["local"] => Ok(Some(Platform::host())),
        [one] => {
            let platform: Platform =
                one.parse().map_err(|error: crate::image::PlatformError| Failure::usage(error.to_string(), None))?;
            Ok(Some(platform))
        }
        _ => Err(Failure::usage("several platforms at once are not supported yet", Some("build one after the other"))),
    }
}

fn network(text: &str) -> Checked<Network> {
    match text {
        "default" | "" => Ok(Network::Default),
        "none" => Ok(Network::None),
        "host" => Ok(Network::Host),
        other => {
            let hint = suggest(other, ["default", "none", "host"]).map(|near| format!("did you mean `{near}`?"));
            Err(Failure::usage(format!("invalid network mode \"{other}\""), hint.as_deref()))
        }
    }
}

fn isolation(text: &str) -> Checked<Option<Isolation>> {
    if matches!(text, "auto" | "default") {
        return Ok(None);
    }
    let Some(isolation) = Isolation::ALL.into_iter().find(|isolation| isolation.as_str() == text) else {
        let hint = suggest(text, Isolation::ALL.map(Isolation::as_str)).map(|near| format!("did you mean `{near}`?"));
        return Err(Failure::usage(format!("unknown isolation `{text}`"), hint.as_deref()));
    };
    match isolation {
        Isolation::Rootless | Isolation::SingleId => Err(Failure::usage(
            format!("`--isolation={text}` is not built yet"),
            Some("use `--isolation=root` or `--isolation=chroot`"),
        )),
        isolation => Ok(Some(isolation)),
    }
}

/// `NAME:IP`, `NAME=IP`, `NAME:[IP6]`, several separated by commas.
fn hosts(text: &str) -> Checked<Vec<HostEntry>> {
    let one = |text: &str| {
        let wrong = || Failure::usage(format!("invalid host `{text}`"), Some("write `--add-host NAME:ADDRESS`"));
        let (name, address) = text.split_once('=').or_else(|| text.split_once(':')).ok_or_else(wrong)?;
        let address = address.trim_start_matches('[').trim_end_matches(']');
        let address = if address == "host-gateway" { "127.0.0.1" } else { address };
        if name.is_empty() || address.parse::<std::net::IpAddr>().is_err() {
            return Err(wrong());
        }
        Ok(HostEntry { name: name.to_owned(), address: address.to_owned() })
    };
    text.split(',').map(one).collect()
}

/// A number of bytes with an optional binary unit.
fn size(flag: &str, text: &str) -> Checked<u64> {
    let lower = text.to_lowercase();
    let plain = lower.strip_suffix("ib").or_else(|| lower.strip_suffix('b')).unwrap_or(&lower);
    let (number, shift) = match plain.as_bytes().last() {
        Some(b'k') => (&plain[..plain.len() - 1], 10),
        Some(b'm') => (&plain[..plain.len() - 1], 20),
        Some(b'g') => (&plain[..plain.len() - 1], 30),
        _ => (plain, 0),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    bytes.ok_or_else(|| Failure::usage(format!("{flag}: `{text}` is not a size"), Some("write for example `64m`")))
}

/// SEC-1 and SEC-2.
fn secret(text: &str) -> Checked<Secret> {
    let wrong = |message: String| Failure::usage(message, Some("write `--secret id=ID,src=FILE` or `id=ID,env=NAME`"));
    let fields = csv_fields(text).ok_or_else(|| wrong(format!("failed to parse secret `{text}`")))?;
    let (mut id, mut source, mut variable, mut kind) = (None, None, None, None);
    for field in &fields {
        let Some((key, value)) = field.split_once('=') else {
            return Err(wrong(format!("invalid field '{field}' must be a key=value pair")));
        };
        match key.to_lowercase().as_str() {
            "id" => id = Some(value.to_owned()),
            "src" | "source" => source = Some(value.to_owned()),
            "env" => variable = Some(value.to_owned()),
            "type" if matches!(value, "file" | "env") => kind = Some(value.to_owned()),
            "type" => return Err(wrong(format!("unsupported secret type \"{value}\""))),
            _ => return Err(wrong(format!("unexpected key '{key}' in '{field}'"))),
        }
    }
    let id = id.filter(|id| !id.is_empty()).ok_or_else(|| wrong("secret missing ID".to_owned()))?;
    let source = match (kind.as_deref(), source, variable) {
        (Some("env"), Some(name), None) | (_, None, Some(name)) => SecretSource::Env(name),
        (_, Some(path), _) => SecretSource::File(PathBuf::from(path)),
        (_, None, None) if env::var_os(&id).is_some() => SecretSource::Env(id.clone()),
        (_, None, None) => SecretSource::File(PathBuf::from(&id)),
    };
    if let SecretSource::File(path) = &source
        && !path.is_file()
    {
        return Err(wrong(format!("secret {id}: {} is no file", path.display())));
    }
    Ok(Secret { id, source })
}

fn config(path: Option<&Path>) -> Checked<Config> {
    let (path, must_exist) = match path {
        Some(path) => (path.to_owned(), true),
        None => match home_dir("XDG_CONFIG_HOME", ".config") {
            Some(dir) => (dir.join("kiln/config.toml"), false),
            None => return Ok(Config::default()),
        },
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|error| {
            Failure::usage(format!("{}: {}", path.display(), error.to_string().trim_end()), Some("known keys: `mirrors`"))
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => Ok(Config::default()),
        Err(error) => Err(Failure::machine(&format!("cannot read {}", path.display()), &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_1_secrets() {
        for (text, good) in [
            ("id=a,env=HOME", true),
            ("id=a,type=env,src=HOME", true),
            ("env=HOME", false),
            ("id=a,foo=b", false),
            ("id=a,type=x", false),
            ("id=a,src=/does/not/exist", false),
        ] {
            assert_eq!(secret(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn cli_hosts_and_sizes() {
        assert_eq!(hosts("a:1.2.3.4,b=[::1]").unwrap().len(), 2);
        assert!(hosts("a").is_err() && hosts("a:b").is_err());
        assert_eq!(size("--shm-size", "64m").unwrap(), 64 << 20);
        assert!(size("--shm-size", "x").is_err());
    }

    #[test]
    fn rungs_that_are_not_built_say_so() {
        assert_eq!(isolation("auto").unwrap(), None);
        assert_eq!(isolation("chroot").unwrap(), Some(Isolation::Chroot));
        for text in ["rootless", "single-id", "chrot"] {
            assert!(isolation(text).is_err(), "{text}");
        }
    }
}
