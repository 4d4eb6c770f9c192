//! Ways to keep a step apart differ in what they need, never in what they make.

use std::fs;
use std::process::Command;

use crate::kit::{CONTAINER, Kit, installed, root};

#[test]
fn every_isolation_gives_the_same_layers() {
    if !root() {
        return;
    }
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.file("kept", "x").dockerfile(concat!(
        "FROM busybox\n",
        "COPY kept /dir/kept\n",
        "RUN mkdir /dir/sub && echo 1 > /dir/sub/a && ln /dir/sub/a /dir/sub/b && ln -s a /dir/sub/c\n",
        "RUN rm -r /dir/sub && mkdir /dir/sub && echo 2 > /dir/sub/d && chmod 4755 /dir/kept && chown 7:8 /tmp\n",
        "RUN rm /etc/passwd && mv /dir /moved\n",
        "RUN true\n",
    ));
    let mut layers = |isolation: &str| {
        kit.new_store().flag(&["--isolation", isolation]);
        let image = kit.build().succeeds();
        kit.without_flag(&["--isolation", isolation]);
        let listings: Vec<Vec<String>> = (0..image.layer_digests().len())
            .map(|number| {
                let entries = image.layer(number).0;
                entries
                    .iter()
                    .map(|entry| {
                        let (mode, uid, gid) = (entry.mode, entry.uid, entry.gid);
                        format!("{} {:?} {mode:o} {uid}:{gid} {:?}", entry.path, entry.kind, entry.content)
                    })
                    .collect()
            })
            .collect();
        listings
    };
    assert_eq!(layers("root"), layers("chroot"));
}

#[test]
fn a_step_does_not_see_the_machine() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.file("a", "x")
        .env("OUTSIDE", "leak")
        .dockerfile(concat!("FROM busybox\n", "RUN env > /env; ls / > /root-list\n",));
    let image = kit.build().succeeds();
    let text = |path: &str| String::from_utf8(image.file_of_image(path).unwrap().content).unwrap();
    assert!(!text("/env").contains("leak"), "{}", text("/env"));
    let allowed = ["bin", "dev", "env", "etc", "proc", "root", "root-list", "run", "sys", "tmp"];
    for name in text("/root-list").lines() {
        assert!(allowed.contains(&name), "{name} is of the machine");
    }
}

/// As in most containers, whose own root is one.
#[test]
fn a_store_on_an_overlay_gets_work_trees() {
    if !root() {
        return;
    }
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.dockerfile("FROM busybox\nRUN echo one > /a\nRUN cat /a /a > /b && hostname > /c\n");
    for name in ["store", "lower", "upper", "work"] {
        fs::create_dir(kit.path(name)).unwrap();
    }
    let files = kit.path("files");
    let build = kit.command(&["--isolation", "root", "-o", files.to_str().unwrap()]);
    let mount = "mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work store && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", mount, "sh"]).arg(build.get_program()).args(build.get_args());
    let output = command.current_dir(kit.path("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read_to_string(files.join("b")).unwrap(), "one\none\n");
    assert_eq!(fs::read_to_string(files.join("c")).unwrap(), "buildkitsandbox\n", "it is no chroot");
}

/// Of root that lacks a capability, not of an ordinary user, although kiln has entered a user namespace where it may.
#[test]
fn doctor_names_the_capability_that_root_lacks() {
    if !root() || !installed("setpriv") {
        return;
    }
    let mut command = Command::new("setpriv");
    command.args([
        "--bounding-set=-sys_admin",
        "--inh-caps=-sys_admin",
        env!("CARGO_BIN_EXE_kiln"),
        "doctor",
        "--json",
    ]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_ne!(report["isolation"], "root");
    let refused = &report["refused"][0];
    assert_eq!((&refused["isolation"], &refused["reason"]), (&"root".into(), &"root has no CAP_SYS_ADMIN here".into()));
    assert!(refused["way_out"].as_str().unwrap().contains("--cap-add SYS_ADMIN"), "{report:#}");
}

/// As the kernel has it where they are mounted; what is not refused is told.
#[test]
fn read_only_mounts_refuse_writes_where_nothing_is_mounted() {
    if !root() {
        return;
    }
    let Some(mut kit) = Kit::with_busybox() else { return };
    let attempts = [
        "touch /c/new",
        "echo x >> /c/f",
        "echo x > /link",
        "cd /c && mkdir d",
        "rm /c/f",
        "mv /c/f /c/g",
        "mv /etc/passwd /c/f",
        "ln /c/f /f",
        "ln -s f /c/l",
        "chmod 600 /c/f",
        "chown 5 /c/f",
        "touch /c/f",
        "mv /c /d",
        "rm -r /c/d",
        "mknod /c/p p",
        "mknod /c/b b 8 0",
        "touch /one",
    ];
    let tried: Vec<String> = attempts.iter().map(|attempt| format!("({attempt}) 2>/dev/null && exit 1")).collect();
    let allowed =
        "cat /c/f /one > /all && cp -r /c /copy && echo x > /copy/f && touch /c/d/../../new && ! test -e /c/new";
    kit.file("f", "text").file("d/x", "below").flag(&["--isolation", "chroot"]).dockerfile(&format!(
        "FROM busybox\nRUN ln -s c/f /link\n\
         RUN --mount=target=/c --mount=source=f,target=/one {}; {allowed}\nRUN ! test -e /c && ! test -e /one\n",
        tried.join("; ")
    ));
    let built = kit.build();
    assert!(!built.stderr().contains("takes writes"), "{}", built.stderr());
    let image = built.succeeds();
    assert_eq!(image.file_of_image("/all").unwrap().content, b"texttext");
}

/// Where it is no network of its own, it is none all the same.
#[test]
fn run_20_no_network_is_none_without_namespaces() {
    if !root() || !installed("setpriv") {
        return;
    }
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.dockerfile(
        "FROM busybox\nRUN --network=none busybox nc -w 1 127.0.0.1 9 < /dev/null 2>&1 | grep 'not supported'; \
         busybox ping -c 1 -w 1 127.0.0.1 2>&1 | grep 'not supported'\n",
    );
    let build = kit.command(&["--isolation", "chroot"]);
    let mut command = Command::new("setpriv");
    command.args([&format!("--bounding-set={CONTAINER}"), "--inh-caps=-all"]);
    let output = command.arg(build.get_program()).args(build.get_args()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_step_knows_itself_where_no_proc_is_mounted() {
    if !root() {
        return;
    }
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.flag(&["--isolation", "chroot", "--build-arg", "BUILDKIT_SANDBOX_HOSTNAME=other"]).dockerfile(
        "FROM busybox\n\
         RUN (echo one > /dev/stdout) > /a && (echo two > /dev/stderr) 2>&1 | cat >> /a && echo three | cat /dev/stdin >> /a\n\
         RUN ln -s /dev/stdout /log && (echo four > /log) | cat >> /a && echo five | (exec 7<&0; cat /dev/fd/7 >> /a)\n\
         RUN (cat /dev/fd/9) 2>/dev/null && exit 1; ls -l /dev/fd/ > /dev/null && readlink /proc/self/exe >> /a\n\
         RUN ! chmod 700 /proc/self/fd/0 2> /dev/null && echo five and a half | cat /proc/self/fd/0 >> /a\n\
         RUN uname -n >> /a && grep -c Umask /proc/self/status >> /a && readlink /proc/self/fd/0 >> /a\n\
         USER daemon\nRUN cat /proc/self/status | grep -q '^Uid:.1' && echo six | cat /dev/stdin | grep six\n",
    );
    let image = kit.build().succeeds();
    let text = String::from_utf8(image.file_of_image("/a").unwrap().content).unwrap();
    assert_eq!(text, "one\ntwo\nthree\nfour\nfive\n/bin/busybox\nfive and a half\nother\n1\n/dev/null\n");
}
