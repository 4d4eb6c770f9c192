//! A server of files on loopback that may be a bad one.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What is served under one path.
#[derive(Clone, Default)]
pub(crate) struct Page {
    pub(crate) content: Vec<u8>,
    /// `ETag`, to which `If-None-Match` is compared.
    pub(crate) etag: Option<String>,
    /// `Last-Modified`, to which `If-Modified-Since` is compared.
    pub(crate) modified: Option<String>,
    /// Where it has gone.
    pub(crate) location: Option<String>,
    /// The `Authorization` that it takes.
    pub(crate) authorization: Option<String>,
    /// Answers 503 so often.
    pub(crate) failures: u32,
    /// Breaks off in the middle so often.
    pub(crate) cuts: u32,
    /// Says nothing at all.
    pub(crate) silent: bool,
}

/// The server; its thread ends with the test program.
pub(crate) struct Web {
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
    pages: Arc<Mutex<BTreeMap<String, Page>>>,
    answers: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// Serves nothing yet.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (pages, answers) = (Arc::<Mutex<BTreeMap<String, Page>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let shared = (Arc::clone(&pages), Arc::clone(&answers));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (pages, answers) = (Arc::clone(&shared.0), Arc::clone(&shared.1));
                // A client that goes away is no failure of the test.
                std::thread::spawn(move || serve(client, &pages, &answers));
            }
        });
        Self { url, pages, answers }
    }

    /// Serves `page` under `path`.
    pub(crate) fn page(&self, path: &str, page: Page) -> &Self {
        self.pages.lock().unwrap().insert(path.to_owned(), page);
        self
    }

    /// Serves some bytes.
    pub(crate) fn file(&self, path: &str, content: impl Into<Vec<u8>>) -> &Self {
        self.page(path, Page { content: content.into(), ..Page::default() })
    }

    /// `host:port`
    pub(crate) fn host(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// `PATH STATUS` of each answer since the last call.
    pub(crate) fn answers(&self) -> Vec<String> {
        std::mem::take(&mut self.answers.lock().unwrap())
    }
}

fn serve(mut client: TcpStream, pages: &Mutex<BTreeMap<String, Page>>, answers: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let path = first.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let header = |name: &str| {
        headers.iter().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let mut page = Page::default();
    let mut status = "404 Not Found";
    if let Some(found) = pages.lock().unwrap().get_mut(&path) {
        page = found.clone();
        found.failures = found.failures.saturating_sub(1);
        found.cuts = found.cuts.saturating_sub(1);
        let same = |name: &str, mark: &Option<String>| mark.is_some() && header(name) == *mark;
        status = if page.authorization.is_some() && header("authorization") != page.authorization {
            "401 Unauthorized"
        } else if page.failures > 0 {
            "503 Service Unavailable"
        } else if page.location.is_some() {
            "302 Found"
        } else if same("if-none-match", &page.etag) || same("if-modified-since", &page.modified) {
            "304 Not Modified"
        } else {
            "200 OK"
        };
    }
    answers.lock().unwrap().push(format!("{path} {}", &status[..3]));
    if page.silent {
        std::thread::sleep(std::time::Duration::from_secs(30));
        return;
    }
    let content = if status.starts_with("200") { &page.content[..] } else { b"" };
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    for (name, value) in [("ETag", &page.etag), ("Last-Modified", &page.modified), ("Location", &page.location)] {
        if let Some(value) = value {
            head = head + name + ": " + value + "\r\n";
        }
    }
    if !status.starts_with("304") {
        head = head + "Content-Length: " + &content.len().to_string() + "\r\n";
    }
    let sent = if page.cuts > 0 { content.len() / 2 } else { content.len() };
    let _client_may_be_gone = client.write_all(format!("{head}\r\n").as_bytes());
    let _client_may_be_gone = client.write_all(&content[..sent]);
}
