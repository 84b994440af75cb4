//! A node that lies: passes requests on to an honest one, and changes what it answers to one of them; the last digit of what calls return, where
//! nothing else is asked for.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use serde_json::Value;

/// The lying node; it lies as long as the test runs.
pub(crate) struct Liar {
    name: String,
}

impl Liar {
    /// In front of an honest node.
    pub(crate) fn before(honest: &str) -> Self {
        Self::about(honest, "eth_call", |answer| {
            if let Some(result) = answer["result"].as_str().filter(|result| result.len() > 2) {
                let (rest, last) = result.split_at(result.len() - 1);
                let last = if last == "0" { "1" } else { "0" };
                answer["result"] = format!("{rest}{last}").into();
            }
        })
    }

    /// In front of an honest node; `lie` changes what it answers to a method.
    pub(crate) fn about(honest: &str, method: &'static str, lie: fn(&mut Value)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let name = listener.local_addr().unwrap().to_string();
        let honest = honest.strip_prefix("http://").unwrap().to_owned();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let honest = honest.clone();
                thread::spawn(move || serve(stream, &honest, method, lie));
            }
        });
        Self { name }
    }

    /// Host and port.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.name)
    }
}

/// One request a connection.
fn serve(mut stream: TcpStream, honest: &str, method: &str, lie: fn(&mut Value)) -> Option<()> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    let (head, length) = loop {
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend(&buffer[..read]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok())?;
        break (end + 4, length);
    };
    while bytes.len() < head + length {
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend(&buffer[..read]);
    }
    let request: Value = serde_json::from_slice(&bytes[head..head + length]).ok()?;
    let mut answer = ask(honest, &request)?;
    if request["method"] == method {
        lie(&mut answer);
    }
    let body = answer.to_string();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()
}

fn ask(host: &str, request: &Value) -> Option<Value> {
    let body = request.to_string();
    let mut stream = TcpStream::connect(host).ok()?;
    write!(
        stream,
        "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
}
