//! Repositories of git made on the spot, and served on loopback.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{installed, skipped};

/// A repository with a work tree, all of whose commits have the same author and a given time.
pub(crate) struct Repository {
    dir: PathBuf,
}

impl Repository {
    /// An empty one at `dir`; `None` where git is not installed.
    pub(crate) fn new(dir: &Path) -> Option<Self> {
        if !installed("git") {
            return None;
        }
        fs::create_dir_all(dir).unwrap();
        let repository = Self { dir: dir.to_owned() };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        Some(repository)
    }

    /// Writes a file.
    pub(crate) fn file(&self, path: &str, text: &str) -> &Self {
        let path = self.dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// A path in the work tree.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Commits everything at that time, and gives the commit.
    pub(crate) fn commit(&self, seconds: u64) -> String {
        self.git(&["add", "--all"]);
        let mut command = self.command(&["commit", "--quiet", "--allow-empty", "-m", "x"]);
        let date = format!("{seconds} +0000");
        run(command.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date));
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs git in it.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        run(&mut self.command(arguments))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.current_dir(&self.dir).args(arguments).env("GIT_CONFIG_GLOBAL", "/dev/null");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "x").env(format!("GIT_{who}_EMAIL"), "x@example.com");
        }
        command
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// `git daemon`, which serves every repository below a directory; stopped when dropped.
pub(crate) struct Daemon {
    child: Child,
    /// `git://127.0.0.1:PORT`
    pub(crate) url: String,
}

impl Daemon {
    /// Starts one; `None` where it is not installed.
    pub(crate) fn start(base: &Path) -> Option<Self> {
        let program = Path::new(&run(Command::new("git").arg("--exec-path"))).join("git-daemon");
        if !program.exists() {
            skipped("git has no git-daemon");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .args(["--listen=127.0.0.1", "--reuseaddr", "--export-all", &format!("--port={port}")])
            .arg(format!("--base-path={}", base.display()))
            .arg(base)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let daemon = Self { child, url: format!("git://127.0.0.1:{port}") };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(daemon);
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("git-daemon does not listen");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// A server of HTTP in front of `git http-backend`.
pub(crate) struct SmartHttp {
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl SmartHttp {
    /// Serves the repositories below `base`, to whoever sends this `Authorization` where one is given.
    pub(crate) fn start(base: &Path, authorization: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (log, base, authorization) = (Arc::clone(&requests), base.to_owned(), authorization.map(str::to_owned));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A client that goes away is no failure of the test.
                let _served = serve(client, &base, authorization.as_deref(), &log);
            }
        });
        Self { address, requests }
    }

    /// `METHOD TARGET` of each request since the last call, with ` authorized` where it brought credentials.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

fn serve(
    mut client: TcpStream,
    base: &Path,
    authorization: Option<&str>,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let given = header("authorization");
    let mark = if given.is_some() { " authorized" } else { "" };
    log.lock().unwrap().push(format!("{method} {target}{mark}"));
    if authorization.is_some_and(|wanted| given != Some(wanted)) {
        return client.write_all(
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    }
    let length = header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", base)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", &method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type").unwrap_or_default())
        .env("CONTENT_LENGTH", length.to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding").unwrap_or_default())
        .env("GIT_PROTOCOL", header("git-protocol").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    child.stdin.take().unwrap().write_all(&body)?;
    let answer = child.wait_with_output()?.stdout;
    let split = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    let head = String::from_utf8_lossy(&answer[..split]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    let rest: String = head
        .lines()
        .filter(|line| !line.starts_with("Status: ") && !line.is_empty())
        .fold(String::new(), |all, line| all + line + "\r\n");
    let head =
        format!("HTTP/1.1 {status}\r\n{rest}Content-Length: {}\r\nConnection: close\r\n\r\n", answer.len() - split);
    client.write_all(head.as_bytes())?;
    client.write_all(&answer[split..])
}
