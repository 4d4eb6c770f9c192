//! ADD of URLs, from a server on loopback (ADD-10 to ADD-12, HTTP-2).

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::kit::{Built, Image, Kit, Page, Web};

const LONG_AGO: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn marked(content: &str, etag: Option<&str>, modified: Option<&str>) -> Page {
    Page {
        content: content.into(),
        etag: etag.map(str::to_owned),
        modified: modified.map(str::to_owned),
        ..Page::default()
    }
}

fn content(image: &Image, path: &str) -> String {
    String::from_utf8(image.file_of_image(path).unwrap().content).unwrap()
}

#[test]
fn http_2_what_has_not_changed_does_not_come_again() {
    for (etag, modified) in [(Some("\"1\""), None), (None, Some(LONG_AGO)), (Some("W/\"1\""), Some(LONG_AGO))] {
        let mut kit = Kit::new();
        let web = Web::start();
        web.page("/f", marked("one", etag, modified));
        kit.dockerfile(&format!("FROM scratch\nADD {}/f /d/\n", web.url));
        let first = kit.build().succeeds();
        assert_eq!(web.answers(), ["/f 200"]);
        let entry = first.file_of_image("/d/f").unwrap();
        assert_eq!((entry.mode, entry.mtime), (0o600, if modified.is_some() { 784_111_777 } else { 0 }));
        let again = kit.build();
        assert_eq!((again.steps_cached().len(), web.answers()), (1, vec!["/f 304".to_owned()]));
        // A step that must run anew has the bytes still.
        kit.dockerfile(&format!("FROM scratch\nADD {}/f /other/\n", web.url));
        assert_eq!(content(&kit.build().succeeds(), "/other/f"), "one");
        assert_eq!(web.answers(), ["/f 304"]);
        web.page("/f", marked("two", Some("\"2\""), Some("Sun, 06 Nov 1994 08:49:38 GMT")));
        assert_eq!(content(&kit.build().succeeds(), "/other/f"), "two");
        assert_eq!(web.answers(), ["/f 200"]);
    }
}

#[test]
fn http_2_without_a_mark_it_comes_each_time_and_the_content_decides() {
    let mut kit = Kit::new();
    let web = Web::start();
    web.file("/f", "one");
    kit.dockerfile(&format!("FROM scratch\nADD {}/f /d/\n", web.url)).build().succeeds();
    assert_eq!(kit.build().steps_cached().len(), 1);
    assert_eq!(web.answers(), ["/f 200", "/f 200"]);
    // What is remembered is of no use once the bytes are gone.
    web.page("/f", marked("one", Some("\"1\""), None));
    kit.build().succeeds();
    let blobs = std::fs::read_dir(kit.path("store/blobs/sha256")).unwrap();
    blobs.for_each(|blob| std::fs::remove_file(blob.unwrap().path()).unwrap());
    assert_eq!(content(&kit.build().succeeds(), "/d/f"), "one");
    assert_eq!(web.answers(), ["/f 200", "/f 200"]);
}

#[test]
fn what_was_downloaded_is_told_of_and_goes_when_the_store_is_pruned() {
    let mut kit = Kit::new();
    let web = Web::start();
    web.page("/f?token=hush", marked(&"one".repeat(20_000), Some("\"1\""), None));
    kit.dockerfile(&format!("FROM scratch\nADD {}/f?token=hush /d/\n", web.url)).build().succeeds();
    let store = kit.path("store").display().to_string();
    let run = |words: &[&str]| {
        let output = kit.kiln(&[words, &["--store", &store]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let used: serde_json::Value = serde_json::from_str(&run(&["df", "--format", "json"])).unwrap();
    assert_eq!(used["downloads"]["count"], 1);
    assert!(used["downloads"]["bytes"].as_u64().unwrap() > 60_000, "{used}");
    let records = std::fs::read_dir(kit.path("store/kiln/downloads")).unwrap();
    records.for_each(|record| assert!(!std::fs::read_to_string(record.unwrap().path()).unwrap().contains("hush")));
    run(&["prune", "--force"]);
    let used: serde_json::Value = serde_json::from_str(&run(&["df", "--format", "json"])).unwrap();
    assert_eq!((used["downloads"]["count"].clone(), used["downloads"]["bytes"].clone()), (0.into(), 0.into()));
    kit.build().succeeds();
    assert_eq!(web.answers(), ["/f?token=hush 200", "/f?token=hush 200"]);
}

#[test]
fn a_server_that_fails_in_passing_is_asked_again() {
    let mut kit = Kit::new();
    let web = Web::start();
    web.page("/busy", Page { failures: 2, ..marked("busy", None, None) });
    web.page("/cut", Page { cuts: 2, ..marked(&"cut".repeat(1000), None, None) });
    kit.dockerfile(&format!("FROM scratch\nADD {0}/busy {0}/cut /\n", web.url));
    let image = kit.build().succeeds();
    assert_eq!((content(&image, "/busy").as_str(), content(&image, "/cut").len()), ("busy", 3000));
    assert_eq!(web.answers(), ["/busy 503", "/busy 503", "/busy 200", "/cut 200", "/cut 200", "/cut 200"]);
}

#[test]
fn add_11_redirects_are_followed_and_another_host_gets_no_credentials() {
    let mut kit = Kit::new();
    let (web, other) = (Web::start(), Web::start());
    let secret = Page { authorization: Some("Bearer hush".into()), ..Page::default() };
    web.page("/a", Page { location: Some("/b".into()), ..secret.clone() });
    web.page("/b", Page { content: b"here".to_vec(), ..secret.clone() });
    web.page("/out", Page { location: Some(format!("{}/x", other.url)), ..secret.clone() });
    other.page("/x", Page { content: b"there".to_vec(), ..secret });
    web.page("/round", Page { location: Some("/round".into()), ..Page::default() });
    kit.env("TOKEN", "hush").flag(&["--secret", &format!("id=HTTP_AUTH_TOKEN_{},env=TOKEN", web.host())]);
    let build = |kit: &mut Kit, path: &str| -> Built {
        kit.dockerfile(&format!("FROM scratch\nADD {}{path} /f\n", web.url)).build()
    };
    assert_eq!(content(&build(&mut kit, "/a").succeeds(), "/f"), "here");
    // 127.0.0.1 at another port is another server.
    build(&mut kit, "/out").fails_with(1, &["invalid response status 401", "Dockerfile:2:5"]);
    assert_eq!(other.answers(), ["/x 401"]);
    build(&mut kit, "/round").fails_with(1, &["cannot download", "Dockerfile:2:5"]);
}

#[test]
fn d_90_downloads_that_fail_are_shown_where_they_are_named() {
    let mut kit = Kit::new();
    let web = Web::start();
    web.file("/f", "one").page("/private", Page { authorization: Some("x".into()), ..Page::default() });
    let url = web.url.clone();
    let sum = format!("sha256:{}", "0".repeat(64));
    for (line, parts) in [
        (format!("ADD {url}/none /"), &["invalid response status 404", "Dockerfile:2:5"][..]),
        (
            format!("ADD {url}/f {url}/none /"),
            &["invalid response status 404", "/none", &format!("2:{}", 8 + url.len())],
        ),
        (format!("ADD --checksum={sum} {url}/f /"), &["digest mismatch", &sum, "Dockerfile:2:88"]),
        (format!("ADD {url}/private /"), &["401", &format!("--secret id=HTTP_AUTH_TOKEN_{}", web.host())]),
        (
            "ADD http://me:hush@127.0.0.1:1/x /".to_owned(),
            &["cannot download http://xxxxx@127.0.0.1:1/x", "help: check"],
        ),
    ] {
        let built = kit.dockerfile(&format!("FROM scratch\n{line}\n")).build();
        built.fails_with(1, parts);
        assert!(!built.stderr().contains("hush"), "{}", built.stderr());
    }
}

#[test]
fn a_download_can_be_stopped_while_the_server_is_silent() {
    let mut kit = Kit::new();
    let web = Web::start();
    web.page("/f", Page { silent: true, ..Page::default() });
    kit.dockerfile(&format!("FROM scratch\nADD {}/f /\n", web.url));
    let mut child = kit.command(&[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while web.answers().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(20), "nothing was asked for");
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(10), "it waited for the server");
}
