//! Flags of `kiln build` that change what a RUN sees, each by a RUN that shows it.

use crate::kit::{Image, Kit, root};

fn text(image: &Image, path: &str) -> String {
    String::from_utf8(image.file_of_image(path).unwrap().content).unwrap()
}

#[test]
fn cli_add_host_names_addresses_of_both_families() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.flag(&["--add-host", "a:192.0.2.1", "--add-host", "b=[2001:db8::1],c:host-gateway"])
        .dockerfile("FROM busybox\nRUN cat /etc/hosts > /a\n");
    let hosts = text(&kit.build().succeeds(), "/a");
    for line in ["192.0.2.1\ta", "2001:db8::1\tb", "127.0.0.1\tc"] {
        assert!(hosts.lines().any(|found| found == line), "no {line:?} in:\n{hosts}");
    }
}

#[test]
fn cli_shm_size_is_the_size_of_shared_memory() {
    if !root() {
        return;
    }
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.dockerfile("FROM busybox\nRUN stat -f -c '%b %S' /dev/shm > /a\n");
    for (flags, want) in [(["--shm-size", "1m"], 1 << 20), (["--shm-size", "0"], 64 << 20)] {
        kit.new_store().flag(&flags);
        let told = text(&kit.build().succeeds(), "/a");
        kit.without_flag(&flags);
        let size: u64 = told.split_whitespace().map(|number| number.parse::<u64>().unwrap()).product();
        assert_eq!(size, want, "{flags:?}");
    }
}

#[test]
fn run_20_network_none_has_loopback_only_and_run_may_say_otherwise() {
    if !root() {
        return;
    }
    let Some(mut kit) = Kit::with_busybox() else { return };
    let count = "grep -c : /proc/net/dev";
    kit.flag(&["--network", "none"]).dockerfile(&format!(
        "FROM busybox\nRUN {count} > /default\nRUN --network=host {count} > /host\nRUN --network=none {count} > /none\n"
    ));
    kit.build().fails_with(1, &["network.host is not allowed", "--allow network.host"]);
    let image = kit.flag(&["--allow", "network.host"]).build().succeeds();
    let outside = std::fs::read_to_string("/proc/net/dev").unwrap().lines().filter(|line| line.contains(':')).count();
    assert_eq!(text(&image, "/default"), text(&image, "/none"));
    assert_eq!(text(&image, "/host"), format!("{outside}\n"));
    let before = text(
        &kit.without_flag(&["--allow", "network.host"]).flag(&["--network", "host"]).build().succeeds(),
        "/default",
    );
    assert_eq!(before, format!("{outside}\n"), "the last `--network` counts, and grants itself");
}

#[test]
fn run_21_insecure_has_all_capabilities_and_no_masks() {
    if !root() {
        return;
    }
    let Some(mut kit) = Kit::with_busybox() else { return };
    let look = "grep CapEff /proc/self/status > /caps; grep Seccomp: /proc/self/status >> /caps; \
                touch /proc/sys/kernel/hostname 2> /dev/null && echo writable >> /caps; wc -c < /proc/keys >> /caps";
    kit.flag(&["--allow", "security.insecure"])
        .dockerfile(&format!("FROM busybox\nRUN {look}\nRUN cp /caps /sandbox\nRUN --security=insecure {look}\n"));
    let image = kit.build().succeeds();
    assert_eq!(text(&image, "/sandbox"), "CapEff:\t00000000a80425fb\nSeccomp:\t2\n0\n");
    let insecure = text(&image, "/caps");
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find(|line| line.starts_with("CapEff")).unwrap();
    assert!(insecure.starts_with(&format!("{own}\nSeccomp:\t0\nwritable\n")), "{insecure}");
}

#[test]
fn cli_no_cache_filter_runs_the_stages_it_names() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.dockerfile(
        "FROM busybox AS one\nRUN echo 1 > /1\nFROM busybox AS two\nRUN echo 2 > /2\nFROM one\nCOPY --from=two /2 /\n",
    );
    kit.build().succeeds();
    let built = kit.flag(&["--no-cache-filter", "two"]).build();
    built.succeeds();
    assert_eq!(built.steps_run(), ["RUN echo 2 > /2"], "{}", built.stderr());
}

#[test]
fn arg_9_proxies_are_seen_by_run_and_nowhere_else() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.flag(&["--build-arg", "HTTP_PROXY=http://proxy.test:1", "--build-arg", "no_proxy=x.test"])
        .dockerfile("FROM busybox\nRUN env | grep -i proxy | sort | sed 's/proxy.test/shown/' > /a\n");
    let first = kit.build();
    let image = first.succeeds();
    assert_eq!(
        text(&image, "/a"),
        "HTTP_PROXY=http://shown:1\nNO_PROXY=x.test\nhttp_proxy=http://shown:1\nno_proxy=x.test\n"
    );
    assert!(!image.config().to_string().contains("http://proxy"), "{}", image.config());
    kit.without_flag(&["--build-arg", "HTTP_PROXY=http://proxy.test:1"]);
    assert_eq!(kit.build().steps_run(), Vec::<String>::new(), "KEY-4: another proxy is no other step");
}
