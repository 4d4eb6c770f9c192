//! A registry for tests that can fail: one connection a request, answers given by the test.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// A request: path, and all headers in lower case.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) headers: String,
}

/// An answer. `cut` closes the connection after so many bytes of the body.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<String>,
    pub(super) body: Vec<u8>,
    pub(super) cut: Option<usize>,
}

pub(super) struct Fake {
    /// `localhost:PORT`
    pub(super) address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    /// Serves until the test's process ends. `answer` gets the number of earlier requests for the same path.
    pub(super) fn start(answer: impl Fn(&Request, usize) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("localhost:{}", listener.local_addr().unwrap().port());
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let Some(Ok(first)) = lines.next() else { continue };
                let headers: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                let request = Request { path, headers: headers.join("\n").to_lowercase() };
                let before = seen.lock().unwrap().iter().filter(|other| other.path == request.path).count();
                seen.lock().unwrap().push(request.clone());
                let answer = answer(&request, before);
                let length = format!("Content-Length: {}", answer.body.len());
                let first = format!("HTTP/1.1 {} X", answer.status);
                let mut head = vec![first, "Connection: close".to_owned(), length];
                head.extend(answer.headers.clone());
                let head = head.join("\r\n");
                let body = &answer.body[..answer.cut.unwrap_or(answer.body.len())];
                let _gone = stream.write_all(&[head.as_bytes(), b"\r\n\r\n", body].concat());
            }
        });
        Self { address, requests }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

pub(super) fn ok(body: &[u8]) -> Answer {
    Answer { status: 200, body: body.to_vec(), ..Answer::default() }
}

pub(super) fn status(status: u16) -> Answer {
    Answer { status, ..Answer::default() }
}
