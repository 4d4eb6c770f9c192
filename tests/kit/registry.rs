use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use super::installed;

/// `user:secret`, as `htpasswd -B` writes it.
pub(crate) const HTPASSWD: &str = "user:$2y$05$.bacTihnnrrwFXt9wAcJouBGTO5mAb4dbr7e5i5E.b.5S0Sy2PtyK\n";

/// Debian's `docker-registry` on loopback, stopped when dropped.
pub(crate) struct Registry {
    child: Child,
    access_log: PathBuf,
    /// `localhost:PORT`
    pub(crate) address: String,
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

impl Registry {
    /// Starts one that keeps its files below `dir`; `None` where it is not installed.
    pub(crate) fn start(dir: &Path) -> Option<Self> {
        Self::with(dir, "", "")
    }

    /// The same, with more lines of configuration: in `http:`, and at the top.
    pub(crate) fn with(dir: &Path, http: &str, top: &str) -> Option<Self> {
        if !installed("docker-registry") {
            return None;
        }
        fs::create_dir_all(dir).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "version: 0.1\nstorage:\n  delete: {{enabled: true}}\n  filesystem: {{rootdirectory: {}}}\nhttp:\n  addr: 127.0.0.1:{port}\n{http}log: {{level: info}}\n{top}",
            dir.join("data").display()
        );
        fs::write(dir.join("config.yml"), config).unwrap();
        let log = fs::File::create(dir.join("log")).unwrap();
        let access_log = dir.join("access");
        let access = fs::File::create(&access_log).unwrap();
        let child = Command::new("docker-registry")
            .args(["serve", dir.join("config.yml").to_str().unwrap()])
            .stdout(access)
            .stderr(log)
            .spawn()
            .unwrap();
        let registry = Self { child, access_log, address: format!("localhost:{port}") };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(registry);
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("docker-registry does not listen");
    }

    /// What was asked of it so far, a line a request: method, path and the status of the answer. The last ones may come late.
    pub(crate) fn requests(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.access_log).unwrap();
        let line = |line: &str| {
            let mut parts = line.split('"').skip(1);
            let (request, rest) = (parts.next()?, parts.next()?);
            Some(format!("{} {}", request.strip_suffix(" HTTP/1.1")?, rest.split_whitespace().next()?))
        };
        log.lines().filter_map(line).collect()
    }
}
