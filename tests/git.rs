//! ADD of git repositories, served on loopback by `git daemon` and `git http-backend` (ADD-20 to ADD-22, GIT).

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::kit::{Daemon, Image, Kit, Page, Repository, SmartHttp, Web, output_of};

/// A repository `repo` with a branch, a tag and a directory, and its commits: the first, which is tagged, and the last.
fn repository(kit: &Kit) -> Option<(Repository, String, String)> {
    let repository = Repository::new(&kit.path("served/repo.git"))?;
    repository.file("README", "one").file("src/main", "code").file("run.sh", "#!/bin/sh\n");
    let script = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(repository.path("run.sh"), script).unwrap();
    symlink("README", repository.path("link")).unwrap();
    let first = repository.commit(1_000_000_000);
    repository.git(&["tag", "-a", "-m", "x", "v1"]);
    repository.git(&["branch", "old"]);
    repository.file("README", "two");
    let last = repository.commit(1_500_000_000);
    Some((repository, first, last))
}

fn text_of(image: &Image, path: &str) -> String {
    let entry = image.file_of_image(path).unwrap_or_else(|| panic!("no {path}"));
    String::from_utf8(entry.content).unwrap()
}

#[test]
fn add_20_and_git_3_refs_subdirectories_modes_and_owners() {
    let mut kit = Kit::new();
    let Some((_repository, first, last)) = repository(&kit) else { return };
    let Some(daemon) = Daemon::start(&kit.path("served")) else { return };
    let url = format!("{}/repo.git", daemon.url);
    for (reference, readme) in [
        (String::new(), "two"),
        ("#".to_owned(), "two"),
        ("#main".to_owned(), "two"),
        ("#old".to_owned(), "one"),
        ("#v1".to_owned(), "one"),
        ("#refs/tags/v1".to_owned(), "one"),
        ("?tag=v1".to_owned(), "one"),
        ("?branch=old".to_owned(), "one"),
        (format!("#{first}"), "one"),
        (format!("?ref=main&commit={}", &last[..9]), "two"),
        (format!("?commit={first}"), "one"),
        (format!("?ref=main&fetch-by-commit&commit={first}"), "one"),
    ] {
        let image = kit.dockerfile(&format!("FROM scratch\nADD {url}{reference} /r\n")).build().succeeds();
        assert_eq!(text_of(&image, "/r/README"), readme, "{reference}");
        assert!(image.file_of_image("/r/.git").is_none(), "{reference}");
    }
    let dockerfile = format!("FROM scratch\nADD {url}#main:src /r/\nADD --chown=7:8 --exclude=src {url} /all\n");
    let image = kit.dockerfile(&dockerfile).build().succeeds();
    image.layer(0).lists(&["r: directory", "r/main: file"]);
    image.layer(1).lists(&["all: directory", "all/README: file", "all/link: symlink to README", "all/run.sh: file"]);
    let mode = |path: &str| image.file_of_image(path).map(|entry| (entry.mode, entry.uid, entry.gid)).unwrap();
    assert_eq!((mode("/r/main"), mode("/all/run.sh"), mode("/r")), ((0o644, 0, 0), (0o755, 7, 8), (0o755, 0, 0)));
    assert_eq!(image.config()["history"][0]["created_by"], format!("ADD {url}#main:src /r/ # buildkit"));
}

#[test]
fn add_21_and_22_the_git_directory_and_times() {
    let mut kit = Kit::new();
    let Some((_repository, _, last)) = repository(&kit) else { return };
    let Some(daemon) = Daemon::start(&kit.path("served")) else { return };
    let url = format!("{}/repo.git", daemon.url);
    let image = kit.dockerfile(&format!("FROM scratch\nADD --keep-git-dir {url}#main /r\n")).build().succeeds();
    assert_eq!(text_of(&image, "/r/.git/HEAD").trim(), last);
    assert_eq!(text_of(&image, "/r/.git/refs/heads/main").trim(), last);
    assert!(text_of(&image, "/r/.git/config").contains(&url));
    assert!(image.file_of_image("/r/.git/FETCH_HEAD").is_none());
    let image = kit.dockerfile(&format!("FROM scratch\nADD {url}?mtime=commit&keep-git-dir=0 /r\n")).build().succeeds();
    assert_eq!(image.file_of_image("/r/README").unwrap().mtime, 1_500_000_000);
    let image = kit.dockerfile(&format!("FROM scratch\nADD {url} /r\n")).build().succeeds();
    assert!(image.file_of_image("/r/README").unwrap().mtime > 1_700_000_000);
}

#[test]
fn git_6_submodules() {
    let mut kit = Kit::new();
    let Some((top, _, _)) = repository(&kit) else { return };
    let Some(daemon) = Daemon::start(&kit.path("served")) else { return };
    let inner = Repository::new(&kit.path("served/inner.git")).unwrap();
    inner.file("deep", "inside").commit(1_200_000_000);
    let url = format!("{}/inner.git", daemon.url);
    top.git(&["submodule", "--quiet", "add", &url, "vendor/inner"]);
    top.commit(1_600_000_000);
    let url = format!("{}/repo.git", daemon.url);
    let image = kit.dockerfile(&format!("FROM scratch\nADD {url} /r\n")).build().succeeds();
    assert_eq!(text_of(&image, "/r/vendor/inner/deep"), "inside");
    assert!(image.file_of_image("/r/vendor/inner/.git").is_none());
    let image = kit.dockerfile(&format!("FROM scratch\nADD {url}?submodules=false /r\n")).build().succeeds();
    assert!(image.file_of_image("/r/vendor/inner/deep").is_none());
    // A path of the machine is no place to fetch from, whatever a repository says.
    let secret = Repository::new(&kit.path("elsewhere")).unwrap();
    secret.file("private", "x").commit(1_000_000_000);
    let path = kit.path("elsewhere").display().to_string();
    top.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &path, "stolen"]);
    top.commit(1_600_000_001);
    let built = kit.dockerfile(&format!("FROM scratch\nADD {url} /r\n")).build();
    built.fails_with(1, &["transport 'file' not allowed", "Dockerfile:2:5"]);
}

#[test]
fn key_2_an_unchanged_ref_is_a_hit_without_a_fetch() {
    let mut kit = Kit::new();
    let Some((repository, _, _)) = repository(&kit) else { return };
    let server = SmartHttp::start(&kit.path("served"), None);
    kit.dockerfile(&format!("FROM scratch\nADD http://{}/repo.git#main /r\n", server.address));
    let first = kit.build();
    assert_eq!(first.steps_run().len(), 1);
    first.succeeds();
    assert!(server.requests().iter().any(|request| request.starts_with("POST")));
    let again = kit.build();
    assert_eq!(again.steps_cached().len(), 1, "{}", again.stderr());
    let digest = again.succeeds().manifest_digest().to_owned();
    let requests = server.requests();
    assert!(requests.len() <= 2, "only refs were asked for: {requests:?}");
    repository.file("README", "three").commit(1_700_000_000);
    let changed = kit.build();
    assert_eq!(changed.steps_run().len(), 1, "{}", changed.stderr());
    assert_ne!(changed.succeeds().manifest_digest(), digest);
}

#[test]
fn git_7_credentials_open_a_repository_and_are_found_nowhere() {
    const TOKEN: &str = "open-sesame-51ac09";
    let encoded = "eC1hY2Nlc3MtdG9rZW46b3Blbi1zZXNhbWUtNTFhYzA5";
    let mut kit = Kit::new();
    let Some((_repository, _, _)) = repository(&kit) else { return };
    let server = SmartHttp::start(&kit.path("served"), Some(&format!("basic {encoded}")));
    let url = format!("http://{}/repo.git", server.address);
    let host = &server.address;
    kit.env("TOKEN", TOKEN).env("HEADER", &format!("basic {encoded}")).env("WRONG", "not-this-one");
    let own = format!("http://x-access-token:{TOKEN}@{host}/repo.git");
    // Notes what every git is called with, those that git calls included.
    let path = std::env::var_os("PATH").unwrap();
    let git = std::env::split_paths(&path).map(|dir| dir.join("git")).find(|git| git.is_file()).unwrap();
    fs::create_dir(kit.path("bin")).unwrap();
    let (bin, called) = (kit.path("bin/git"), kit.path("called"));
    fs::write(&bin, format!("#!/bin/sh\necho \"$@\" >> {}\nexec {} \"$@\"\n", called.display(), git.display()))
        .unwrap();
    fs::set_permissions(&bin, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    kit.env("PATH", &format!("{}:{}", kit.path("bin").display(), path.display()));
    for (secrets, url) in [
        (vec!["id=GIT_AUTH_TOKEN,env=TOKEN".to_owned()], &url),
        (vec!["id=GIT_AUTH_HEADER,env=HEADER".to_owned()], &url),
        (vec!["id=GIT_AUTH_TOKEN,env=WRONG".to_owned(), format!("id=GIT_AUTH_TOKEN.{host},env=TOKEN")], &url),
        (vec![format!("id=GIT_AUTH_HEADER.{host},env=HEADER")], &url),
        (vec![], &own),
    ] {
        kit.new_store().dockerfile(&format!("FROM scratch\nADD --keep-git-dir {url} /r\n"));
        let flags: Vec<&str> = secrets.iter().flat_map(|secret| ["--secret", secret]).collect();
        let archive = format!("type=oci,dest={}", kit.path("out.tar").display());
        let output = kit.run(&[&["-o", &archive], &flags[..]].concat());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{secrets:?}: {told}");
        // The Dockerfile itself holds it in the last row.
        fs::remove_file(kit.path("Dockerfile")).unwrap();
        let image = Image::read(&kit.path("out.tar"));
        let called = fs::read(&called).unwrap();
        assert!(called.starts_with(b"ls-remote"), "{}", String::from_utf8_lossy(&called));
        let mut files: Vec<Vec<u8>> = vec![told.into_bytes(), called];
        files.extend(image.flattened().into_values().map(|entry| entry.content));
        for entry in
            walkdir::WalkDir::new(kit.path("store")).into_iter().chain(walkdir::WalkDir::new(kit.path("out.tar")))
        {
            let entry = entry.unwrap();
            if entry.file_type().is_file() {
                files.push(fs::read(entry.path()).unwrap());
            }
        }
        for trace in [TOKEN, encoded] {
            assert!(
                files.iter().all(|file| memchr::memmem::find(file, trace.as_bytes()).is_none()),
                "{trace}: {secrets:?}"
            );
        }
    }
}

#[test]
fn git_7_without_credentials_nobody_is_asked_and_the_way_out_is_told() {
    let mut kit = Kit::new();
    let Some((_repository, _, _)) = repository(&kit) else { return };
    let server = SmartHttp::start(&kit.path("served"), Some("basic x"));
    kit.dockerfile(&format!("FROM scratch\nADD http://me:hush-hush-7@{}/repo.git /r\n", server.address));
    let built = kit.build();
    built.fails_with(1, &["Dockerfile:2:5", "--secret id=GIT_AUTH_TOKEN"]);
    assert!(!built.stderr().contains("hush-hush-7"), "{}", built.stderr());
}

/// git would send the header along to wherever it is redirected.
#[test]
fn git_7_a_redirect_gets_no_credentials() {
    let mut kit = Kit::new();
    let Some((_repository, _, _)) = repository(&kit) else { return };
    let server = SmartHttp::start(&kit.path("served"), None);
    let web = Web::start();
    let refs = "/repo.git/info/refs?service=git-upload-pack";
    let away = Page { location: Some(format!("http://{}{refs}", server.address)), ..Page::default() };
    web.page(refs, away);
    kit.dockerfile(&format!("FROM scratch\nADD {}/repo.git /r\n", web.url));
    assert_eq!(text_of(&kit.build().succeeds(), "/r/README"), "two");
    server.requests();
    kit.new_store().env("TOKEN", "open-sesame-51ac09").flag(&["--secret", "id=GIT_AUTH_TOKEN,env=TOKEN"]);
    kit.build().fails_with(1, &["Dockerfile:2:5", "name the repository by the URL that the server redirects to"]);
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn git_7_ssh_goes_through_the_agent() {
    let mut kit = Kit::new();
    let Some((_repository, _, _)) = repository(&kit) else { return };
    // Stands in for ssh: notes how it was called, and runs the command here.
    let bin = kit.path("bin");
    fs::create_dir(&bin).unwrap();
    let script = format!(
        "#!/bin/sh\necho \"$SSH_AUTH_SOCK $*\" >> {0}/calls\nfor last; do :; done\ncd {1} && eval \"$last\"\n",
        bin.display(),
        kit.path("served").display()
    );
    fs::write(bin.join("ssh"), script).unwrap();
    fs::set_permissions(bin.join("ssh"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    kit.env("PATH", &format!("{}:{path}", bin.display())).env("SSH_AUTH_SOCK", "/run/agent.sock");
    let url = format!("ssh://git@example.com:22{}/repo.git", kit.path("served").display());
    kit.dockerfile(&format!("FROM scratch\nADD git@example.com:repo.git#main /r\nADD {url} /s\n"));
    let image = kit.build().succeeds();
    assert_eq!((text_of(&image, "/r/README"), text_of(&image, "/s/README")), ("two".to_owned(), "two".to_owned()));
    let calls = fs::read_to_string(bin.join("calls")).unwrap();
    assert!(calls.lines().all(|call| call.starts_with("/run/agent.sock -o BatchMode=yes")), "{calls}");
    assert!(calls.contains("git@example.com git-upload-pack 'repo.git'"), "{calls}");
    // Keys of the build answer at a socket of their own.
    fs::remove_file(bin.join("calls")).unwrap();
    let key = kit.path("key").display().to_string();
    if crate::kit::installed("ssh-keygen") {
        output_of("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key]);
        kit.new_store().flag(&["--ssh", &format!("default={key}")]);
        kit.build().succeeds();
        let calls = fs::read_to_string(bin.join("calls")).unwrap();
        assert!(calls.lines().all(|call| call.contains("/kiln-") && !call.contains("/run/agent.sock")), "{calls}");
        let socket = calls.split_whitespace().next().unwrap();
        assert!(!std::path::Path::new(socket).exists(), "it goes with the build");
    }
}

#[test]
fn d_90_d_91_what_is_wrong_with_a_repository_is_shown_where_it_is_named() {
    let mut kit = Kit::new();
    let Some((repository, _, last)) = repository(&kit) else { return };
    let Some(daemon) = Daemon::start(&kit.path("served")) else { return };
    symlink("/etc", repository.path("way-out")).unwrap();
    repository.commit(1_600_000_000);
    let url = format!("{}/repo.git", daemon.url);
    for (line, parts) in [
        (format!("ADD {url}#nothing /r"), &["repository does not contain ref nothing", "Dockerfile:2:5"][..]),
        (format!("ADD {url}#main:nothing /r"), &["has no directory `nothing`", "Dockerfile:2:5"]),
        (format!("ADD {url}#main:way-out /r"), &["has no directory `way-out`", "Dockerfile:2:5"]),
        (format!("ADD {url}#main:README /r"), &["has no directory `README`", "Dockerfile:2:5"]),
        (format!("ADD --checksum={} {url} /r", "0".repeat(40)), &["Dockerfile:2:57"]),
        (format!("ADD --checksum={} {url}#v1 /r", &last[..8]), &["expected checksum to match", "Dockerfile:2:25"]),
        (format!("ADD {}/absent.git /r", daemon.url), &["cannot fetch git://127.0.0.1", "Dockerfile:2:5"]),
        ("ADD git://127.0.0.1:1/x /r".to_owned(), &["unable to connect", "help: check the URL"]),
    ] {
        kit.dockerfile(&format!("FROM scratch\n{line}\n")).build().fails_with(1, parts);
    }
}

#[test]
fn git_5_a_checksum_must_match() {
    let mut kit = Kit::new();
    let Some((_repository, first, last)) = repository(&kit) else { return };
    let Some(daemon) = Daemon::start(&kit.path("served")) else { return };
    let url = format!("{}/repo.git", daemon.url);
    for (line, fails) in [
        (format!("ADD --checksum={} {url}#main /r", last.to_uppercase()), false),
        (format!("ADD {url}?ref=main&checksum={} /r", &last[..7]), false),
        (format!("ADD {url}?ref=main&checksum={} /r", &first[..7]), true),
        (format!("ADD {url}?ref={first}&checksum={} /r", &last[..7]), true),
        (format!("ADD {url}?ref=main&fetch-by-commit=true&checksum={first} /r"), false),
        (format!("ADD {url}?fetch-by-commit=true&checksum={} /r", &first[..7]), true),
    ] {
        let built = kit.dockerfile(&format!("FROM scratch\n{line}\n")).build();
        if fails { built.fails_with(1, &["Dockerfile:2:5"]) } else { drop(built.succeeds()) }
    }
}

#[test]
fn git_6_one_commit_and_no_more() {
    let mut kit = Kit::new();
    let Some((repository, _, last)) = repository(&kit) else { return };
    let Some(daemon) = Daemon::start(&kit.path("served")) else { return };
    kit.dockerfile(&format!("FROM scratch\nADD --keep-git-dir {}/repo.git#main /r\n", daemon.url));
    let image = kit.build().succeeds();
    assert_eq!(text_of(&image, "/r/.git/shallow").trim(), last);
    assert!(repository.git(&["rev-list", "--count", "main"]) == "2", "there is more to be had");
}

/// No setting of the user, of a repository or of the environment makes git run anything, or go elsewhere.
#[test]
fn git_runs_without_the_configuration_of_the_machine() {
    let mut kit = Kit::new();
    let Some((repository, _, _)) = repository(&kit) else { return };
    let Some(daemon) = Daemon::start(&kit.path("served")) else { return };
    let mark = kit.path("mark");
    let evil = format!("touch {}", mark.display());
    repository.file(".gitattributes", "* filter=evil\n");
    repository.commit(1_600_000_000);
    fs::create_dir_all(kit.path("hooks")).unwrap();
    fs::write(kit.path("hooks/post-checkout"), format!("#!/bin/sh\n{evil}\n")).unwrap();
    fs::set_permissions(kit.path("hooks/post-checkout"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let config = format!(
        "[url \"git://127.0.0.1:1/\"]\n\tinsteadOf = {}/\n[core]\n\thooksPath = {}\n[filter \"evil\"]\n\tsmudge = {evil}\n",
        daemon.url,
        kit.path("hooks").display(),
    );
    fs::write(kit.path(".gitconfig"), config).unwrap();
    let hooks = kit.path("hooks").display().to_string();
    kit.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "core.hooksPath").env("GIT_CONFIG_VALUE_0", &hooks);
    kit.env("GIT_SSH_COMMAND", &evil).env("GIT_TRACE", mark.to_str().unwrap());
    kit.dockerfile(&format!("FROM scratch\nADD {}/repo.git /r\nADD git@127.0.0.1:x /s\n", daemon.url));
    kit.env("PATH", &format!("/nonexistent:{}", std::env::var("PATH").unwrap()));
    kit.build().fails_with(1, &["cannot fetch git@127.0.0.1:x", "Dockerfile:3:5"]);
    assert!(!mark.exists(), "something has run");
}

#[test]
fn a_fetch_can_be_stopped_while_the_server_is_silent() {
    let mut kit = Kit::new();
    if !crate::kit::installed("git") {
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    kit.dockerfile(&format!("FROM scratch\nADD git://{}/x /\n", listener.local_addr().unwrap()));
    let mut child = kit.command(&[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let (_client, _) = listener.accept().unwrap();
    let began = Instant::now();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(10), "it waited for the server");
}
