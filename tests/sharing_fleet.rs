//! Many runners with one shared cache, in places of each kind: nobody does what another does, and nobody fails with the place.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use super::kit::{BUCKET, BucketServer, CACHE_TOKEN, CacheServer, Fault, Faulty, Kit, Registry, text};

/// What each step gives differs with the time it ran: the same image everywhere means that each ran once. Two stages run side by side.
const DOCKERFILE: &str = "FROM busybox AS tools\nRUN date +%N > /tool\nRUN sleep 0.2; date +%N >> /tool\n\
                          FROM busybox\nRUN date +%N > /one\nRUN sleep 0.2; date +%N > /two\nCOPY --from=tools /tool /tool\nRUN date +%N > /three\n";
/// Steps of it that run.
const STEPS: usize = 6;

fn machine(dockerfile: &str) -> Option<Kit> {
    let mut kit = Kit::with_busybox()?;
    kit.dockerfile(dockerfile);
    Some(kit)
}

/// The flags that share a cache in both directions; `place` is its type and options.
fn shared(place: &str) -> Vec<String> {
    ["--cache-from", place, "--cache-to", &format!("{place},mode=max")].map(str::to_owned).to_vec()
}

fn s3(address: &str) -> String {
    format!(
        "type=s3,bucket={BUCKET},region=us-east-1,endpoint_url=http://{address},access_key_id=test,secret_access_key=test"
    )
}

/// What a build has told.
struct Told {
    log: String,
    image: String,
}

impl Told {
    fn of(output: &Output) -> Self {
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{log}");
        let image = log.lines().find_map(|line| line.strip_prefix("image ")).unwrap_or_default().to_owned();
        Self { log, image }
    }

    /// Steps that ran, and steps that the cache had.
    fn steps(&self) -> (usize, usize) {
        let line = self.log.lines().find(|line| line.starts_with("built in")).unwrap();
        let numbers: Vec<usize> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        (numbers[0], numbers[1])
    }

    fn count(&self, words: &str) -> usize {
        self.log.lines().filter(|line| line.contains(words)).count()
    }
}

fn build(kit: &Kit, flags: &[String]) -> Told {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let output = format!("type=oci,dest={}", text(&kit.path("out.tar")));
    Told::of(&kit.run(&[&flags[..], &["-o", &output]].concat()))
}

/// Starts as many builds at once as there are machines, does `meanwhile`, and waits for all.
fn at_once(machines: &[Kit], flags: &[String], meanwhile: impl FnOnce()) -> Vec<Told> {
    let start = |kit: &Kit| {
        let output = format!("type=oci,dest={}", text(&kit.path("out.tar")));
        let flags: Vec<&str> = flags.iter().map(String::as_str).chain(["-o", &output]).collect();
        kit.command(&flags).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let started: Vec<_> = machines.iter().map(start).collect();
    meanwhile();
    started.into_iter().map(|child| Told::of(&child.wait_with_output().unwrap())).collect()
}

/// Eight runners start at once on a cache that knows nothing. Where the place has no conditional writes it may happen on a machine with
/// too much to do that two run a step, never three.
fn each_step_runs_once(place: &str, is_conditional: bool) {
    let machines: Vec<Kit> = (0..8).map(|_| machine(DOCKERFILE).unwrap()).collect();
    let told = at_once(&machines, &shared(place), || ());
    let logs = || told.iter().map(|told| told.log.as_str()).collect::<Vec<_>>().join("\n----\n");
    let ran: usize = told.iter().map(|told| told.steps().0).sum();
    let most = if is_conditional { STEPS } else { 2 * STEPS };
    assert!((STEPS..=most).contains(&ran), "{place}: {ran} steps ran\n{}", logs());
    let is_one = told.iter().all(|one| one.image == told[0].image);
    assert!(is_one || ran > STEPS, "{place}: one image everywhere\n{}", logs());
    assert!(told.iter().all(|one| one.count("warning") == 0), "{place}\n{}", logs());
    assert!(told.iter().any(|one| one.count("another runner is just doing this") > 0), "{place}\n{}", logs());
}

#[test]
fn eight_runners_do_each_step_once_by_s3() {
    let (Some(_), Some(server)) = (machine(""), BucketServer::s3()) else { return };
    each_step_runs_once(&s3(&server.address), true);
}

#[test]
fn eight_runners_do_each_step_once_by_a_registry() {
    let dir = tempfile::tempdir().unwrap();
    let (Some(_), Some(registry)) = (machine(""), Registry::start(dir.path())) else { return };
    each_step_runs_once(&format!("type=registry,ref={}/fleet", registry.address), false);
}

#[test]
fn eight_runners_do_each_step_once_by_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (Some(_), dir) = (machine(""), text(dir.path())) else { return };
    let from_and_to =
        ["--cache-from", &format!("type=local,src={dir}"), "--cache-to", &format!("type=local,dest={dir},mode=max")];
    let flags: Vec<String> = from_and_to.iter().map(|word| (*word).to_owned()).collect();
    let machines: Vec<Kit> = (0..8).map(|_| machine(DOCKERFILE).unwrap()).collect();
    let told = at_once(&machines, &flags, || ());
    let ran: usize = told.iter().map(|told| told.steps().0).sum();
    assert_eq!(ran, STEPS, "{}", told.iter().map(|told| told.log.as_str()).collect::<Vec<_>>().join("\n----\n"));
    assert!(told.iter().all(|one| one.image == told[0].image));
}

#[test]
fn eight_runners_do_each_step_once_by_a_plain_server_and_by_actions() {
    if machine("").is_none() {
        return;
    }
    let server = CacheServer::start();
    each_step_runs_once(&format!("type=http,url=http://{}/cache", server.address), true);
    let server = CacheServer::start();
    each_step_runs_once(&format!("type=gha,url_v2=http://{}/,token={CACHE_TOKEN}", server.address), true);
}

#[test]
fn a_second_machine_runs_nothing_and_without_an_output_no_layer_comes() {
    let (Some(one), Some(server)) = (machine(DOCKERFILE), BucketServer::s3()) else { return };
    let place = s3(&server.address);
    let first = build(&one, &shared(&place));
    assert_eq!(first.steps(), (STEPS, 0), "{}", first.log);
    let mut two = machine(DOCKERFILE).unwrap();
    let second = build(&two, &["--cache-from".to_owned(), place.clone()]);
    assert_eq!((second.steps(), &second.image), ((0, STEPS), &first.image), "{}", second.log);
    assert_eq!(second.count(" fetch "), 4, "the layers of the image, none of the stage before: {}", second.log);
    two.new_store();
    let nothing = Told::of(&two.run(&["--cache-from", &place, "-o", "type=cacheonly"]));
    assert_eq!((nothing.steps(), nothing.count(" fetch ")), ((0, STEPS), 0), "{}", nothing.log);
}

#[test]
fn a_server_that_dies_half_way_fails_nobody() {
    let (Some(_), Some(mut server)) = (machine(""), BucketServer::s3()) else { return };
    let dockerfile =
        "FROM busybox\nRUN sleep 1; date +%N > /a\nRUN sleep 1; date +%N > /b\nRUN sleep 1; date +%N > /c\n";
    let machines: Vec<Kit> = (0..4).map(|_| machine(dockerfile).unwrap()).collect();
    let began = Instant::now();
    let told = at_once(&machines, &shared(&s3(&server.address)), || {
        std::thread::sleep(Duration::from_millis(2500));
        server.kill();
    });
    for one in &told {
        assert_eq!(one.count("warning"), 1, "told once: {}", one.log);
        assert_eq!(one.count("it is left out for the rest of this build"), 1, "{}", one.log);
    }
    assert!(began.elapsed() < Duration::from_secs(60), "nobody waits for what is gone: {:?}", began.elapsed());
}

/// A build with that cache succeeds, says so once, and takes no longer than `limit`.
fn is_left_out(place: &str, said: &str, limit: Duration) {
    let kit = machine("FROM busybox\nRUN date +%N > /a\nRUN date +%N > /b\n").unwrap();
    let began = Instant::now();
    let told = build(&kit, &shared(place));
    assert_eq!((told.steps(), told.count("for the rest of this build")), ((2, 0), 1), "{}", told.log);
    assert!(told.log.contains(said), "{}", told.log);
    assert!(!told.log.contains("hush"), "{}", told.log);
    assert!(began.elapsed() < limit, "{said}: {:?}", began.elapsed());
}

#[test]
fn a_place_that_cannot_be_used_is_told_of_and_left_out() {
    let (Some(_), Some(server)) = (machine(""), BucketServer::s3()) else { return };
    let quick = Duration::from_secs(20);
    let missing = s3(&server.address).replace(BUCKET, "nobody-has-it");
    is_left_out(&missing, "NoSuchBucket", quick);
    let refusing = Faulty::start(&server.address, |_, _, _| Fault::Answer(403, ""));
    is_left_out(&s3(&refusing.address).replace("=test", "=hush"), "it refuses access", quick);
    let failing = Faulty::start(&server.address, |_, _, _| Fault::Answer(500, ""));
    is_left_out(&s3(&failing.address), "500", quick);
    is_left_out(&s3("127.0.0.1:9"), "it cannot be reached", quick);
    is_left_out(
        &format!("type=gha,url_v2=http://{}/,token=hush", CacheServer::start().address),
        "it refuses access",
        quick,
    );
}

#[test]
fn a_place_that_drips_is_not_waited_for() {
    let Some(_) = machine("") else { return };
    let server = CacheServer::start();
    let kit = machine("FROM busybox\nRUN date +%N > /a\n").unwrap();
    let place = |address: &str| format!("type=http,url=http://{address}/cache");
    build(&kit, &shared(&place(&server.address)));
    let dripping = Faulty::start(&server.address, |_, _, _| Fault::Drip(1));
    is_left_out(&place(&dripping.address), "it did not answer within 10 s", Duration::from_secs(40));
}

#[test]
fn options_that_mean_nothing_are_refused() {
    let kit = Kit::new();
    for (value, said) in [
        ("type=s3,bucket=b", "type=s3 needs `region=…`"),
        ("type=s3,bucket=b,region=r,colour=red", "there is no option `colour` of type=s3"),
        ("type=azblob", "type=azblob needs `account_url=…`"),
        ("type=gha", "type=gha needs `url_v2=…`"),
        ("type=http,url=ftp://h", "it is not the http or https URL of a directory"),
        ("type=tape", "there are registry, local, inline, s3, gcs, azblob, gha and http"),
    ] {
        let output = kit.run(&["--cache-to", value]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(said), "{value}: {stderr}");
    }
    assert!(!Path::new(&kit.path("store")).exists(), "nothing was begun");
}
