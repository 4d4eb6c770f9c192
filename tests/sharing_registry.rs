//! The cache that machines share in a registry: Debian's `docker-registry` on loopback.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::kit::{Fault, Faulty, Kit, Registry, Wire, noise, text};

/// The first stage holds a layer of 1 MiB that no output needs.
const DOCKERFILE: &str = "FROM busybox AS tools\nCOPY big /big\nRUN head -c 5 /big > /made\n\
                          FROM busybox\nCOPY --from=tools /made /made\nRUN cat /made > /again\nCOPY last /last\n";

fn machine() -> Option<Kit> {
    let mut kit = Kit::with_busybox()?;
    kit.file("big", &noise(1 << 20)).file("last", "last").dockerfile(DOCKERFILE);
    Some(kit)
}

/// A machine, and a registry that a first one has filled from it, with the id of the image.
fn filled(more: &str) -> Option<(Kit, Registry, String)> {
    let one = machine()?;
    let registry = Registry::start(&one.path("registry"))?;
    let to = format!("type=registry,ref={}/team/cache:main,mode=max{more}", registry.address);
    let log = build(&one, &["--cache-to", &to]);
    assert!(log.contains("5 steps, "), "{log}");
    let image = image(&log);
    Some((one, registry, image))
}

fn build(kit: &Kit, flags: &[&str]) -> String {
    let output = format!("type=oci,dest={}", text(&kit.path("out.tar")));
    plain(kit, &[flags, &["-o", &output]].concat())
}

fn plain(kit: &Kit, flags: &[&str]) -> String {
    let output = kit.run(flags);
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{log}");
    log
}

fn image(log: &str) -> String {
    log.lines().find_map(|line| line.strip_prefix("image ")).unwrap_or_default().to_owned()
}

fn from(address: &str) -> String {
    format!("{address}/team/cache:main")
}

#[test]
fn cx_2_zero_layer_bytes_where_no_layer_is_needed_and_those_of_the_output_where_one_is() {
    let Some((_one, registry, first)) = filled("") else { return };
    let wire = Wire::tap(&registry.address);
    let mut two = machine().unwrap();
    let log = plain(&two, &["--cache-from", &from(&wire.address), "-o", "type=cacheonly"]);
    assert!(log.contains("0 steps ran, 5 cached") && !log.contains(" fetch "), "{log}");
    assert!(wire.received() < 60_000, "{} bytes", wire.received());

    two.new_store();
    let log = build(&two, &["--cache-from", &from(&wire.address)]);
    assert_eq!(image(&log), first);
    assert_eq!(log.matches(" fetch ").count(), 3, "{log}");
    assert!(wire.received() < 120_000, "{} bytes", wire.received());

    // A registry that has the layers already gets them from itself.
    let three = machine().unwrap();
    let before = wire.received();
    let app = format!("{}/team/app:1", wire.address);
    let log = plain(&three, &["--cache-from", &from(&wire.address), "--push", "-t", &app]);
    assert!(log.contains("0 steps ran, 5 cached") && !log.contains(" fetch "), "{log}");
    assert!(log.contains("mounted from another repository"), "{log}");
    assert!(wire.received() - before < 60_000, "{} bytes", wire.received() - before);
    let pulled = three.kiln(&["pull", "--store", text(&three.path("other")), &app]);
    assert!(pulled.status.success(), "{}", String::from_utf8_lossy(&pulled.stderr));
}

#[test]
fn cx_1_an_image_carries_its_own_cache() {
    let Some(one) = machine() else { return };
    let Some(registry) = Registry::start(&one.path("registry")) else { return };
    let app = format!("{}/team/app:1", registry.address);
    let first = plain(&one, &["--cache-to", "type=inline", "--push", "-t", &app]);
    let two = machine().unwrap();
    let log = build(&two, &["--cache-from", &app, "--cache-to", "type=inline"]);
    assert!(log.contains("2 steps ran, 3 cached"), "{log}");
    assert_eq!(image(&log), image(&first), "the same image wherever it is built");
    let plainly = build(&two, &["--cache-from", &app]);
    assert_ne!(image(&plainly), image(&first), "without the flag there is no cache in it");

    // Nobody's image is overwritten with a cache.
    let over = plain(&two, &["--cache-to", &format!("type=registry,ref={app},mode=max"), "-o", "type=cacheonly"]);
    assert!(over.contains("something else than a cache under its name"), "{over}");
    let pulled = two.kiln(&["pull", "--store", text(&two.path("other")), &app]);
    assert!(pulled.status.success(), "{}", String::from_utf8_lossy(&pulled.stderr));
}

#[test]
fn a_layer_that_comes_damaged_is_made_anew() {
    let Some((one, registry, _)) = filled("") else { return };
    let layers: Vec<String> = layers_of(&one);
    let wanted = layers.clone();
    let bad = Faulty::start(&registry.address, move |method, path, _| {
        let is_layer = wanted.iter().any(|layer| path.ends_with(layer.as_str()));
        if method == "GET" && is_layer { Fault::Flip } else { Fault::None }
    });
    let two = machine().unwrap();
    let log = build(&two, &["--cache-from", &from(&bad.address)]);
    assert!(log.contains("it is made anew"), "{log}");
    assert!(!log.contains("internal"), "{log}");
}

/// The digests of the layers of the archive that was built last.
fn layers_of(kit: &Kit) -> Vec<String> {
    let names = crate::kit::output_of("tar", &["-tf", text(&kit.path("out.tar"))]);
    let names = names.lines().filter_map(|name| name.strip_prefix("blobs/sha256/"));
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[test]
fn a_server_that_dies_half_way_costs_a_warning() {
    for dies_after in [3, 9] {
        let began = Instant::now();
        let Some((_one, registry, _)) = filled("") else { return };
        let count = std::sync::atomic::AtomicUsize::new(0);
        let dying = Faulty::start(&registry.address, move |_, _, _| {
            let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            if number < dies_after { Fault::None } else { Fault::Drop }
        });
        let two = machine().unwrap();
        let to = format!("type=registry,ref={},mode=max", from(&dying.address));
        let log = build(&two, &["--cache-from", &from(&dying.address), "--cache-to", &to]);
        assert!(log.matches("it is left out for the rest of this build").count() <= 1, "{dies_after}: {log}");
        assert!(log.contains("built in"), "{log}");
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}

#[test]
fn who_may_only_read_reads() {
    let Some((_one, registry, _)) = filled("") else { return };
    let guarded = Faulty::start(&registry.address, |method, _, _| match method {
        "GET" => Fault::None,
        _ => Fault::Answer(403, ""),
    });
    let mut two = machine().unwrap();
    two.file("last", "other");
    let to = format!("type=registry,ref={},mode=max", from(&guarded.address));
    let log = build(&two, &["--cache-from", &from(&guarded.address), "--cache-to", &to]);
    assert!(log.contains("1 step ran, 4 cached"), "{log}");
    assert_eq!(log.matches("nothing more is exported to it").count(), 1, "{log}");
    assert!(!log.contains("left out"), "{log}");
}

#[test]
fn a_server_that_never_answers_is_not_waited_for() {
    let Some(mut two) = machine() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("localhost:{}", listener.local_addr().unwrap().port());
    let _silent = std::thread::spawn(move || listener.incoming().map_while(Result::ok).collect::<Vec<_>>());
    let began = Instant::now();
    let log = build(&two, &["--cache-from", &from(&address)]);
    assert!(log.contains("it did not answer within 10 s; it is left out for the rest of this build"), "{log}");
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());

    // Nor is the user.
    two.new_store();
    let mut child = two.command(&["--cache-from", &from(&address)]);
    let mut child = child.stderr(std::process::Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    let began = Instant::now();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn nobody_there_is_a_warning_and_a_failure_where_it_is_asked_for() {
    let Some(two) = machine() else { return };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = format!("localhost:{port}/team/cache:main");
    let log = build(&two, &["--cache-from", &nobody, "--cache-to", &format!("type=registry,ref={nobody}")]);
    assert_eq!(log.matches("it cannot be reached").count(), 1, "{log}");
    let strict = format!("type=registry,ref={nobody},ignore-error=false");
    let output = two.run(&["--cache-to", &strict, "-o", "type=cacheonly"]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && log.contains("cannot export the cache"), "{log}");
}

#[test]
fn many_steps_are_known_at_once() {
    use std::fmt::Write as _;
    let Some(mut one) = Kit::with_busybox() else { return };
    let Some(registry) = Registry::start(&one.path("registry")) else { return };
    let mut dockerfile = "FROM busybox\n".to_owned();
    for number in 0..150 {
        writeln!(dockerfile, "WORKDIR /a{number}").unwrap();
    }
    one.dockerfile(&dockerfile);
    let to = format!("type=registry,ref={}", from(&registry.address));
    let log = plain(&one, &["--cache-to", &to, "-o", "type=cacheonly"]);
    assert!(log.contains("150 steps, "), "{log}");

    let wire = Wire::tap(&registry.address);
    let mut two = Kit::with_busybox().unwrap();
    two.dockerfile(&dockerfile);
    let began = Instant::now();
    let log = plain(&two, &["--cache-from", &from(&wire.address), "-o", "type=cacheonly"]);
    assert!(log.contains("0 steps ran, 150 cached"), "{log}");
    // A test build is some times slower than the program.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(wire.received() < 200_000, "{} bytes", wire.received());
}
