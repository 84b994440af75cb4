//! The embedded chain served as JSON-RPC over HTTP/1.1, so that other terminals on this machine use the path that they use for
//! any chain.
//!
//! Meant for loopback: there is no encryption and no login, and every request is one that anybody may make of a public
//! chain. Bounds: bodies of [`MAX_BODY`], [`MAX_BATCH`] requests a batch, [`MAX_CONNECTIONS`] at once, ten seconds for a
//! head and for a body. Only `POST` with `application/json` is answered, which a web page can't send across origins
//! without asking first, and nobody answers that question here.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use alloy::rpc::json_rpc::{Id, Response as RpcResponse, ResponsePayload};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::embedded::EmbeddedChain;
use super::rpc::{self, RpcError};
use super::transport::payload;

/// The largest request body: 1 MiB.
pub const MAX_BODY: usize = 1024 * 1024;
/// The most requests in a batch.
pub const MAX_BATCH: usize = 100;
/// The most connections at once; others wait to be accepted.
pub const MAX_CONNECTIONS: usize = 64;

const PATIENCE: Duration = Duration::from_secs(10);

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct ServerHandle {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl ServerHandle {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL to give to `--rpc`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves `chain` on a bound listener until the handle is dropped; needs a tokio runtime.
///
/// # Errors
/// Whatever the listener says when asked for its address.
pub fn serve(listener: TcpListener, chain: EmbeddedChain) -> std::io::Result<ServerHandle> {
    let address = listener.local_addr()?;
    let task = tokio::spawn(accept(listener, chain));
    Ok(ServerHandle { address, task })
}

async fn accept(listener: TcpListener, chain: EmbeddedChain) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Connections live in this set and end with it.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let chain = chain.clone();
                connections.spawn(async move {
                    connection(stream, chain).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the chain's server could not accept a connection");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, chain: EmbeddedChain) {
    let service = service_fn(move |request| respond(chain.clone(), request));
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the chain's server ended");
    }
}

async fn respond(chain: EmbeddedChain, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    if request.method() != Method::POST {
        return Ok(plain(StatusCode::METHOD_NOT_ALLOWED));
    }
    let kind = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case("application/json")
    {
        return Ok(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let body = match timeout(PATIENCE, Limited::new(request.into_body(), MAX_BODY).collect()).await {
        Err(_) => return Ok(plain(StatusCode::REQUEST_TIMEOUT)),
        Ok(Err(_)) => return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE)),
        Ok(Ok(body)) => body.to_bytes(),
    };
    let Ok(answer) = spawn_blocking(move || answer(&chain, &body)).await else {
        return Ok(plain(StatusCode::INTERNAL_SERVER_ERROR));
    };
    let mut response = Response::new(Full::new(Bytes::from(answer)));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(default)]
    id: Option<Id>,
    method: String,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

fn answer(chain: &EmbeddedChain, body: &[u8]) -> Vec<u8> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let response = if first == Some(&b'[') {
        match serde_json::from_slice::<Vec<&RawValue>>(body) {
            Ok(calls) if (1..=MAX_BATCH).contains(&calls.len()) => {
                let responses: Vec<_> = calls.iter().map(|call| one(chain, call.get().as_bytes())).collect();
                serde_json::to_vec(&responses)
            }
            Ok(_) => serde_json::to_vec(&failure(
                Id::None,
                RpcError::new(-32_600, "a batch has 1 to 100 requests"),
            )),
            Err(_) => serde_json::to_vec(&failure(Id::None, RpcError::new(-32_700, "parse error"))),
        }
    } else {
        serde_json::to_vec(&one(chain, body))
    };
    response.unwrap_or_default()
}

fn one(chain: &EmbeddedChain, text: &[u8]) -> RpcResponse {
    let call: Call<'_> = match serde_json::from_slice(text) {
        Ok(call) => call,
        Err(error) if error.is_data() => return failure(Id::None, RpcError::new(-32_600, "not a request")),
        Err(_) => return failure(Id::None, RpcError::new(-32_700, "parse error")),
    };
    let id = call.id.unwrap_or(Id::None);
    match rpc::answer(chain, &call.method, call.params) {
        Ok(value) => RpcResponse {
            id,
            payload: ResponsePayload::Success(value),
        },
        Err(error) => failure(id, error),
    }
}

fn failure(id: Id, error: RpcError) -> RpcResponse {
    RpcResponse {
        id,
        payload: ResponsePayload::Failure(payload(error)),
    }
}
