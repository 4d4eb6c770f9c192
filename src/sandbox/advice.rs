//! What would give a stronger rung: the one setting of this machine that is in the way, as far as that can be told.

use std::fs;

use rustix::process::geteuid;

use super::standing::in_path;
use super::{Isolation, Standing};

/// What to change for `isolation`, which has been refused.
pub(super) fn way_out(isolation: Isolation) -> Option<String> {
    match isolation {
        Isolation::Root => Some(root()),
        Isolation::Rootless => Some(user_namespaces().unwrap_or_else(subordinate_ids)),
        Isolation::SingleId => user_namespaces(),
        Isolation::Chroot => Some("run kiln as root, or with CAP_SYS_CHROOT".to_owned()),
        Isolation::Files => None,
    }
}

fn root() -> String {
    match Standing::at_start() {
        Standing::Admin => "allow mount(2) in the security profile of kiln's container".to_owned(),
        Standing::Root => "give kiln's container CAP_SYS_ADMIN, as `--cap-add SYS_ADMIN` does".to_owned(),
        Standing::ManyIds | Standing::OneId | Standing::User => "run kiln as root of the machine".to_owned(),
    }
}

/// The setting that forbids user namespaces; `None` where they are to be had.
fn user_namespaces() -> Option<String> {
    let is = |file: &str, value: &str| fs::read_to_string(file).is_ok_and(|text| text.trim() == value);
    // Of Debian, of all kernels, and of Ubuntu.
    for (name, forbids, allows) in [
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("user.max_user_namespaces", "0", "15000"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ] {
        if is(&format!("/proc/sys/{}", name.replace('.', "/")), forbids) {
            return Some(format!("run `sysctl -w {name}={allows}` as root"));
        }
    }
    if matches!(Standing::current(), Standing::User | Standing::Root) {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        return Some(if status.lines().any(|line| line.starts_with("Seccomp:") && line.ends_with('2')) {
            "let the seccomp profile of kiln's container allow unshare(2), or set `hostUsers: false` in the pod"
                .to_owned()
        } else {
            "allow unshare(2) of user namespaces in the security profile that kiln runs under".to_owned()
        });
    }
    None
}

fn subordinate_ids() -> String {
    if ["newuidmap", "newgidmap"].into_iter().any(|helper| in_path(helper).is_none()) {
        return "install `newuidmap` and `newgidmap` (package uidmap, or shadow-utils)".to_owned();
    }
    // In a namespace of one id, the user's own number is what stands outside.
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let outside = map.split_whitespace().nth(1).map(str::to_owned);
    let user = outside.filter(|_| geteuid().is_root()).unwrap_or_else(|| geteuid().as_raw().to_string());
    format!("add the line `{user}:100000:65536`, or a range that is free, to /etc/subuid and to /etc/subgid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refused_rung_has_advice_of_one_line() {
        for isolation in [Isolation::Root, Isolation::Rootless, Isolation::Chroot] {
            let advice = way_out(isolation).unwrap_or_default();
            assert!(!advice.is_empty() && !advice.contains('\n'), "{isolation}: {advice}");
        }
        assert_eq!(way_out(Isolation::Files), None);
    }
}
