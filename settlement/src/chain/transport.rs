//! The embedded chain as an alloy transport: the same providers and contract calls that go to any URL go to it.

use std::borrow::Cow;
use std::task::{Context, Poll};

use alloy::rpc::client::RpcClient;
use alloy::rpc::json_rpc::{ErrorPayload, RequestPacket, Response, ResponsePacket, ResponsePayload, SerializedRequest};
use alloy::transports::{TransportError, TransportFut};
use serde_json::value::to_raw_value;
use tower::Service;

use super::embedded::EmbeddedChain;
use super::rpc::{self, RpcError};

/// A transport to a chain in this process. Requests are executed where they are polled, in microseconds to milliseconds.
#[derive(Debug, Clone)]
pub struct EmbeddedTransport(EmbeddedChain);

impl EmbeddedTransport {
    /// A transport to `chain`.
    #[must_use]
    pub fn new(chain: EmbeddedChain) -> Self {
        Self(chain)
    }

    /// A client over it.
    #[must_use]
    pub fn client(self) -> RpcClient {
        RpcClient::new(self, true)
    }

    fn respond(&self, request: &SerializedRequest) -> Response {
        let payload = match rpc::answer(&self.0, request.method(), request.params()) {
            Ok(value) => ResponsePayload::Success(value),
            Err(error) => ResponsePayload::Failure(payload(error)),
        };
        Response {
            id: request.id().clone(),
            payload,
        }
    }
}

pub(crate) fn payload(error: RpcError) -> ErrorPayload {
    let data = error.data.and_then(|data| to_raw_value(&data).ok());
    ErrorPayload {
        code: error.code,
        message: Cow::Owned(error.message),
        data,
    }
}

impl Service<RequestPacket> for EmbeddedTransport {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> Self::Future {
        let transport = self.clone();
        Box::pin(async move {
            Ok(match packet {
                RequestPacket::Single(request) => ResponsePacket::Single(transport.respond(&request)),
                RequestPacket::Batch(requests) => {
                    ResponsePacket::Batch(requests.iter().map(|request| transport.respond(request)).collect())
                }
            })
        })
    }
}
