//! The values of flags that hold RUN back.

use std::time::Duration;

use jiff::SignedDuration;

use crate::dockerfile::suggest;
use crate::sandbox::{Limits, Resources, Ulimit};

use super::args::{BuildArgs, ResourceArgs};
use super::failure::Failure;
use super::options::Checked;
use super::values;

/// All of them.
pub(super) fn limits(args: &BuildArgs) -> Checked<Limits> {
    Ok(Limits {
        ulimits: args.ulimit.iter().map(|text| ulimit(text)).collect::<Checked<_>>()?,
        timeout: args.step_timeout.as_deref().filter(|text| !text.is_empty()).map(timeout).transpose()?,
    })
}

/// `--ulimit NAME=SOFT[:HARD]`; -1 is no limit.
fn ulimit(text: &str) -> Checked<Ulimit> {
    let wrong = |message: String| Failure::usage(message, Some("write for example `--ulimit nofile=1024:2048`"));
    let (name, values) = text.split_once('=').ok_or_else(|| wrong(format!("invalid ulimit argument: {text}")))?;
    let number = |text: &str| match text {
        "-1" => Ok(None),
        digits => digits.parse::<u64>().map(Some).map_err(|_| wrong(format!("invalid ulimit value: {text}"))),
    };
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let (soft, hard) = (number(soft)?, number(hard)?);
    if hard.is_some_and(|hard| soft.is_none_or(|soft| soft > hard)) {
        return Err(wrong(format!("the soft limit is above the hard limit: {text}")));
    }
    Ulimit::new(name, soft, hard).ok_or_else(|| {
        let near = suggest(name, Ulimit::names()).map(|near| format!("did you mean `{near}`?"));
        let all = || format!("the limits are {}", Ulimit::names().collect::<Vec<_>>().join(", "));
        Failure::usage(format!("invalid ulimit type: {name}"), Some(&near.unwrap_or_else(all)))
    })
}

/// `--step-timeout`
fn timeout(text: &str) -> Checked<Duration> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    parsed.filter(|duration| !duration.is_zero()).ok_or_else(|| {
        let message = format!("--step-timeout: `{text}` is no length of time");
        Failure::usage(message, Some("write for example `90s`, `10m` or `1h30m`"))
    })
}

/// `--memory` and its like, `--resource`, `--cgroup-parent`. A value of its own flag counts for more; 0 is no limit.
pub(super) fn resources(args: &ResourceArgs) -> Checked<Resources> {
    let mut resources = Resources { parent: given(args.cgroup_parent.as_deref()), ..Resources::default() };
    for text in &args.resource {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Failure::usage(format!("--resource `{text}` has no value"), Some("write `--resource memory=512m`"))
        })?;
        set(&mut resources, name, value)?;
    }
    let flags = [&args.memory, &args.memory_swap, &args.cpu_shares, &args.cpu_period, &args.cpu_quota];
    let flags = flags.into_iter().chain([&args.cpuset_cpus, &args.cpuset_mems]);
    for (name, value) in RESOURCES.into_iter().zip(flags) {
        if let Some(value) = value {
            set(&mut resources, name, value)?;
        }
    }
    match (resources.memory, resources.memory_and_swap) {
        (None, Some(Some(_))) => {
            Err(Failure::usage("--memory-swap counts memory as well, and needs --memory", Some("set both")))
        }
        (Some(memory), Some(Some(both))) if both < memory => {
            Err(Failure::usage("--memory-swap is less than --memory, which it includes", Some("make it larger")))
        }
        _ => Ok(resources),
    }
}

const RESOURCES: [&str; 7] =
    ["memory", "memory-swap", "cpu-shares", "cpu-period", "cpu-quota", "cpuset-cpus", "cpuset-mems"];

fn set(resources: &mut Resources, name: &str, value: &str) -> Checked<()> {
    let flag = format!("--{name}");
    let size =
        || if value.is_empty() { Ok(None) } else { values::size(&flag, value).map(|size| (size > 0).then_some(size)) };
    let number = || match value {
        "" | "0" | "-1" => Ok(None),
        digits => digits
            .parse::<u64>()
            .map(Some)
            .map_err(|_| Failure::usage(format!("{flag}: `{digits}` is no number"), Some("it is a whole number"))),
    };
    let list = || match given(Some(value)) {
        Some(list) if !list.bytes().all(|byte| byte.is_ascii_digit() || b",-".contains(&byte)) => {
            Err(Failure::usage(format!("{flag}: `{list}` is no list"), Some("write for example `0-2,4`")))
        }
        list => Ok(list),
    };
    match name {
        "memory" => resources.memory = size()?,
        "memory-swap" if value == "-1" => resources.memory_and_swap = Some(None),
        "memory-swap" => resources.memory_and_swap = size()?.map(Some),
        "cpu-shares" => resources.cpu_shares = number()?,
        "cpu-period" => resources.cpu_period = number()?,
        "cpu-quota" => resources.cpu_quota = number()?,
        "cpuset-cpus" => resources.cpus = list()?,
        "cpuset-mems" => resources.memory_nodes = list()?,
        other => {
            let near = suggest(other, RESOURCES).map(|near| format!("did you mean `{near}`?"));
            return Err(Failure::usage(format!("--resource: there is no `{other}`"), near.as_deref()));
        }
    }
    Ok(())
}

/// Scripts pass an empty value for what is not set.
fn given(value: Option<&str>) -> Option<String> {
    value.filter(|value| !value.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cli_resources() {
        let resource = |list: &[&str]| ResourceArgs {
            resource: list.iter().map(|text| (*text).to_owned()).collect(),
            ..ResourceArgs::default()
        };
        let some = |text: &str| Some(text.to_owned());
        let none = Resources::default();
        for (row, args, want) in [
            ("nothing", resource(&[]), Ok(none.clone())),
            ("empty and zero", resource(&["memory=0", "cpu-quota=-1", "cpuset-cpus="]), Ok(none.clone())),
            (
                "a flag counts for more",
                ResourceArgs { memory: some("1k"), memory_swap: some("-1"), ..resource(&["memory=2k"]) },
                Ok(Resources { memory: Some(1024), memory_and_swap: Some(None), ..none.clone() }),
            ),
            (
                "processors",
                resource(&["cpuset-cpus=0-1,3", "cpu-shares=512", "cpu-quota=5", "cpu-period=6"]),
                Ok(Resources {
                    cpus: some("0-1,3"),
                    cpu_shares: Some(512),
                    cpu_quota: Some(5),
                    cpu_period: Some(6),
                    ..none.clone()
                }),
            ),
            ("no such", resource(&["memroy=1"]), Err("`memory`?")),
            ("no value", resource(&["memory"]), Err("has no value")),
            ("no size", resource(&["memory=much"]), Err("`much` is not a size")),
            ("no number", resource(&["cpu-quota=1.5"]), Err("`1.5` is no number")),
            ("no list", resource(&["cpuset-cpus=../x"]), Err("`../x` is no list")),
            ("swap alone", resource(&["memory-swap=1m"]), Err("needs --memory")),
            ("less swap", resource(&["memory=2m", "memory-swap=1m"]), Err("is less than --memory")),
        ] {
            match (resources(&args).map_err(|failure| failure.to_string()), want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want, "{row}"),
                (Err(got), Err(want)) => assert!(got.contains(want), "{row}: {got}"),
                (got, want) => panic!("{row}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn cli_ulimits() {
        for (text, want) in [
            ("nofile=1024", Ok("nofile=1024:1024")),
            ("nofile=1024:2048", Ok("nofile=1024:2048")),
            ("core=0:-1", Ok("core=0:-1")),
            ("stack=-1", Ok("stack=-1:-1")),
            ("nofile", Err("invalid ulimit argument: nofile")),
            ("nofile=many", Err("invalid ulimit value: many")),
            ("nofile=2:1", Err("the soft limit is above the hard limit")),
            ("nofile=-1:1", Err("the soft limit is above the hard limit")),
            ("nofiel=1", Err("`nofile`?")),
            ("memory=1", Err("the limits are core, cpu")),
        ] {
            let got = ulimit(text).map(|limit| limit.to_string()).map_err(|failure| failure.to_string());
            match (got, want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want, "{text}"),
                (Err(got), Err(want)) => assert!(got.contains(want), "{text}: {got}"),
                (got, want) => panic!("{text}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn cli_timeouts() {
        for (text, want) in [
            ("90s", Some(90_000)),
            ("1h30m", Some(5_400_000)),
            ("1.5s", Some(1_500)),
            ("100ms", Some(100)),
            ("90", None),
            ("0s", None),
            ("-1s", None),
            ("soon", None),
        ] {
            assert_eq!(timeout(text).ok().map(|time| time.as_millis()), want, "{text}");
        }
    }
}
