//! The JSON-RPC server: the same client over HTTP, and requests nobody should send.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use xfl_settlement::chain::client::SettlementClient;
use xfl_settlement::chain::connect::{Connection, ConnectionError};
use xfl_settlement::chain::embedded::EmbeddedChain;
use xfl_settlement::chain::rpc::MAX_SLOTS;
use xfl_settlement::chain::server::{MAX_BODY, ServerHandle, serve};

use super::embedded::{CHAIN_ID, ephemeral};
use super::story::{coordinator, play};

const ANYONE: &str = "0x0000000000000000000000000000000000000001";

async fn served() -> (EmbeddedChain, ServerHandle) {
    let chain = ephemeral();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let handle = serve(listener, chain.clone()).unwrap();
    (chain, handle)
}

#[tokio::test]
async fn the_whole_history_works_over_http_as_it_does_in_process() {
    let (chain, handle) = served().await;
    let connection = Connection::http(&handle.url(), Some(&coordinator())).unwrap();
    let (over_http, paid) = play(connection).await;
    let direct = ephemeral();
    let (in_process, paid_in_process) = play(Connection::embedded(&direct, Some(&coordinator()))).await;
    assert_eq!((over_http.gas, paid), (in_process.gas, paid_in_process));
    assert_eq!(
        chain.head(),
        direct.head(),
        "the same transactions make the same blocks"
    );

    let reader = Connection::embedded(&chain, None);
    let client = SettlementClient::connect(reader, over_http.client.deployment().clone())
        .await
        .unwrap();
    assert_eq!(client.posted().await.unwrap().len(), 2);
    drop(handle);
}

#[tokio::test]
async fn a_dead_url_and_a_bad_one_are_clear_errors() {
    let (_, handle) = served().await;
    let url = handle.url();
    drop(handle);
    tokio::task::yield_now().await;
    let dead = Connection::http(&url, None).unwrap();
    assert!(matches!(dead.chain_id().await, Err(ConnectionError::Rpc { .. })));
    assert!(matches!(
        Connection::http("ftp://localhost", None),
        Err(ConnectionError::Url { .. })
    ));
    assert!(matches!(
        Connection::http("nonsense", None),
        Err(ConnectionError::Url { .. })
    ));
}

fn post(address: SocketAddr, kind: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    (
        status,
        answer
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .unwrap_or_default(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_requests_get_an_error_and_the_server_goes_on() {
    let (_, handle) = served().await;
    let address = handle.address();
    let ask = move |body: Value| -> Value {
        let (status, answer) = post(address, "application/json", body.to_string().as_bytes());
        assert_eq!(status, 200);
        serde_json::from_str(&answer).unwrap()
    };
    let call =
        move |method: &str, params: Value| ask(json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}));
    let code = |answer: &Value| answer["error"]["code"].as_i64();

    tokio::task::spawn_blocking(move || {
        assert_eq!(call("eth_chainId", json!([]))["result"], format!("{CHAIN_ID:#x}"));
        assert_eq!(call("eth_chainId", json!([]))["id"], 7);
        for unknown in [
            "eth_sendTransaction",
            "anvil_setBalance",
            "debug_traceCall",
            "personal_sign",
            "",
        ] {
            assert_eq!(code(&call(unknown, json!([]))), Some(-32_601), "{unknown}");
        }
        let wrong = [
            ("eth_getBalance", json!(["0x12"])),
            ("eth_getBalance", json!([])),
            ("eth_getBlockByNumber", json!(["0xffffffffffffffffffffffff", false])),
            ("eth_call", json!([{"to": 5}])),
            ("eth_sendRawTransaction", json!(["0x"])),
            (
                "eth_sendRawTransaction",
                json!([format!("0x02{}", "ff".repeat(300_000))]),
            ),
            ("eth_getLogs", json!([[]])),
            ("eth_feeHistory", json!(["0x1", "latest", vec![1.0; 101]])),
            ("eth_getProof", json!(["0x12", [], "latest"])),
            ("eth_getProof", json!([ANYONE, "0x1", "latest"])),
            ("eth_getProof", json!([ANYONE, vec!["0x1"; MAX_SLOTS + 1], "latest"])),
            ("eth_getBlockReceipts", json!([[]])),
            ("eth_chainId", json!({"a": 1})),
            ("eth_chainId", json!([1, 2, 3, 4, 5, 6, 7, 8, 9])),
        ];
        for (method, params) in wrong {
            assert_eq!(code(&call(method, params.clone())), Some(-32_602), "{method}");
        }
        for (method, params) in [
            ("eth_getBalance", json!([ANYONE, "0x99"])),
            ("eth_getProof", json!([ANYONE, [], "0x99"])),
        ] {
            assert_eq!(code(&call(method, params)), Some(-32_000), "{method}");
        }
        assert!(call("eth_getBlockReceipts", json!(["0x99"]))["result"].is_null());
        assert_eq!(call("eth_getBlockReceipts", json!(["0x0"]))["result"], json!([]));
        let proof = call("eth_getProof", json!([ANYONE, ["0x5"], "0x0"]));
        assert_eq!(proof["result"]["storageProof"][0]["value"], "0x0", "{proof}");
        // A loop that never ends (JUMPDEST PUSH0 JUMP) costs one block's gas.
        let endless = call("eth_call", json!([{"data": "0x5b5f56", "gas": "0xffffffffffffffff"}]));
        assert_eq!(code(&endless), Some(-32_000));
        assert!(call("eth_feeHistory", json!(["0xffffffffffff", "latest", [50.0]]))["result"].is_object());

        let batch = ask(json!([
            {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber"},
            {"jsonrpc": "2.0", "id": 2, "method": "nope"},
            3
        ]));
        assert_eq!(batch[0]["result"], "0x0");
        assert_eq!((code(&batch[1]), code(&batch[2])), (Some(-32_601), Some(-32_600)));
        assert_eq!(code(&ask(json!(vec![json!({}); 101]))), Some(-32_600));

        assert_eq!(post(address, "text/plain", b"{}").0, 415);
        assert_eq!(post(address, "application/json", &vec![b'['; MAX_BODY + 1]).0, 413);
        let (_, nested) = post(address, "application/json", &vec![b'['; 100_000]);
        assert!(nested.contains("-32700"), "{nested}");
        assert_eq!(call("eth_blockNumber", json!([]))["result"], "0x0");
    })
    .await
    .unwrap();
    drop(handle);
}
