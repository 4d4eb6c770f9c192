//! Build contexts and Dockerfiles that lie elsewhere: git repositories and URLs on loopback (CTX-7 to CTX-9, DF-2,
//! DF-3, HTTP-1, NCTX-3).

use std::fs;
use std::io::Write;

use crate::kit::{Daemon, Image, Kit, Page, Repository, SmartHttp, Web, output_of, text};

fn content(image: &Image, path: &str) -> String {
    let entry = image.file_of_image(path).unwrap_or_else(|| panic!("no {path}"));
    String::from_utf8(entry.content).unwrap()
}

fn repository(kit: &Kit) -> Option<Repository> {
    let repository = Repository::new(&kit.path("served/repo.git"))?;
    repository
        .file("Dockerfile", "FROM scratch\nCOPY . /c/\n")
        .file("other/file", "FROM scratch\nCOPY README /other\n")
        .file("sub/dockerfile", "FROM scratch\nCOPY file /sub\n")
        .file("sub/file", "in sub")
        .file(".dockerignore", "README\n")
        .file("README", "read me");
    repository.commit(1_500_000_000);
    Some(repository)
}

#[test]
fn ctx_8_a_context_in_a_repository() {
    let mut kit = Kit::new();
    let Some(repository) = repository(&kit) else { return };
    let server = SmartHttp::start(&kit.path("served"), None);
    let url = format!("http://{}/repo.git", server.address);
    let image = kit.build_at(&url, &[]).succeeds();
    // CTX-7: no ignore file is applied.
    assert_eq!((content(&image, "/c/README").as_str(), image.file_of_image("/c/.git").is_none()), ("read me", true));
    assert_eq!(image.file_of_image("/c/README").unwrap().uid, 0);
    assert!(server.requests().iter().any(|request| request.starts_with("POST")));
    // The commit is here already.
    let again = kit.build_at(&url, &[]);
    assert_eq!((again.steps_cached().len(), again.succeeds().manifest_digest()), (1, image.manifest_digest()));
    assert!(server.requests().len() <= 2, "only refs were asked for");
    // DF-1, GIT-3
    assert_eq!(content(&kit.build_at(&format!("{url}#main:sub"), &[]).succeeds(), "/sub"), "in sub");
    // DF-2: relative to the context.
    assert_eq!(content(&kit.build_at(&url, &["-f", "other/file"]).succeeds(), "/other"), "read me");
    kit.build_at(&url, &["-f", "none"]).fails_with(1, &["failed to read dockerfile: open none: no such file"]);
    // An absolute path is one of this machine.
    fs::write(kit.path("Local"), "FROM scratch\nCOPY README /local\n").unwrap();
    assert_eq!(content(&kit.build_at(&url, &["-f", text(&kit.path("Local"))]).succeeds(), "/local"), "read me");
    let keep = ["--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1"];
    assert!(kit.build_at(&url, &keep).succeeds().file_of_image("/c/.git/HEAD").is_some());
    assert!(kit.build_at(&format!("{url}?keep-git-dir=1"), &[]).succeeds().file_of_image("/c/.git/HEAD").is_some());
    // CTX-9; times are in no key.
    kit.new_store();
    let epoch = ["--build-arg", "SOURCE_DATE_EPOCH=1"];
    assert_eq!(kit.build_at(&url, &epoch).succeeds().file_of_image("/c/README").unwrap().mtime, 1_500_000_000);
    // A link out of the repository leads nowhere.
    std::os::unix::fs::symlink("/etc/hostname", repository.path("Linked")).unwrap();
    std::os::unix::fs::symlink("/etc", repository.path("out")).unwrap();
    repository.commit(1_500_000_001);
    kit.build_at(&url, &["-f", "Linked"]).fails_with(1, &["failed to read dockerfile: open Linked"]);
    kit.build_at(&format!("{url}#main:out"), &[]).fails_with(1, &["has no directory `out`"]);
}

#[test]
fn git_4_and_git_7_what_is_wrong_with_a_context_is_told_with_the_way_out() {
    let kit = Kit::new();
    let Some(_repository) = repository(&kit) else { return };
    let server = SmartHttp::start(&kit.path("served"), Some("basic x"));
    let url = format!("http://{}/repo.git", server.address);
    kit.build_at("https://localhost/x.git?depth=1", &[]).fails_with(1, &["unexpected query \"depth\""]);
    kit.build_at(&url, &[]).fails_with(1, &["cannot fetch http://127.0.0.1", "--secret id=GIT_AUTH_TOKEN"]);
    let built = kit.build_at(&url.replace("http://", "http://me:hush-hush@"), &[]);
    built.fails_with(1, &["cannot fetch http://xxxxx@127.0.0.1"]);
    assert!(!built.stderr().contains("hush-hush"));
}

#[test]
fn nctx_3_named_contexts_elsewhere() {
    let mut kit = Kit::new();
    let Some(_repository) = repository(&kit) else { return };
    let Some(daemon) = Daemon::start(&kit.path("served")) else { return };
    let web = Web::start();
    web.file("/page", "by url");
    kit.flag(&["--build-context", &format!("repo={}/repo.git#main:sub", daemon.url)]);
    kit.flag(&["--build-context", &format!("page={}/page", web.url)]);
    kit.dockerfile("FROM repo AS files\nFROM scratch\nCOPY --from=repo file /a\nCOPY --from=page context /b\nCOPY --from=files /dockerfile /c\n");
    let image = kit.build().succeeds();
    assert_eq!((content(&image, "/a").as_str(), content(&image, "/b").as_str()), ("in sub", "by url"));
    assert_eq!(image.file_of_image("/b").unwrap().mode, 0o600);
    assert!(image.file_of_image("/c").is_some());
    kit.new_store().flag(&["--build-context", &format!("repo={}/repo.git#nothing", daemon.url)]);
    kit.build().fails_with(1, &["repository does not contain ref nothing"]);
    kit.flag(&["--build-context", "repo=https://localhost/x.git?depth=1"]);
    kit.build().fails_with(1, &["named context `repo`", "unexpected query \"depth\""]);
}

#[test]
fn http_1_archives_and_dockerfiles_by_url() {
    let mut kit = Kit::new();
    kit.file("Dockerfile", "FROM scratch\nCOPY x /x\n")
        .file("x", "packed")
        .file("d/Other", "FROM scratch\nCOPY x /y\n");
    kit.file(".dockerignore", "x\n").touch("x", 1_400_000_000);
    let web = Web::start();
    let context = kit.path("context");
    for (name, flag) in [("a.tar", "-c"), ("a.gz", "-cz"), ("a.bz2", "-cj"), ("a.xz", "-cJ")] {
        let archive = kit.path(name);
        output_of("tar", &["--owner=7", "--group=8", flag, "-f", text(&archive), "-C", text(&context), "."]);
        web.file(&format!("/{name}"), fs::read(archive).unwrap());
    }
    let plain = fs::read(kit.path("a.tar")).unwrap();
    let mut zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
    zstd.write_all(&plain).unwrap();
    web.file("/a.zst", zstd.finish().unwrap());
    let mut digests = Vec::new();
    for name in ["a.tar", "a.gz", "a.bz2", "a.xz", "a.zst"] {
        let image = kit.build_at(&format!("{}/{name}", web.url), &[]).succeeds();
        let entry = image.file_of_image("/x").unwrap();
        assert_eq!((entry.uid, entry.gid, entry.mtime), (7, 8, 1_400_000_000), "{name}");
        digests.push(image.layer_digests());
    }
    assert!(digests.iter().all(|layers| *layers == digests[0]));
    let url = format!("{}/a.tar", web.url);
    assert_eq!(content(&kit.build_at(&url, &["-f", "d/Other"]).succeeds(), "/y"), "packed");
    // DF-3, and HTTP-1: what is no archive is the Dockerfile.
    web.file("/odd.Dockerfile", "FROM scratch\nCOPY context* /\nLABEL a=b\n");
    let odd = format!("{}/odd.Dockerfile", web.url);
    assert_eq!(content(&kit.build_at(&odd, &[]).succeeds(), "/context"), "FROM scratch\nCOPY context* /\nLABEL a=b\n");
    web.file("/broken.Dockerfile", "FROM scratch\nCOYP a /\n");
    for (context, file) in [(text(&context), "/broken.Dockerfile"), (&url, "/broken.Dockerfile")] {
        let built = kit.build_at(context, &["-f", &format!("{}{file}", web.url)]);
        built.fails_with(1, &["unknown instruction: COYP", "--> broken.Dockerfile:2:1"]);
    }
    web.file("/x.Dockerfile", "FROM scratch\nCOPY x /z\n");
    assert_eq!(content(&kit.build_at(&url, &["-f", &format!("{}/x.Dockerfile", web.url)]).succeeds(), "/z"), "packed");
    kit.build_at(&format!("{}/none", web.url), &[]).fails_with(1, &["invalid response status 404"]);
    let checked = kit.kiln(&["build", "--check", "--store", text(&kit.path("store")), &url]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn arg_13_the_time_of_a_context_or_stage_is_that_of_the_image() {
    let mut kit = Kit::new();
    let Some(_repository) = repository(&kit) else { return };
    let Some(daemon) = Daemon::start(&kit.path("served")) else { return };
    let url = format!("{}/repo.git", daemon.url);
    let web = Web::start();
    let page = |content: &[u8], modified: &str| Page {
        content: content.to_vec(),
        modified: Some(modified.to_owned()),
        ..Page::default()
    };
    let created = |image: &Image| image.config()["created"].as_str().unwrap().to_owned();
    let of = |value: &str| format!("SOURCE_DATE_EPOCH={value}");
    let image = kit.build_at(&url, &["--build-arg", &of("context")]).succeeds();
    assert_eq!(created(&image), "2017-07-14T02:40:00Z");
    // HTTP: `Last-Modified`, and of an archive the newest file.
    web.page("/Dockerfile", page(b"FROM scratch\nLABEL a=b\n", "Sun, 06 Nov 1994 08:49:37 GMT"));
    let image = kit.build_at(&format!("{}/Dockerfile", web.url), &["--build-arg", &of("context")]).succeeds();
    assert_eq!(created(&image), "1994-11-06T08:49:37Z");
    kit.file("Dockerfile", "FROM scratch\nLABEL a=b\n").touch("Dockerfile", 5).file("x", "x").touch("x", 9);
    output_of("tar", &["-cf", text(&kit.path("a.tar")), "-C", text(&kit.path("context")), "."]);
    web.page("/a.tar", page(&fs::read(kit.path("a.tar")).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT"));
    let image = kit.build_at(&format!("{}/a.tar", web.url), &["--build-arg", &of("context")]).succeeds();
    assert_eq!(created(&image), "1970-01-01T00:00:09Z");
    // A named context, and a stage.
    kit.flag(&["--build-context", &format!("Repo={url}").to_lowercase()]);
    kit.dockerfile(&format!("FROM scratch AS src\nADD {}/Dockerfile /\nFROM scratch\nLABEL a=b\n", web.url));
    for (value, want) in [("repo", "2017-07-14T02:40:00Z"), ("src", "1994-11-06T08:49:37Z")] {
        kit.flag(&["--build-arg", &of(value)]);
        assert_eq!(created(&kit.build().succeeds()), want, "{value}");
    }
    kit.dockerfile("FROM scratch AS src\nADD http://127.0.0.1:1/x /\nFROM scratch\nLABEL a=b\n");
    kit.build().fails_with(1, &["cannot find the time of SOURCE_DATE_EPOCH=src: cannot download", "check the URL"]);
}

#[test]
fn http_3_contexts_are_fetched_as_add_fetches() {
    let kit = Kit::new();
    let web = Web::start();
    let dockerfile = Page {
        content: b"FROM scratch\nLABEL a=b\n".to_vec(),
        etag: Some("\"1\"".into()),
        authorization: Some("Bearer hush".into()),
        // The first of these is the answer to who may not read it.
        failures: 2,
        ..Page::default()
    };
    web.page("/f", dockerfile);
    let url = format!("{}/f", web.url);
    kit.build_at(&url, &[]).fails_with(1, &["invalid response status 401", "--secret id=HTTP_AUTH_TOKEN_127.0.0.1"]);
    fs::write(kit.path("token"), "hush").unwrap();
    let secret = format!("id=HTTP_AUTH_TOKEN_{},src={}", web.host(), kit.path("token").display());
    web.answers();
    for want in [&["/f 503", "/f 200"][..], &["/f 304"]] {
        kit.build_at(&url, &["--secret", &secret]).succeeds();
        assert_eq!(web.answers(), want);
    }
}
