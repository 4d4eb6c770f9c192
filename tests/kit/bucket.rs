//! Object stores on loopback: S3 by moto (of `PyPI`), Azure Blob Storage by Azurite (of npm).

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::installed;

/// The name of the bucket or container that is there.
pub(crate) const BUCKET: &str = "fleet";
/// The account that Azurite has, and the key that it always takes.
pub(crate) const AZURE_ACCOUNT: &str = "devstoreaccount1";
pub(crate) const AZURE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A server with one bucket, stopped when dropped.
pub(crate) struct BucketServer {
    child: Child,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
}

impl Drop for BucketServer {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

impl BucketServer {
    /// S3 by moto, whose keys are `test` and `test`; `None` where it is not installed.
    pub(crate) fn s3() -> Option<Self> {
        if !installed("moto_server") {
            return None;
        }
        let server = Self::start(|port| {
            let mut command = Command::new("moto_server");
            command.args(["-H", "127.0.0.1", "-p", port]);
            command
        });
        server.put(&format!("/{BUCKET}"), &[]);
        Some(server)
    }

    /// Azure by Azurite, which keeps its files below `dir`; `None` where it is not installed.
    pub(crate) fn azure(dir: &Path) -> Option<Self> {
        if !installed("azurite-blob") {
            return None;
        }
        let server = Self::start(|port| {
            let mut command = Command::new("azurite-blob");
            command.args(["--blobHost", "127.0.0.1", "--blobPort", port, "--silent", "--disableTelemetry"]);
            command.args(["--skipApiVersionCheck", "--location"]).arg(dir);
            command
        });
        server.make_container();
        Some(server)
    }

    fn start(command: impl Fn(&str) -> Command) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = command(&port.to_string());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { child, address: format!("127.0.0.1:{port}") };
        for _ in 0..800 {
            if TcpStream::connect(&server.address).is_ok() {
                return server;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("{command:?} does not listen");
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A container is made by a request that is signed with the account's key.
    fn make_container(&self) {
        let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let version = "2021-08-06";
        let signed = format!(
            "PUT{}x-ms-date:{date}\nx-ms-version:{version}\n/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/{BUCKET}\nrestype:container",
            "\n".repeat(12)
        );
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &STANDARD.decode(AZURE_KEY).unwrap());
        let signature = STANDARD.encode(ring::hmac::sign(&key, signed.as_bytes()));
        let authorization = format!("Authorization: SharedKey {AZURE_ACCOUNT}:{signature}");
        let headers = [authorization, format!("x-ms-date: {date}"), format!("x-ms-version: {version}")];
        self.put(&format!("/{AZURE_ACCOUNT}/{BUCKET}?restype=container"), &headers);
    }

    fn put(&self, path: &str, headers: &[String]) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let headers = headers.iter().fold(String::new(), |all, header| all + header + "\r\n");
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }
}
