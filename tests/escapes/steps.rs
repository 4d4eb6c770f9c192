//! Every attack of the table, as steps of one build on each rung; and the proof that the scripts can tell.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::Command;

use super::stage::{Holes, Rung, Stage, attack, device_numbers, ensure, rungs};
use super::table::{ATTACKS, Attack};
use crate::kit::{Image, skipped};

#[test]
fn every_attack_says_what_it_tries_and_there_are_enough() {
    assert!(ATTACKS.len() >= 60, "{}", ATTACKS.len());
    let mut names: Vec<_> = ATTACKS.iter().map(|attack| attack.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ATTACKS.len());
    assert!(ATTACKS.iter().all(|attack| attack.tries.split(' ').count() > 3));
}

#[test]
fn no_attack_by_a_step_gets_through() {
    let mut holes = Holes::default();
    let scopes = kernel_has_scopes();
    for rung in rungs() {
        let Some(through) = what_gets_through(rung, "") else { return };
        for attack in ATTACKS {
            let got_through = through.contains(&attack.name);
            let is_known = attack.limits.contains(&rung.name) || !scopes && attack.before_scopes.contains(&rung.name);
            let held = ensure(got_through == is_known, || {
                let what = if got_through { "got through" } else { "is held, although a limit says otherwise" };
                format!("{what} ({})", attack.script)
            });
            holes.note(&format!("a step that {}", attack.tries), rung.name, held);
        }
    }
    holes.none();
}

/// Whether a process can be kept to its own sockets and signals (`landlock(7)`, Linux 6.12).
fn kernel_has_scopes() -> bool {
    let has = attack().is_some_and(|program| Command::new(program).arg("scopes").status().unwrap().success());
    if !has {
        skipped("this kernel keeps no step from sockets without a file, nor one of the rung chroot from signals");
    }
    has
}

/// A script that never succeeds would prove nothing.
#[test]
fn attacks_get_through_where_all_is_allowed() {
    let Some(rung) = rungs().first() else { return };
    let Some(through) = what_gets_through(rung, "--security=insecure ") else { return };
    let mut holes = Holes::default();
    for attack in ATTACKS.iter().filter(|attack| attack.insecure) {
        holes.note(attack.name, rung.name, ensure(through.contains(&attack.name), || "does not tell".to_owned()));
    }
    holes.none();
}

/// The names of the attacks that succeed.
fn what_gets_through(rung: &Rung, flags: &str) -> Option<Vec<&'static str>> {
    let mut stage = Stage::new(rung)?;
    let Some(program) = attack() else {
        skipped("the attacks by system calls need gcc and a static libc");
        return None;
    };
    let name = format!("kiln-canary-{}", stage.kit.path("").file_name().unwrap().to_str().unwrap());
    let _listening = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let (major, minor) = device_numbers(fs::metadata("/").unwrap().dev());
    let fill = |script: &str| {
        script
            .replace("@OUTSIDE@", stage.outside("").to_str().unwrap().trim_end_matches('/'))
            .replace("@STORE@", stage.kit.path("store").to_str().unwrap())
            .replace("@DISK@", &format!("{major}:{minor}"))
            .replace("@SOCKET@", &name)
    };
    let steps: Vec<String> = ATTACKS.iter().map(|attack| step(attack, flags, &fill)).collect();
    let dockerfile = format!(
        "FROM busybox AS beside\nRUN --mount=type=secret,id=s sleep 1 && test -s /run/secrets/s\n\
         FROM based\nCOPY --chmod=755 attack /attack\nADD nodes.tar /nodes/\n\
         RUN --mount=type=secret,id=s mkdir /through && test -s /run/secrets/s\n{}\
         COPY --from=beside /etc/passwd /beside\n",
        steps.concat()
    );
    super::images::based(
        &stage.kit.path("based"),
        &stage.kit.path("base"),
        &[super::tar::block_device("based-disk", major, minor)],
    );
    let based = format!("based=oci-layout://{}", stage.kit.path("based").display());
    stage.kit.file("attack", "").dockerfile(&dockerfile);
    fs::copy(program, stage.kit.path("context/attack")).unwrap();
    fs::write(stage.kit.path("context/nodes.tar"), super::tar::tar(&[super::tar::block_device("disk", major, minor)]))
        .unwrap();
    fs::write(stage.kit.path("secret"), "secret-of-a-step-9d1f").unwrap();
    let secret = format!("id=s,src={}", stage.kit.path("secret").display());
    stage.kit.flag(&["--build-context", &based, "--secret", &secret, "--allow", "security.insecure"]);
    let output = stage.build(&[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "on {}: {stderr}", rung.name);
    if flags.is_empty() {
        stage.outside_is_untouched().unwrap();
    }
    let image = Image::read(&stage.kit.path("out.tar"));
    let tree = image.flattened();
    let said =
        |attack: &Attack| String::from_utf8_lossy(&tree[&format!("through/{}", attack.name)].content).into_owned();
    for attack in ATTACKS {
        assert!(["held\n", "through\n"].contains(&&*said(attack)), "{}: {}", attack.name, said(attack));
    }
    Some(ATTACKS.iter().filter(|attack| said(attack) == "through\n").map(|attack| attack.name).collect())
}

fn step(attack: &Attack, flags: &str, fill: &dyn Fn(&str) -> String) -> String {
    let script = fill(attack.script);
    format!(
        "RUN {flags}if ({script}) >/dev/null 2>&1; then echo through; else echo held; fi > /through/{}\n",
        attack.name
    )
}
