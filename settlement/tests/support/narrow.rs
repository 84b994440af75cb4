//! A node that gives events of few blocks at once, in front of one that has no such limit: it notes down which blocks it was asked for.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// Changes what is answered to a request.
pub(crate) type Change = Box<dyn FnMut(&Value, &mut Value) + Send>;

/// What it does, and what it was asked.
#[derive(Default)]
pub(crate) struct Narrow {
    url: String,
    behind: String,
    limit: u64,
    /// Ranges of blocks whose events it gave.
    given: Mutex<Vec<(u64, u64)>>,
    /// Ranges that it refused.
    refused: Mutex<Vec<(u64, u64)>>,
    /// A block whose events it keeps back once: it knows that the block is there, and not yet what is in it.
    hidden: Mutex<Option<u64>>,
    /// It doesn't keep the state of old blocks.
    pub(crate) forgetful: AtomicBool,
    /// It says something else than the node behind it.
    change: Mutex<Option<Change>>,
}

impl Narrow {
    /// In front of a node; events of at most `limit` blocks at once.
    pub(crate) fn before(node: &str, limit: u64) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let narrow = Arc::new(Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            behind: node.strip_prefix("http://").unwrap().to_owned(),
            limit,
            ..Self::default()
        });
        let serving = Arc::clone(&narrow);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let narrow = Arc::clone(&serving);
                thread::spawn(move || narrow.serve(stream));
            }
        });
        narrow
    }

    /// From now on it answers what this makes of the answers behind it.
    pub(crate) fn answer(&self, change: impl FnMut(&Value, &mut Value) + Send + 'static) {
        *self.change.lock().unwrap() = Some(Box::new(change));
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Answers once that there are no events in a range with this block.
    pub(crate) fn hide(&self, block: u64) {
        *self.hidden.lock().unwrap() = Some(block);
    }

    /// Whether the answer is kept back.
    fn hides(&self, request: &Value) -> Option<()> {
        let range = &request["params"][0];
        (request["method"] == "eth_getLogs").then_some(())?;
        let range = number(&range["fromBlock"])?..=number(&range["toBlock"])?;
        let mut hidden = self.hidden.lock().unwrap();
        hidden.take_if(|block| range.contains(block)).map(|_| ())
    }

    /// The ranges given since this was asked last.
    pub(crate) fn given(&self) -> Vec<(u64, u64)> {
        std::mem::take(&mut *self.given.lock().unwrap())
    }

    /// The ranges refused since this was asked last.
    pub(crate) fn refused(&self) -> Vec<(u64, u64)> {
        std::mem::take(&mut *self.refused.lock().unwrap())
    }

    /// One request a connection.
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
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
        let refusal = self.refusal(&request);
        let body = match refusal {
            Some(message) => {
                json!({ "jsonrpc": "2.0", "id": request["id"], "error": { "code": -32005, "message": message } })
                    .to_string()
            }
            None if self.hides(&request).is_some() => {
                json!({ "jsonrpc": "2.0", "id": request["id"], "result": [] }).to_string()
            }
            None => {
                let mut answer = serde_json::from_str(&self.ask(&request.to_string())?).ok()?;
                if let Some(change) = &mut *self.change.lock().unwrap() {
                    change(&request, &mut answer);
                }
                answer.to_string()
            }
        };
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .ok()
    }

    fn refusal(&self, request: &Value) -> Option<&'static str> {
        let params = &request["params"];
        match request["method"].as_str()? {
            "eth_getLogs" => {
                let range = (number(&params[0]["fromBlock"])?, number(&params[0]["toBlock"])?);
                if range.1 - range.0 >= self.limit {
                    self.refused.lock().unwrap().push(range);
                    return Some("the range of blocks is too large");
                }
                self.given.lock().unwrap().push(range);
                None
            }
            "eth_getCode" if self.forgetful.load(Ordering::SeqCst) && number(&params[1]).is_some() => {
                Some("missing trie node")
            }
            _ => None,
        }
    }

    fn ask(&self, body: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.behind).ok()?;
        write!(
            stream,
            "POST / HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            self.behind,
            body.len()
        )
        .ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, mut body) = text.split_once("\r\n\r\n")?;
        if !head.to_lowercase().contains("transfer-encoding: chunked") {
            return Some(body.to_owned());
        }
        let mut whole = String::new();
        loop {
            let (size, rest) = body.split_once("\r\n")?;
            let size = usize::from_str_radix(size, 16).ok()?;
            if size == 0 {
                return Some(whole);
            }
            whole += rest.get(..size)?;
            body = rest.get(size + 2..)?;
        }
    }
}

fn number(hex: &Value) -> Option<u64> {
    u64::from_str_radix(hex.as_str()?.strip_prefix("0x")?, 16).ok()
}
