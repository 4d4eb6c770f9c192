//! ssh agents are there for their step on every rung, list and sign, and nothing of them stays (RUN-45, SSH-1, KEY-4).

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::kit::{Kit, installed, output_of, root, text};

/// Kinds of keys, as `ssh-keygen` makes them, and the forms of their files.
const KEYS: [(&str, &[&str]); 6] = [
    ("ed25519", &["-t", "ed25519"]),
    ("rsa", &["-t", "rsa", "-b", "2048"]),
    ("ecdsa-256", &["-t", "ecdsa", "-b", "256"]),
    ("ecdsa-384", &["-t", "ecdsa", "-b", "384"]),
    ("pkcs1", &["-t", "rsa", "-b", "2048", "-m", "PEM"]),
    ("pkcs8", &["-t", "ecdsa", "-m", "PKCS8"]),
];

/// A kit whose base has the machine's own OpenSSH; the keys lie beside the context, their public halves in it.
fn kit() -> Option<Kit> {
    if !root() || !["ssh-agent", "ssh-add", "ssh-keygen"].into_iter().all(installed) {
        return None;
    }
    let mut kit = Kit::new();
    kit.flag(&["--build-context", "tools=host:sh,ls,rm,stat,ssh-add,ssh-keygen"]);
    Some(kit)
}

fn generate(kit: &mut Kit, name: &str, options: &[&str]) -> PathBuf {
    let key = kit.path(name);
    output_of("ssh-keygen", &[options, &["-q", "-N", "", "-C", name, "-f", text(&key)]].concat());
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    kit.file(&format!("{name}.pub"), &public);
    key
}

/// Signs and verifies with the key whose public half is `NAME.pub`. RSA is asked for with SHA-512, as ssh does today.
const SIGN: &str = "sign() { t=/dev/shm/t; echo text > $t && ssh-keygen -Y sign -n file -f /$1.pub $t && \
                    ssh-keygen -Y check-novalidate -n file -s $t.sig < $t && rm $t $t.sig; }";

#[test]
fn ssh_1_keys_list_and_sign_on_every_rung() {
    let Some(mut kit) = kit() else { return };
    let paths: Vec<String> =
        KEYS.iter().map(|(name, options)| generate(&mut kit, name, options).display().to_string()).collect();
    let names: Vec<&str> = KEYS.iter().map(|(name, _)| *name).collect();
    kit.flag(&["--ssh", &format!("default={}", paths.join(","))]).dockerfile(&format!(
        "FROM tools\nCOPY *.pub /\nRUN --mount=type=ssh {SIGN}; set -e; ssh-add -L; ! ssh-add -D; \
         for name in {}; do sign $name; done\n",
        names.join(" ")
    ));
    for isolation in ["root", "rootless", "single-id", "chroot"] {
        kit.new_store().flag(&["--isolation", isolation]);
        let built = kit.build();
        let image = built.succeeds();
        kit.without_flag(&["--isolation", isolation]);
        assert_eq!(built.stderr().matches("Good \"file\" signature").count(), KEYS.len(), "{}", built.stderr());
        for (name, _) in KEYS {
            let public = fs::read_to_string(kit.path(&format!("{name}.pub"))).unwrap();
            let shown = public.split_whitespace().nth(1).unwrap();
            assert!(built.stderr().contains(shown), "{isolation}: {name} is not listed:\n{}", built.stderr());
        }
        image.last_layer().lists(&[]);
    }
}

/// An agent that ends with the test.
struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(kit: &Kit) -> Self {
        let socket = kit.path("agent");
        let child = Command::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        while !socket.exists() {
            assert!(began.elapsed() < Duration::from_secs(10), "no agent");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { child, socket }
    }

    fn add(&self, arguments: &[&str]) -> String {
        let output = Command::new("ssh-add").args(arguments).env("SSH_AUTH_SOCK", &self.socket).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn ssh_1_an_agent_is_forwarded_and_cannot_be_changed() {
    let Some(mut kit) = kit() else { return };
    let key = generate(&mut kit, "key", &["-t", "rsa", "-b", "2048"]);
    generate(&mut kit, "other", &["-t", "ed25519"]);
    let private = fs::read_to_string(kit.path("other")).unwrap();
    kit.file("other", &private).mode("other", 0o600);
    let agent = Agent::start(&kit);
    agent.add(&["-q", text(&key)]);
    let listed = agent.add(&["-l"]);
    assert!(listed.contains("key (RSA)"), "{listed}");
    kit.dockerfile(&format!(
        "FROM tools\nCOPY key.pub other /\nRUN --mount=type=ssh,id=mine {SIGN}; set -e; ssh-add -l; sign key; \
         ! ssh-add -D; ! ssh-add -d /key.pub; ! ssh-add /other; echo refused\n"
    ));
    let socket = agent.socket.display().to_string();
    for (isolation, flag) in [("root", "mine"), ("single-id", "mine"), ("chroot", &format!("mine={socket}"))] {
        kit.new_store().flag(&["--ssh", flag, "--isolation", isolation]).env("SSH_AUTH_SOCK", &socket);
        let built = kit.build();
        built.succeeds().last_layer().lists(&[]);
        assert!(built.stderr().contains("refused") && built.stderr().contains("key (RSA)"), "{}", built.stderr());
        kit.without_flag(&["--ssh", flag, "--isolation", isolation]);
    }
    assert_eq!(agent.add(&["-l"]), listed, "the agent's keys are what they were");
}

#[test]
fn run_45_options_and_defaults_of_the_mount() {
    let Some(mut kit) = kit() else { return };
    let key = generate(&mut kit, "key", &["-t", "ed25519"]);
    kit.flag(&["--ssh", &format!("default={}", key.display())]).dockerfile(concat!(
        "FROM tools\n",
        "RUN --mount=type=ssh stat -c '%n %F %a %u:%g' $SSH_AUTH_SOCK > /a\n",
        "RUN --mount=type=ssh --mount=type=ssh,target=/x/s,mode=0666,uid=7,gid=8 \\\n",
        "    stat -c '%n %F %a %u:%g' $SSH_AUTH_SOCK /x/s > /b\n",
        "RUN --mount=type=ssh,id=none echo $SSH_AUTH_SOCK > /c; ls /run >> /c\n",
        "ENV SSH_AUTH_SOCK=/mine\n",
        "RUN --mount=type=ssh echo $SSH_AUTH_SOCK > /d\n",
        "RUN ls /x /run/buildkit 2>/dev/null > /e || true\n",
    ));
    for isolation in ["root", "chroot"] {
        kit.new_store().flag(&["--isolation", isolation]);
        let image = kit.build().succeeds();
        kit.without_flag(&["--isolation", isolation]);
        for (path, want) in [
            ("/a", "/run/buildkit/ssh_agent.0 socket 600 0:0\n"),
            ("/b", "/run/buildkit/ssh_agent.0 socket 600 0:0\n/x/s socket 666 7:8\n"),
            ("/c", "/run/buildkit/ssh_agent.0\n"),
            ("/d", "/mine\n"),
            ("/e", ""),
        ] {
            let got = image.file_of_image(path).unwrap().content;
            assert_eq!(String::from_utf8_lossy(&got), want, "{isolation}: {path}");
        }
    }
}

#[test]
fn run_45_a_required_agent_that_is_not_there_is_told_at_its_mount() {
    let Some(mut kit) = Kit::with_busybox() else { return };
    kit.dockerfile("FROM busybox\nRUN --mount=type=tmpfs,target=/t \\\n    --mount=type=ssh,id=deploy,required true\n");
    kit.build().fails_with(
        1,
        &["no ssh agent for the required ssh mount `deploy`", "--> Dockerfile:3:", "pass `--ssh deploy`"],
    );
}

#[test]
fn ssh_1_what_is_no_agent_and_no_key_is_told_before_anything_runs() {
    let Some(mut kit) = kit() else { return };
    generate(&mut kit, "key", &["-t", "ed25519"]);
    output_of("ssh-keygen", &["-q", "-t", "ed25519", "-N", "password", "-f", text(&kit.path("locked"))]);
    kit.dockerfile("FROM scratch\nLABEL a=b\n");
    let agent = Agent::start(&kit);
    let (key, socket) = (kit.path("key").display().to_string(), agent.socket.display().to_string());
    for (value, message) in [
        ("default".to_owned(), "SSH_AUTH_SOCK is not set"),
        ("a=/does/not/exist".to_owned(), "cannot read /does/not/exist"),
        (format!("a={key}.pub"), "this is no private key"),
        (format!("a={}", kit.path("locked").display()), "the key is encrypted"),
        (format!("a={key},{socket}"), "only a single socket is possible"),
    ] {
        kit.flag(&["--ssh", &value]);
        kit.build().fails_with(1, &[message]);
        kit.without_flag(&["--ssh", &value]);
    }
}

/// Neither in the store, packed or not, nor in what the build says; and another key is no other step.
#[test]
fn key_4_nothing_of_a_key_stays() {
    let Some(mut kit) = kit() else { return };
    let outside = tempfile::tempdir().unwrap();
    let mut lines = Vec::new();
    let mut flags = Vec::new();
    for name in ["one", "two"] {
        let key = outside.path().join(name);
        output_of("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", text(&key)]);
        let secret = fs::read_to_string(&key).unwrap();
        lines.extend(secret.lines().filter(|line| !line.starts_with('-')).skip(2).map(str::to_owned));
        flags.push(format!("default={}", key.display()));
    }
    kit.dockerfile("FROM tools\nRUN --mount=type=ssh ssh-add -l\n").flag(&["--ssh", &flags[0]]);
    let first = kit.build();
    first.succeeds();
    kit.without_flag(&["--ssh", &flags[0]]).flag(&["--ssh", &flags[1], "--progress", "json"]);
    let second = kit.build();
    second.succeeds();
    assert!(second.stderr().contains("\"cached\""), "{}", second.stderr());
    let mut searched = 0;
    for entry in walkdir::WalkDir::new(kit.path("")) {
        let entry = entry.unwrap();
        assert!(!std::os::unix::fs::FileTypeExt::is_socket(&entry.file_type()), "{}", entry.path().display());
        if entry.file_type().is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            for line in &lines {
                assert!(memchr::memmem::find(&bytes, line.as_bytes()).is_none(), "in {}", entry.path().display());
            }
            searched += 1;
        }
    }
    assert!(searched > 10 && lines.len() > 4, "{searched} files, {} lines", lines.len());
    assert!(lines.iter().all(|line| !first.stderr().contains(line) && !second.stderr().contains(line)));
}
