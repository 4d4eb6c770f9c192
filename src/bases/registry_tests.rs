//! Pulling from a real registry on loopback: Debian's `docker-registry`, filled by `skopeo`.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::image::{Index, MediaType, Platform, Reference, Wire};
use crate::plan::{Bases, Found};
use crate::progress::{Event, Outcome, Sink};
use crate::registry::{Access, Registry};
use crate::store::Store;

use super::kit::{Kit, tagged};
use super::{BaseImage, Pull, Resolver, Settings};

struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Collects events.
#[derive(Default)]
struct Seen(Mutex<Vec<Event>>);

impl Sink for Seen {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn serve(dir: &Path) -> Option<Server> {
    for program in ["docker-registry", "skopeo"] {
        if Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            eprintln!("SKIPPED: {program} is not installed");
            return None;
        }
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\nlog:\n  level: error\n",
        dir.join("registry").display()
    );
    std::fs::write(dir.join("config.yml"), config).unwrap();
    let child = Command::new("docker-registry")
        .args(["serve", dir.join("config.yml").to_str().unwrap()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server { child, address: format!("localhost:{port}") };
    for _ in 0..100 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(server);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("docker-registry does not listen");
}

fn push(dir: &Path, kit: &Kit, to: &str) {
    let layout = dir.join("layout");
    let _none = std::fs::remove_dir_all(&layout);
    kit.write(&layout);
    let status = Command::new("skopeo")
        .args(["--insecure-policy", "copy", "-q", "--all", "--preserve-digests", "--dest-tls-verify=false"])
        .args([format!("oci:{}:1", layout.display()), format!("docker://{to}")])
        .status()
        .unwrap();
    assert!(status.success());
}

struct Machine {
    store: Arc<Store>,
    seen: Arc<Seen>,
}

impl Machine {
    fn resolver(&self, pull: Pull, mirrors: &[&str]) -> Resolver {
        let mirrors = mirrors.iter().map(|mirror| (*mirror).to_owned()).collect();
        let settings = Settings { pull, threads: 1, ..Settings::default() };
        let registry = Arc::new(Registry::new(Access { mirrors, ..Access::default() }));
        Resolver::new(Arc::clone(&self.store), registry, settings, self.seen.clone()).unwrap()
    }

    fn layer(&self, base: &BaseImage) -> String {
        let layer = &base.layers[0].1;
        self.store.ensure_blob(layer, base.source.as_deref()).unwrap();
        String::from_utf8(self.store.read_blob(&layer.digest).unwrap()).unwrap()
    }
}

fn ask(resolver: &Resolver, name: &Reference, platform: &str) -> Result<BaseImage, String> {
    let platform: Platform = platform.parse().unwrap();
    match resolver.image(name, &platform).map_err(|error| error.message)? {
        Found::Image(id, _) => Ok(resolver.base(&id)),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn nc_3_images_are_pulled_once_and_again_only_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = serve(dir.path()) else { return };
    let many = |amd: &str, arm: &str| {
        let mut kit = Kit::default();
        let entries = vec![kit.image("linux/amd64", amd), kit.image("linux/arm64", arm)];
        let index = kit.blob(MediaType::Index(Wire::Oci), &Index::of(entries).to_json());
        kit.index(vec![tagged(index, "1")]);
        kit
    };
    let place = format!("{}/library/x:1", server.address);
    push(dir.path(), &many("amd one", "arm one"), &place);
    let machine = Machine { store: Arc::new(Store::open(&dir.path().join("store")).unwrap()), seen: Arc::default() };
    let name: Reference = place.parse().unwrap();
    let resolver = machine.resolver(Pull::Missing, &[]);
    let base = ask(&resolver, &name, "linux/amd64").unwrap();
    assert!(!machine.store.has(&base.layers[0].1.digest), "layers stay where they are until asked for");
    assert_eq!(machine.layer(&base), "amd one");
    let starts = |machine: &Machine| {
        let seen = machine.seen.0.lock().unwrap();
        let names = seen.iter().filter_map(|event| match event {
            Event::Start { name, .. } => Some(name.split(' ').next().unwrap().to_owned()),
            Event::End { outcome: Outcome::Failed, .. } => Some("failed".to_owned()),
            _ => None,
        });
        names.collect::<Vec<_>>()
    };
    assert_eq!(starts(&machine), ["resolve", "pull"]);

    push(dir.path(), &many("amd two", "arm two"), &place);
    let kept = ask(&machine.resolver(Pull::Missing, &[]), &name, "linux/amd64").unwrap();
    assert_eq!(kept.digest, base.digest);
    assert_eq!(starts(&machine).len(), 2, "the store has it");
    let other = ask(&machine.resolver(Pull::Missing, &[]), &name, "linux/arm64").unwrap();
    assert_eq!(machine.layer(&other), "arm one", "the other platform of the same index");
    let new = ask(&machine.resolver(Pull::Always, &[]), &name, "linux/amd64").unwrap();
    assert_eq!(machine.layer(&new), "amd two");
    let kept = ask(&machine.resolver(Pull::Missing, &[]), &name, "linux/amd64").unwrap();
    assert_eq!(kept.digest, new.digest, "the name means what was pulled last");

    let error = ask(&resolver, &name, "linux/s390x").unwrap_err();
    assert!(error.contains("no match for platform in manifest"), "{error}");
    let absent = format!("{}/library/none", server.address).parse().unwrap();
    let error = ask(&resolver, &absent, "linux/amd64").unwrap_err();
    assert!(error.ends_with("library/none:latest: not found"), "{error}");

    let hub: Reference = "x:1".parse().unwrap();
    let mirrored = ask(&machine.resolver(Pull::Missing, &[&server.address]), &hub, "linux/amd64").unwrap();
    assert_eq!(mirrored.digest, new.digest, "a mirror of Docker Hub");
    let pinned: Reference = format!("{}/library/x@{}", server.address, base.digest).parse().unwrap();
    assert_eq!(ask(&machine.resolver(Pull::Always, &[]), &pinned, "linux/amd64").unwrap().digest, base.digest);
}
