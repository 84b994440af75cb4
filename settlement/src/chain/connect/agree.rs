//! Several nodes of one chain as one transport: they are asked alike, and must answer alike.
//!
//! A reading goes to all of them. Where answers differ the nodes are asked again for a few seconds, since one may be a block behind; what differs
//! still is an error that names both answers, and never a vote. A node that doesn't answer is an error too: whoever can silence the
//! honest nodes must not be left with the word of the others. A transaction goes to the first node that takes it. Prices and gas are anybody's
//! word, since a wrong one costs no more than a transaction that fails or waits.
//!
//! Proofs and whole blocks' receipts are served by some nodes only, and are compared with a header that all agree on: the answers of those who
//! have them count.
//!
//! Errors name nodes by host and port: a url may hold a key, so that none is ever part of one.
//!
//! Compared is what a chain fixes (hashes, results, states, events), not what nodes add of their own.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use alloy::rpc::json_rpc::{RequestPacket, Response, ResponsePacket, ResponsePayload, SerializedRequest};
use alloy::transports::http::{Http, reqwest};
use alloy::transports::{RpcError, TransportError, TransportErrorKind, TransportFut};
use serde_json::{Value, json};
use tokio::time::sleep;
use tower::Service;

/// Pauses between asking again where nodes differ.
const PAUSES: [u64; 5] = [0, 250, 500, 1_000, 2_000];
/// Characters of an answer that an error shows.
const SHOWN: usize = 160;
/// How an error begins that tells of different answers.
pub(super) const DISAGREE: &str = "the nodes of this chain disagree";

/// One node.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Host and port, for errors: a url may hold a key.
    pub(super) name: String,
    pub(super) http: Http<reqwest::Client>,
}

/// All nodes of a chain.
#[derive(Debug, Clone)]
pub(super) struct Agreeing(Arc<Vec<Node>>);

impl Agreeing {
    pub(super) fn new(nodes: Vec<Node>) -> Self {
        Self(Arc::new(nodes))
    }

    async fn answer(&self, request: SerializedRequest) -> Result<Response, TransportError> {
        match request.method() {
            "eth_sendRawTransaction" => self.first(request, true).await,
            "eth_gasPrice" | "eth_maxPriorityFeePerGas" | "eth_feeHistory" | "eth_estimateGas" => {
                self.first(request, false).await
            }
            _ => self.agreed(request).await,
        }
    }

    /// The first node that can be reached; with `takes`, the first that doesn't refuse.
    async fn first(&self, request: SerializedRequest, takes: bool) -> Result<Response, TransportError> {
        let mut worst = TransportErrorKind::custom_str("the chain has no nodes");
        let mut refused = None;
        for node in self.0.iter() {
            match ask(node.clone(), request.clone()).await {
                Ok(response) if takes && response.is_error() => {
                    refused.get_or_insert(response);
                }
                Ok(response) => return Ok(response),
                Err(error) => worst = error,
            }
        }
        refused.ok_or(worst)
    }

    async fn agreed(&self, request: SerializedRequest) -> Result<Response, TransportError> {
        let mut differing = None;
        for pause in PAUSES {
            sleep(Duration::from_millis(pause)).await;
            let answers = self.all(&request).await?;
            match agreement(request.method(), answers) {
                Ok(response) => return Ok(response),
                Err(answers) => differing = Some(answers),
            }
        }
        let Some([(one, said), (other, instead)]) = differing else {
            return Err(TransportErrorKind::custom_str("the chain has no nodes"));
        };
        Err(TransportErrorKind::custom_str(&format!(
            "{DISAGREE} on {}: {one} says {said}, {other} says {instead}",
            request.method()
        )))
    }

    /// Everybody's answer, in the order of the nodes.
    async fn all(&self, request: &SerializedRequest) -> Result<Vec<(String, Response)>, TransportError> {
        let asked: Vec<_> = self
            .0
            .iter()
            .map(|node| (node.name.clone(), tokio::spawn(ask(node.clone(), request.clone()))))
            .collect();
        let mut answers = Vec::with_capacity(asked.len());
        for (name, answer) in asked {
            match answer.await.unwrap_or_else(|_| Err(TransportErrorKind::backend_gone())) {
                Ok(response) => answers.push((name, response)),
                Err(error) => {
                    return Err(TransportErrorKind::custom_str(&format!(
                        "{name} does not answer, and all of a chain's nodes must: {}",
                        error.to_string().trim_start_matches(&format!("{name}: "))
                    )));
                }
            }
        }
        Ok(answers)
    }
}

impl Node {
    /// An error of this node without its url: the http client's own would show it.
    fn nameless(&self, error: TransportError) -> TransportError {
        if error.as_error_resp().is_some() {
            return error;
        }
        let mut text = without_url(error.to_string());
        if let RpcError::Transport(kind) = &error {
            let mut cause = std::error::Error::source(kind);
            if let TransportErrorKind::Custom(inner) = kind {
                cause = inner.source();
            }
            while let Some(inner) = cause {
                text += &without_url(format!(": {inner}"));
                cause = inner.source();
            }
        }
        TransportErrorKind::custom_str(&format!("{}: {text}", self.name))
    }

    async fn send(mut self, packet: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let answer = self.http.call(packet).await;
        answer.map_err(|error| self.nameless(error))
    }
}

impl Service<RequestPacket> for Node {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> Self::Future {
        Box::pin(self.clone().send(packet))
    }
}

/// What the http client says without the url that it ends with.
fn without_url(mut text: String) -> String {
    const URL: &str = " for url (";
    if let Some(from) = text.find(URL) {
        let end = text.rfind(')').map_or(text.len(), |end| end + 1);
        text.replace_range(from..end.max(from + URL.len()), "");
    }
    text
}

async fn ask(node: Node, request: SerializedRequest) -> Result<Response, TransportError> {
    match node.send(RequestPacket::Single(request)).await? {
        ResponsePacket::Single(response) => Ok(response),
        ResponsePacket::Batch(responses) => {
            let first = responses.into_iter().next();
            first.ok_or_else(TransportErrorKind::backend_gone)
        }
    }
}

/// Two nodes and what they say.
type Differing = [(String, String); 2];

/// The one answer, or the first two that differ.
fn agreement(method: &str, mut answers: Vec<(String, Response)>) -> Result<Response, Differing> {
    let served = answers.iter().any(|(_, answer)| !answer.is_error());
    if matches!(method, "eth_getProof" | "eth_getBlockReceipts") && served {
        answers.retain(|(_, answer)| !answer.is_error());
    }
    let told: Vec<Value> = answers.iter().map(|(_, answer)| essence(method, answer)).collect();
    let place = match method {
        // What the slowest has, all have.
        "eth_blockNumber" => (0..told.len()).min_by_key(|&i| quantity(&told[i])),
        // Not mined, as long as one of them hasn't seen it. That some know a transaction and others don't is a difference: who takes it
        // for unknown sends another.
        "eth_getTransactionReceipt" => told.iter().position(Value::is_null),
        // What one of them refuses, for its range or its length, is asked of all in smaller parts.
        "eth_getLogs" => answers.iter().position(|(_, answer)| answer.is_error()),
        // What one of them doesn't give by its place is asked of all by its hash.
        "eth_getTransactionByBlockHashAndIndex" => {
            (0..told.len()).find(|&i| told[i].is_null() || answers[i].1.is_error())
        }
        _ => None,
    };
    if place.is_none()
        && let Some(other) = told.iter().position(|value| *value != told[0])
    {
        return Err([0, other].map(|i| (answers[i].0.clone(), shown(&told[i]))));
    }
    let chosen = answers.into_iter().nth(place.unwrap_or_default());
    chosen.map(|(_, response)| response).ok_or_else(Differing::default)
}

fn quantity(value: &Value) -> u64 {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    digits
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .unwrap_or(u64::MAX)
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// What of an answer the chain fixes.
fn essence(method: &str, response: &Response) -> Value {
    let value = match &response.payload {
        ResponsePayload::Success(raw) => serde_json::from_str(raw.get()).unwrap_or(Value::Null),
        ResponsePayload::Failure(error) => {
            let data = error.as_revert_data().map(|data| data.to_string());
            return json!({ "error": data });
        }
    };
    let fields: &[&str] = match method {
        "eth_getTransactionReceipt" | "eth_getBlockReceipts" => &[
            "transactionHash",
            "blockHash",
            "blockNumber",
            "status",
            "gasUsed",
            "logs",
        ],
        "eth_getTransactionByHash" | "eth_getTransactionByBlockHashAndIndex" => {
            &["hash", "blockHash", "from", "to", "input", "value", "nonce"]
        }
        "eth_getBlockByNumber" | "eth_getBlockByHash" => &["hash", "number", "parentHash", "stateRoot"],
        "eth_getProof" => &["accountProof", "storageProof"],
        "eth_getLogs" => &[
            "address",
            "topics",
            "data",
            "blockHash",
            "transactionHash",
            "transactionIndex",
            "logIndex",
        ],
        _ => return lower(value),
    };
    lower(only(value, fields))
}

/// These fields of an object, or of each object of a list; events inside by theirs.
fn only(value: Value, fields: &[&str]) -> Value {
    match value {
        Value::Array(list) => list.into_iter().map(|value| only(value, fields)).collect(),
        Value::Object(mut object) => {
            let field = |name: &&str| {
                let value = object.remove(*name).unwrap_or_default();
                let value = match *name {
                    "logs" => only(value, &["address", "topics", "data", "logIndex"]),
                    // Nodes write the slot's key in different ways.
                    "storageProof" => only(value, &["value", "proof"]),
                    _ => value,
                };
                ((*name).to_owned(), value)
            };
            Value::Object(fields.iter().map(field).collect())
        }
        other => other,
    }
}

/// Hex digits in one case.
fn lower(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.to_lowercase()),
        Value::Array(list) => list.into_iter().map(lower).collect(),
        Value::Object(object) => object.into_iter().map(|(key, value)| (key, lower(value))).collect(),
        other => other,
    }
}

impl Service<RequestPacket> for Agreeing {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> Self::Future {
        let nodes = self.clone();
        Box::pin(async move {
            match packet {
                RequestPacket::Single(request) => Ok(ResponsePacket::Single(nodes.answer(request).await?)),
                RequestPacket::Batch(requests) => {
                    let mut responses = Vec::with_capacity(requests.len());
                    for request in requests {
                        responses.push(nodes.answer(request).await?);
                    }
                    Ok(ResponsePacket::Batch(responses))
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use alloy::rpc::json_rpc::ErrorPayload;

    use super::*;

    fn answers(method: &str, values: &[Value]) -> Result<Value, Differing> {
        let responses = values.iter().enumerate().map(|(place, value)| {
            let raw = serde_json::value::to_raw_value(value).unwrap();
            let payload = ResponsePayload::Success(raw);
            (format!("node {place}"), Response { id: 1.into(), payload })
        });
        agreement(method, responses.collect()).map(|response| match response.payload {
            ResponsePayload::Success(raw) => serde_json::from_str(raw.get()).unwrap(),
            ResponsePayload::Failure(error) => panic!("{error}"),
        })
    }

    #[test]
    fn a_transaction_that_one_node_does_not_give_by_its_place_is_there_for_none() {
        let method = "eth_getTransactionByBlockHashAndIndex";
        let here = json!({ "hash": "0xA", "input": "0x01", "yParity": "0x0" });
        let same = json!({ "hash": "0xa", "input": "0x01" });
        assert_eq!(answers(method, &[here.clone(), same]).unwrap(), here);
        assert_eq!(answers(method, &[here.clone(), Value::Null]).unwrap(), Value::Null);
        let other = json!({ "hash": "0xa", "input": "0x02" });
        assert!(answers(method, &[here.clone(), other]).is_err());
        // By its hash, that is a difference.
        assert!(answers("eth_getTransactionByHash", &[here, Value::Null]).is_err());
    }

    #[test]
    fn a_difference_names_both_and_what_nodes_add_is_none() {
        assert_eq!(
            answers("eth_call", &[json!("0xAB"), json!("0xab")]).unwrap(),
            json!("0xAB")
        );
        let [(one, said), (other, instead)] =
            answers("eth_call", &[json!("0x1"), json!("0x1"), json!("0x2")]).unwrap_err();
        assert_eq!((one.as_str(), other.as_str()), ("node 0", "node 2"));
        assert_eq!((said.as_str(), instead.as_str()), ("\"0x1\"", "\"0x2\""));
        let log =
            json!({ "address": "0xA", "topics": ["0x1"], "data": "0x", "logIndex": "0x0", "blockTimestamp": "0x5" });
        let bare = json!({ "address": "0xa", "topics": ["0x1"], "data": "0x", "logIndex": "0x0", "removed": false });
        assert!(answers("eth_getLogs", &[json!([log]), json!([bare])]).is_ok());
        let forged = json!({ "address": "0xa", "topics": ["0x2"], "data": "0x", "logIndex": "0x0" });
        assert!(answers("eth_getLogs", &[json!([log]), json!([forged])]).is_err());
        let proof = |key: &str, value: &str| json!({ "accountProof": ["0xab"], "storageProof": [{ "key": key, "value": value, "proof": [] }] });
        assert!(answers("eth_getProof", &[proof("0x1", "0x5"), proof("0x01", "0x5")]).is_ok());
        assert!(answers("eth_getProof", &[proof("0x1", "0x5"), proof("0x1", "0x6")]).is_err());
    }

    #[test]
    fn proofs_are_those_of_the_nodes_that_have_them() {
        let answer = |place: usize, value: Option<Value>| {
            let payload = match value {
                Some(value) => ResponsePayload::Success(serde_json::value::to_raw_value(&value).unwrap()),
                None => ResponsePayload::Failure(ErrorPayload::method_not_found()),
            };
            (format!("node {place}"), Response { id: 1.into(), payload })
        };
        let proof = |value: &str| Some(json!({ "accountProof": [value], "storageProof": [] }));
        let ask = |method: &str, values: Vec<Option<Value>>| {
            let answers = values.into_iter().enumerate();
            agreement(method, answers.map(|(place, value)| answer(place, value)).collect())
        };
        assert!(!ask("eth_getProof", vec![None, proof("0xab")]).unwrap().is_error());
        assert!(
            !ask("eth_getProof", vec![proof("0xab"), None, proof("0xAB")])
                .unwrap()
                .is_error()
        );
        let [(one, _), (other, _)] = ask("eth_getProof", vec![None, proof("0xab"), proof("0xac")]).unwrap_err();
        assert_eq!((one.as_str(), other.as_str()), ("node 1", "node 2"));
        assert!(ask("eth_getProof", vec![None, None]).unwrap().is_error());
        assert!(
            !ask("eth_getBlockReceipts", vec![None, Some(json!([]))])
                .unwrap()
                .is_error()
        );
        // Elsewhere one that refuses is a difference still.
        assert!(ask("eth_call", vec![None, Some(json!("0x1"))]).is_err());
    }

    #[test]
    fn the_slowest_counts_for_blocks_and_receipts() {
        assert_eq!(
            answers("eth_blockNumber", &[json!("0x10"), json!("0x9")]).unwrap(),
            json!("0x9")
        );
        let receipt = json!({ "transactionHash": "0x1", "blockHash": "0x2", "status": "0x1" });
        let seen = answers("eth_getTransactionReceipt", &[receipt.clone(), Value::Null]).unwrap();
        assert_eq!(seen, Value::Null);
        let reorganised = json!({ "transactionHash": "0x1", "blockHash": "0x3", "status": "0x1" });
        assert!(answers("eth_getTransactionReceipt", &[receipt, reorganised]).is_err());
    }

    #[test]
    fn a_transaction_is_unknown_where_no_node_knows_it() {
        let known = json!({ "hash": "0x1", "blockHash": null, "nonce": "0x0" });
        let ask = |values: &[Value]| answers("eth_getTransactionByHash", values);
        assert_eq!(ask(&[Value::Null, Value::Null]).unwrap(), Value::Null);
        assert_eq!(ask(&[known.clone(), known.clone()]).unwrap(), known);
        assert!(ask(&[known.clone(), Value::Null]).is_err());
        assert!(ask(&[Value::Null, known]).is_err());
    }
}
