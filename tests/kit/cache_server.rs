//! A server that keeps caches, as its users describe the real ones: a directory that takes PUT and DELETE, a bucket of Google
//! Cloud Storage (the interface in XML), and the cache service of GitHub Actions in both versions.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// What the Actions service wants to see.
pub(crate) const TOKEN: &str = "let-me-in";

/// The server; its thread ends with the test program.
pub(crate) struct CacheServer {
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// By path: when it was made, counted from 1, and its bytes.
    files: BTreeMap<String, (u64, Vec<u8>)>,
    /// Parts of uploads and blocks, by path and number.
    parts: BTreeMap<(String, String), Vec<u8>>,
    entries: Vec<Entry>,
    made: u64,
    requests: Vec<String>,
}

/// Of the Actions service.
struct Entry {
    key: String,
    version: String,
    bytes: Vec<u8>,
    is_done: bool,
}

struct Request {
    method: String,
    path: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Answer {
    fn status(status: u16) -> Self {
        Self { status, headers: String::new(), body: Vec::new() }
    }

    fn json(status: u16, value: &Value) -> Self {
        Self { status, headers: String::new(), body: value.to_string().into_bytes() }
    }

    fn text(text: String) -> Self {
        Self { status: 200, headers: String::new(), body: text.into_bytes() }
    }
}

impl CacheServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::<Mutex<State>>::default();
        let (shared, host) = (Arc::clone(&state), address.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (state, host) = (Arc::clone(&shared), host.clone());
                // A client that goes away is no failure of the test.
                std::thread::spawn(move || serve(client, &state, &host));
            }
        });
        Self { address, state }
    }

    /// `METHOD PATH` of each request since the last call.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }
}

fn serve(mut client: TcpStream, state: &Mutex<State>, host: &str) -> Option<()> {
    let request = read(&client)?;
    let is_head = request.method == "HEAD";
    let answer = {
        let mut state = state.lock().unwrap();
        state.requests.push(format!("{} {}", request.method, request.path));
        state.answer(request, host)
    };
    let length =
        if answer.status == 204 { String::new() } else { format!("Content-Length: {}\r\n", answer.body.len()) };
    let head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n{length}{}\r\n", answer.status, answer.headers);
    client.write_all(head.as_bytes()).ok()?;
    if is_head { Some(()) } else { client.write_all(&answer.body).ok() }
}

fn read(client: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(client);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let query = query.map(|(name, value)| (name.to_owned(), decoded(value))).collect();
    let (path, mut headers) = (decoded(path), BTreeMap::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, query, headers, body })
}

fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let hex: Option<u8> = (byte == b'%').then(|| {
            let pair = [bytes.next().unwrap(), bytes.next().unwrap()];
            u8::from_str_radix(std::str::from_utf8(&pair).unwrap(), 16).unwrap()
        });
        out.push(hex.unwrap_or(byte));
    }
    String::from_utf8(out).unwrap()
}

impl State {
    fn answer(&mut self, request: Request, host: &str) -> Answer {
        let authorized = request.headers.get("authorization").is_some_and(|value| *value == format!("Bearer {TOKEN}"));
        let (path, method) = (request.path.clone(), request.method.clone());
        if let Some(id) = path.strip_prefix("/signed/") {
            // A signed URL is all that is needed; a token would be shown to a stranger.
            let is_signed = request.query.get("sig").is_some_and(|sig| sig == "yes");
            if !is_signed || request.headers.contains_key("authorization") {
                return Answer::status(400);
            }
            return self.signed(id.parse().unwrap(), request);
        }
        if let Some(call) = path.strip_prefix("/twirp/github.actions.results.api.v1.CacheService/") {
            return if authorized { self.second(call, &request, host) } else { Answer::status(401) };
        }
        if let Some(call) = path.strip_prefix("/_apis/artifactcache/") {
            return if authorized { self.first(&method, call, &request, host) } else { Answer::status(401) };
        }
        self.file(request)
    }

    fn entry(&self, key: &str, version: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.key == key && entry.version == version)
    }

    /// The entry of that key, else the newest that begins so.
    fn find(&self, key: &str, version: &str) -> Option<usize> {
        let exact = self.entry(key, version).filter(|at| self.entries[*at].is_done);
        let begins = |entry: &Entry| entry.is_done && entry.version == version && entry.key.starts_with(key);
        exact.or_else(|| self.entries.iter().rposition(begins))
    }

    fn reserve(&mut self, key: &str, version: &str) -> Option<usize> {
        if self.entry(key, version).is_some() {
            return None;
        }
        let (key, version) = (key.to_owned(), version.to_owned());
        self.entries.push(Entry { key, version, bytes: Vec::new(), is_done: false });
        Some(self.entries.len() - 1)
    }

    /// The newest is the one that was finished last.
    fn finish(&mut self, at: usize) {
        self.entries[at].is_done = true;
    }

    fn second(&mut self, call: &str, request: &Request, host: &str) -> Answer {
        let asked: Value = serde_json::from_slice(&request.body).unwrap();
        let (key, version) = (asked["key"].as_str().unwrap(), asked["version"].as_str().unwrap());
        let signed = |at: usize| format!("http://{host}/signed/{at}?sig=yes");
        match call {
            "CreateCacheEntry" => match self.reserve(key, version) {
                Some(at) => Answer::json(200, &json!({ "ok": true, "signed_upload_url": signed(at) })),
                None => Answer::json(409, &json!({ "code": "already_exists", "msg": "cache entry already exists" })),
            },
            "FinalizeCacheEntryUpload" => {
                let at = self.entry(key, version).unwrap();
                let size: usize = asked["size_bytes"].as_str().unwrap().parse().unwrap();
                assert_eq!(self.entries[at].bytes.len(), size);
                self.finish(at);
                Answer::json(200, &json!({ "ok": true, "entry_id": at.to_string() }))
            }
            "GetCacheEntryDownloadURL" => Answer::json(
                200,
                &match self.find(key, version) {
                    Some(at) => {
                        let matched = &self.entries[at].key;
                        json!({ "ok": true, "signed_download_url": signed(at), "matched_key": matched })
                    }
                    None => json!({ "ok": false, "signed_download_url": "", "matched_key": "" }),
                },
            ),
            _ => Answer::status(404),
        }
    }

    fn first(&mut self, method: &str, call: &str, request: &Request, host: &str) -> Answer {
        if (method, call) == ("GET", "cache") {
            return match self.find(&request.query["keys"], &request.query["version"]) {
                Some(at) => {
                    let url = format!("http://{host}/signed/{at}?sig=yes");
                    Answer::json(200, &json!({ "cacheKey": self.entries[at].key, "archiveLocation": url }))
                }
                None => Answer::status(204),
            };
        }
        if (method, call) == ("POST", "caches") {
            let asked: Value = serde_json::from_slice(&request.body).unwrap();
            return match self.reserve(asked["key"].as_str().unwrap(), asked["version"].as_str().unwrap()) {
                Some(at) => Answer::json(201, &json!({ "cacheId": at + 1 })),
                None => Answer::json(409, &json!({ "typeKey": "ArtifactCacheItemAlreadyExistsException" })),
            };
        }
        let at: usize = call.strip_prefix("caches/").unwrap().parse().unwrap();
        let entry = &mut self.entries[at - 1];
        if method == "PATCH" {
            let range = request.headers["content-range"].strip_prefix("bytes ").unwrap().to_owned();
            let start: usize = range.split_once('-').unwrap().0.parse().unwrap();
            entry.bytes.resize(entry.bytes.len().max(start + request.body.len()), 0);
            entry.bytes[start..start + request.body.len()].copy_from_slice(&request.body);
        } else {
            let asked: Value = serde_json::from_slice(&request.body).unwrap();
            assert_eq!(asked["size"].as_u64().unwrap(), entry.bytes.len() as u64);
            self.finish(at - 1);
        }
        Answer::status(204)
    }

    /// As Azure keeps blobs.
    fn signed(&mut self, at: usize, request: Request) -> Answer {
        let id = at.to_string();
        match (request.method.as_str(), request.query.get("comp").map(String::as_str)) {
            ("GET", None) => Answer { status: 200, headers: String::new(), body: self.entries[at].bytes.clone() },
            ("PUT", None) if request.headers.get("x-ms-blob-type").is_some_and(|kind| kind == "BlockBlob") => {
                self.entries[at].bytes = request.body;
                Answer::status(201)
            }
            ("PUT", Some("block")) => {
                self.parts.insert((id, request.query["blockid"].clone()), request.body);
                Answer::status(201)
            }
            ("PUT", Some("blocklist")) => {
                let list = String::from_utf8(request.body).unwrap();
                let blocks = list.split("<Latest>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned());
                let bytes: Vec<u8> =
                    blocks.flat_map(|block| self.parts.remove(&(id.clone(), block)).unwrap()).collect();
                self.entries[at].bytes = bytes;
                Answer::status(201)
            }
            _ => Answer::status(400),
        }
    }

    /// A directory; of a bucket in Google Cloud Storage also uploads in parts.
    fn file(&mut self, request: Request) -> Answer {
        let path = request.path;
        let must_be_new = request.headers.get("if-none-match").is_some_and(|value| value == "*")
            || request.headers.get("x-goog-if-generation-match").is_some_and(|value| value == "0");
        match (request.method.as_str(), request.query.get("uploadId")) {
            ("POST", None) => Answer::text(format!(
                "<InitiateMultipartUploadResult><UploadId>{}</UploadId></InitiateMultipartUploadResult>",
                path.len()
            )),
            ("PUT", Some(_)) => {
                let number: u32 = request.query["partNumber"].parse().unwrap();
                self.parts.insert((path, format!("{number:06}")), request.body);
                Answer { headers: format!("ETag: \"{number}\"\r\n"), ..Answer::status(200) }
            }
            ("POST", Some(_)) => {
                let numbers: Vec<_> = self.parts.keys().filter(|(of, _)| *of == path).cloned().collect();
                let bytes = numbers.iter().flat_map(|number| self.parts.remove(number).unwrap()).collect();
                self.put(&path, bytes);
                Answer::text(
                    "<CompleteMultipartUploadResult><ETag>\"x\"</ETag></CompleteMultipartUploadResult>".to_owned(),
                )
            }
            ("PUT", None) if must_be_new && self.files.contains_key(&path) => Answer::status(412),
            ("PUT", None) => {
                self.put(&path, request.body);
                Answer {
                    headers: format!("ETag: \"{0}\"\r\nx-goog-generation: {0}\r\n", self.made),
                    ..Answer::status(201)
                }
            }
            ("DELETE", _) => Answer::status(if self.files.remove(&path).is_some() { 204 } else { 404 }),
            _ => match self.files.get(&path) {
                Some((made, bytes)) => {
                    let headers = format!(
                        "ETag: \"{made}\"\r\nx-goog-generation: {made}\r\nLast-Modified: Wed, 25 Nov 2026 17:00:00 GMT\r\n"
                    );
                    Answer { status: 200, headers, body: bytes.clone() }
                }
                None => Answer::status(404),
            },
        }
    }

    fn put(&mut self, path: &str, bytes: Vec<u8>) {
        self.made += 1;
        self.files.insert(path.to_owned(), (self.made, bytes));
    }
}
