//! Strangers, members that keep to no protocol, and whoever tries to hold the coordinator up.

use super::*;

/// Over real QUIC: a client that offers X25519 alone, and accepts any server, finds nothing in common.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_post_quantum_key_exchange_is_refused() {
    let (server, _events, addr) = coordinator(small());
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::X25519];
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    tls.alpn_protocols = vec![crate::node::tls::ALPN.to_vec()];
    let config = endpoint::dialing(tls, &TransportLimits::default()).unwrap();
    let endpoint = endpoint::bind_for(addr).unwrap();
    let error = endpoint
        .connect_with(config, addr, "node.invalid")
        .unwrap()
        .await
        .unwrap_err();
    let handshake_failure = quinn::TransportErrorCode::crypto(40);
    assert!(matches!(&error, quinn::ConnectionError::ConnectionClosed(close) if close.error_code == handshake_failure));
    let started = Instant::now();
    while server.counters().failed_handshakes == 0 {
        assert!(started.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_refused_and_counted_and_the_server_goes_on() {
    let (server, mut events, addr) = coordinator(small());
    let error = dialer(50).connect(addr, id(COORDINATOR), SOON).await.unwrap_err();
    assert!(
        matches!(error, ConnectError::NotAdmitted { node } if node == id(50)),
        "{error}"
    );
    assert!(error.answered() && !error.is_transient());
    assert!(error.hint().unwrap().contains(&id(50).to_string()));
    let _connection = join(1, addr).await;
    connected(&mut events, 1).await;
    assert_eq!(
        server.counters(),
        Counters {
            accepted: 1,
            refused_unknown: 1,
            ..Counters::default()
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_coordinator_key_names_both_keys() {
    let (server, mut events, addr) = coordinator(small());
    let error = dialer(1).connect(addr, id(77), SOON).await.unwrap_err();
    assert!(
        matches!(error, ConnectError::WrongCoordinatorKey { expected, got } if expected == id(77) && got == id(COORDINATOR)),
        "{error}"
    );
    assert!(error.answered());
    let _connection = join(1, addr).await;
    connected(&mut events, 1).await;
    assert_eq!(server.counters().failed_handshakes, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_ends_its_own_connection_only() {
    let (server, mut events, addr) = coordinator(small());
    let mut honest = join(1, addr).await;
    connected(&mut events, 1).await;

    // Before the greeting, nonsense isn't even an event.
    let (scribble, _stream) = scribbler(2, addr, b"GET / HTTP/1.1\r\n\r\n").await;
    let end = scribble.closed().await;
    assert!(matches!(end, quinn::ConnectionError::ApplicationClosed(close) if close.error_code == 2u32.into()));

    let greeting = framed(b"xfl join");
    let oversized = [&greeting[..], b"\x01\xff\xff\xff\xff"].concat();
    let other_version = [&greeting[..], b"\x02\x00\x00\x00\x01x"].concat();
    for (bytes, told) in [(oversized, "4294967295"), (other_version, "version")] {
        let (scribble, _stream) = scribbler(2, addr, &bytes).await;
        connected(&mut events, 2).await;
        let reason = closed(&mut events, 2).await;
        assert!(
            matches!(&reason, CloseReason::Misbehaved(text) if text.contains(told)),
            "{reason}"
        );
        let end = scribble.closed().await;
        assert!(matches!(end, quinn::ConnectionError::ApplicationClosed(_)));
    }
    // A frame that ends in the middle, and a stream that is reset in the middle.
    let half = [&greeting[..], b"\x01\x00\x00\x00\x09abc"].concat();
    let (_truncated, mut stream) = scribbler(2, addr, &half).await;
    stream.0.finish().unwrap();
    connected(&mut events, 2).await;
    assert!(matches!(closed(&mut events, 2).await, CloseReason::Misbehaved(_)));
    let (_reset, mut stream) = scribbler(2, addr, &half).await;
    connected(&mut events, 2).await;
    stream.0.reset(9u32.into()).unwrap();
    assert!(matches!(closed(&mut events, 2).await, CloseReason::Misbehaved(_)));
    assert_eq!(server.counters().malformed, 5);

    // What a shell finds to be nonsense counts as well.
    let mut babbler = join(3, addr).await;
    connected(&mut events, 3).await;
    babbler.send(b"not a message".to_vec()).await.unwrap();
    message(&mut events, 3).await;
    assert!(server.disconnect(&id(3), CloseCode::Malformed));
    assert_eq!(closed(&mut events, 3).await, CloseReason::Local(CloseCode::Malformed));
    assert_eq!(babbler.recv().await, Err(CloseReason::Peer(CloseCode::Malformed)));
    assert_eq!(server.counters().malformed, 6);

    honest.send(b"still here".to_vec()).await.unwrap();
    assert_eq!(message(&mut events, 1).await, b"still here");
    server.send(&id(1), b"so am I".to_vec()).unwrap();
    assert_eq!(honest.recv().await.unwrap(), b"so am I");
}

/// The coordinator's words go nowhere: such a member can take no part, so its connection ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_stops_the_coordinator_s_half_is_dropped() {
    let (server, mut events, addr) = coordinator(small());
    let (deaf, Scribble(_send, mut recv)) = scribbler(2, addr, &framed(b"xfl join")).await;
    connected(&mut events, 2).await;
    recv.stop(0u32.into()).unwrap();
    while server.send(&id(2), b"listen".to_vec()).is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(closed(&mut events, 2).await, CloseReason::Local(CloseCode::Malformed));
    deaf.closed().await;
    assert_eq!(server.counters().malformed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_stream_waits_forever_and_costs_nothing() {
    let (_server, mut events, addr) = coordinator(small());
    let (greedy, _stream) = scribbler(2, addr, &framed(b"xfl join")).await;
    connected(&mut events, 2).await;
    assert!(
        tokio::time::timeout(Duration::from_millis(300), greedy.open_bi())
            .await
            .is_err()
    );
    assert!(
        tokio::time::timeout(Duration::from_millis(300), greedy.open_uni())
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dripping_member_is_cut_off() {
    let mut limits = small();
    limits.link.pace.grace = Duration::from_millis(300);
    let (server, mut events, addr) = coordinator(limits);
    let drip = [framed(b"xfl join"), b"\x01\x00\x00\x00\x09abc".to_vec()].concat();
    let (_dripper, _stream) = scribbler(2, addr, &drip).await;
    connected(&mut events, 2).await;
    let reason = closed(&mut events, 2).await;
    assert!(matches!(reason, CloseReason::Misbehaved(_)), "{reason}");
    assert_eq!(server.counters().malformed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bytes_from_members_stop_the_server() {
    use rand_core::{Rng, SeedableRng};
    let (server, mut events, addr) = coordinator(small());
    let taken = tokio::spawn(async move { while events.recv().await.is_some() {} });
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
    for round in 0..40 {
        let mut bytes = vec![0; 64];
        rng.fill_bytes(&mut bytes);
        // Half of them greet first, half of those begin a frame well.
        if round % 2 == 0 {
            bytes.splice(0..0, framed(b"xfl join"));
            if round % 4 == 0 {
                bytes[13] = 1;
            }
        }
        let (connection, mut stream) = scribbler(4, addr, &bytes).await;
        let _ = stream.0.finish();
        let _ = tokio::time::timeout(SOON, connection.closed()).await.unwrap();
    }
    let counters = server.counters();
    assert_eq!(counters.malformed, 40, "{counters:?}");
    let mut connection = join(1, addr).await;
    while server.send(&id(1), b"alive".to_vec()).is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(connection.recv().await.unwrap(), b"alive");
    drop(server);
    taken.await.unwrap();
}
