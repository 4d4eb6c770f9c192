use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is done to one exchange with a registry.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The connection is closed before the registry hears of the request.
    Drop,
    /// The registry does what it is asked, and its answer is lost.
    Lose,
    /// This answer, with these headers, in place of the registry's.
    Answer(u16, &'static str),
    /// The body breaks off after so many bytes.
    Cut(usize),
    /// One bit of the body is another.
    Flip,
    /// Another body of the same length.
    Other(&'static [u8]),
    /// More bytes than were promised.
    More,
    /// So many bytes at a time, with a pause after each.
    Drip(usize),
}

/// A line to a registry that understands HTTP, and does harm to it.
pub(crate) struct Faulty {
    /// `localhost:PORT`
    pub(crate) address: String,
}

impl Faulty {
    /// `fault` is asked at each request: method, path, and how often that was asked before.
    pub(crate) fn start(server: &str, fault: impl Fn(&str, &str, usize) -> Fault + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("localhost:{}", listener.local_addr().unwrap().port());
        let (server, fault) = (server.replace("localhost", "127.0.0.1"), Arc::new(fault));
        let counts: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (server, fault, counts) = (server.clone(), Arc::clone(&fault), Arc::clone(&counts));
                std::thread::spawn(move || {
                    let decide = |request: &str| {
                        let mut words = request.split(' ');
                        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                        let path = path.split('?').next().unwrap_or_default();
                        let mut counts = counts.lock().unwrap();
                        let count = counts.entry(format!("{method} {path}")).or_default();
                        *count += 1;
                        fault(method, path, *count - 1)
                    };
                    // A client that has gone away is no failure of the test.
                    let _served = serve(client, &server, &decide);
                });
            }
        });
        Self { address }
    }
}

/// One exchange; the connection ends with it.
fn serve(mut client: TcpStream, server: &str, decide: &dyn Fn(&str) -> Fault) -> std::io::Result<()> {
    let head = head(&mut client)?;
    if head.is_empty() {
        return Ok(());
    }
    let body = body(&mut client, &head)?;
    let fault = decide(&head);
    match &fault {
        Fault::Drop => return client.shutdown(Shutdown::Both),
        Fault::Answer(status, headers) => {
            let answer = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n");
            return client.write_all(answer.as_bytes());
        }
        _ => {}
    }
    let mut upstream = TcpStream::connect(server)?;
    let lines = head.lines().filter(|line| !line.to_lowercase().starts_with("connection:"));
    let asked: Vec<String> = lines.filter(|line| !line.is_empty()).map(str::to_owned).collect();
    upstream.write_all(format!("{}\r\nConnection: close\r\n\r\n", asked.join("\r\n")).as_bytes())?;
    upstream.write_all(&body)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    let start = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    let (head, body) = answer.split_at(start);
    let (mut head, mut body) = (String::from_utf8_lossy(head).into_owned(), body.to_vec());
    match &fault {
        Fault::Lose => return client.shutdown(Shutdown::Both),
        Fault::Cut(length) => body.truncate(*length),
        Fault::Flip => {
            let middle = body.len() / 2;
            if let Some(byte) = body.get_mut(middle) {
                *byte ^= 1;
            }
        }
        Fault::Other(other) => {
            head = with_length(&head, other.len());
            body = other.to_vec();
        }
        Fault::More => {
            body.extend(b"and more");
            head = with_length(&head, body.len());
        }
        _ => {}
    }
    client.write_all(head.as_bytes())?;
    let piece = if let Fault::Drip(piece) = fault { piece } else { body.len().max(1) };
    for piece_of_body in body.chunks(piece) {
        client.write_all(piece_of_body)?;
        if piece < body.len() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    client.shutdown(Shutdown::Both)
}

fn with_length(head: &str, length: usize) -> String {
    let lines = head.trim_end().lines().filter(|line| !line.to_lowercase().starts_with("content-length:"));
    let lines: Vec<&str> = lines.collect();
    format!("{}\r\nContent-Length: {length}\r\n\r\n", lines.join("\r\n"))
}

/// Up to the empty line.
fn head(client: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte)? > 0 {
        head.extend(byte);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// As it came, chunks with their lengths.
fn body(client: &mut TcpStream, head: &str) -> std::io::Result<Vec<u8>> {
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length:"));
    if let Some(length) = length.and_then(|length| length.trim().parse::<usize>().ok()) {
        let mut body = vec![0; length];
        client.read_exact(&mut body)?;
        return Ok(body);
    }
    let mut body = Vec::new();
    if lower.contains("transfer-encoding: chunked") {
        let mut buffer = [0; 4096];
        while !body.ends_with(b"0\r\n\r\n") {
            match client.read(&mut buffer)? {
                0 => break,
                count => body.extend(&buffer[..count]),
            }
        }
    }
    Ok(body)
}
