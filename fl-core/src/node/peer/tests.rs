//! Real QUIC over loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::*;
use crate::identity::{NodeId, NodeKey};
use crate::node::endpoint::{self, EndpointError, TransportLimits};
use crate::node::tls::{Pin, TlsIdentity};

mod hostile;

const MIB: usize = 1 << 20;
const SOON: Duration = Duration::from_secs(10);
const COORDINATOR: u8 = 100;

fn key(seed: u8) -> Arc<NodeKey> {
    Arc::new(NodeKey::from_seed(&[seed; 32]))
}

fn id(seed: u8) -> NodeId {
    key(seed).node_id()
}

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A coordinator whose members are 1 to 9.
fn coordinator(limits: ServerLimits) -> (Server, Events, SocketAddr) {
    let members: Vec<NodeId> = (1..10).map(id).collect();
    let (server, events) =
        Server::bind(loopback(), key(COORDINATOR), move |node| members.contains(node), limits).unwrap();
    let addr = server.local_addr().unwrap();
    (server, events, addr)
}

fn small() -> ServerLimits {
    ServerLimits::for_messages_up_to(MIB as u32)
}

fn dialer(seed: u8) -> Dialer {
    dialer_with(seed, LinkLimits::for_messages_up_to(MIB as u32))
}

fn dialer_with(seed: u8, link: LinkLimits) -> Dialer {
    Dialer::new(key(seed), link, TransportLimits::default()).unwrap()
}

async fn join(seed: u8, addr: SocketAddr) -> Connection {
    dialer(seed).connect(addr, id(COORDINATOR), SOON).await.unwrap()
}

async fn next(events: &mut Events) -> PeerEvent {
    tokio::time::timeout(SOON * 3, events.recv()).await.unwrap().unwrap()
}

async fn connected(events: &mut Events, seed: u8) -> ConnectionId {
    let event = next(events).await;
    assert!(matches!(event.event, Event::Connected { .. }), "{event:?}");
    assert_eq!(event.node, id(seed));
    event.connection
}

async fn message(events: &mut Events, seed: u8) -> Vec<u8> {
    let event = next(events).await;
    assert_eq!(event.node, id(seed));
    match event.event {
        Event::Message(message) => message,
        other => panic!("expected a message, got {other:?}"),
    }
}

async fn closed(events: &mut Events, seed: u8) -> CloseReason {
    let event = next(events).await;
    assert_eq!(event.node, id(seed));
    match event.event {
        Event::Closed(reason) => reason,
        other => panic!("expected the end, got {other:?}"),
    }
}

/// The two halves of a stream; dropping the second would stop the coordinator's half.
struct Scribble(quinn::SendStream, quinn::RecvStream);

/// A member that keeps to TLS and QUIC and to nothing else: writes `bytes` on its stream.
async fn scribbler(seed: u8, addr: SocketAddr, bytes: &[u8]) -> (quinn::Connection, Scribble) {
    let tls = TlsIdentity::new(key(seed))
        .unwrap()
        .client_config(Arc::new(Pin::new(id(COORDINATOR))))
        .unwrap();
    let config = endpoint::dialing(tls, &TransportLimits::default()).unwrap();
    let endpoint = endpoint::bind_for(addr).unwrap();
    let connection = endpoint
        .connect_with(config, addr, "node.invalid")
        .unwrap()
        .await
        .unwrap();
    let (mut send, recv) = connection.open_bi().await.unwrap();
    send.write_all(bytes).await.unwrap();
    (connection, Scribble(send, recv))
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&[1][..], &(message.len() as u32).to_be_bytes(), message].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_know_each_other_and_talk() {
    let (server, mut events, addr) = coordinator(small());
    let mut connection = join(1, addr).await;
    connected(&mut events, 1).await;
    assert_eq!(connection.coordinator(), id(COORDINATOR));
    let skew = SystemTime::now()
        .duration_since(connection.coordinator_clock())
        .unwrap();
    assert!(skew < SOON, "one machine, one clock: {skew:?}");
    connection.send(b"update".to_vec()).await.unwrap();
    connection.send(Vec::new()).await.unwrap();
    assert_eq!(message(&mut events, 1).await, b"update");
    assert_eq!(message(&mut events, 1).await, b"");
    server.send(&id(1), b"receipt".to_vec()).unwrap();
    assert_eq!(connection.recv().await.unwrap(), b"receipt");
    assert_eq!(server.send(&id(2), Vec::new()), Err(SendError::NotConnected));
    assert_eq!(server.connected(), [id(1)]);
    assert_eq!(connection.close(SOON).await, CloseReason::Peer(CloseCode::Done));
    assert_eq!(closed(&mut events, 1).await, CloseReason::Finished);
    assert_eq!(
        server.counters(),
        Counters {
            accepted: 1,
            ..Counters::default()
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_connection_replaces_the_old_and_its_end_is_told_first() {
    let (server, mut events, addr) = coordinator(small());
    let mut old = join(1, addr).await;
    let first = connected(&mut events, 1).await;
    let mut new = join(1, addr).await;
    let end = next(&mut events).await;
    assert_eq!(end.connection, first);
    assert_eq!(end.event, Event::Closed(CloseReason::Local(CloseCode::Replaced)));
    let second = connected(&mut events, 1).await;
    assert!(second > first);
    assert_eq!(old.recv().await, Err(CloseReason::Peer(CloseCode::Replaced)));
    assert_eq!(old.send(b"x".to_vec()).await, Err(SendError::NotConnected));
    server.send(&id(1), b"to the new".to_vec()).unwrap();
    assert_eq!(new.recv().await.unwrap(), b"to the new");
    assert_eq!(server.counters().replaced, 1);
    assert_eq!(server.connected(), [id(1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_a_typed_error() {
    let (_server, _events, addr) = coordinator(small());
    let error = Server::bind(addr, key(COORDINATOR), |_| true, small()).err().unwrap();
    assert!(
        matches!(error, ServeError::Endpoint(EndpointError::PortInUse { addr: got }) if got == addr),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_mebibytes_there_and_back() {
    let len = 64 * MIB;
    let (server, mut events, addr) = coordinator(ServerLimits::for_messages_up_to(len as u32));
    let limits = LinkLimits::for_messages_up_to(len as u32);
    let mut connection = dialer_with(1, limits)
        .connect(addr, id(COORDINATOR), SOON)
        .await
        .unwrap();
    connected(&mut events, 1).await;
    let model: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
    let started = Instant::now();
    connection.send(model.clone()).await.unwrap();
    let got = message(&mut events, 1).await;
    let there = started.elapsed();
    server.send(&id(1), got).unwrap();
    let echo = connection.recv().await.unwrap();
    let both = started.elapsed();
    assert!(echo == model);
    println!("64 MiB there {there:?}, there and back {both:?}");
    assert!(both < Duration::from_secs(60), "{both:?}");
    let error = connection.send(vec![0; len + 1]).await.unwrap_err();
    assert_eq!(
        error,
        SendError::TooLong {
            max: len as u32,
            got: len + 1
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_takes_nothing_holds_its_peers_back() {
    let mut limits = small();
    limits.link.inbound_bytes = MIB as u32;
    limits.transport.window = 64 * 1024;
    let (_server, mut events, addr) = coordinator(limits);
    let connection = join(1, addr).await;
    let sender = connection.sender();
    let flood = tokio::spawn(async move {
        for number in 0..40u8 {
            sender.send(vec![number; MIB]).await.unwrap();
        }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!flood.is_finished(), "40 MiB went into 1 MiB of room");
    connected(&mut events, 1).await;
    for number in 0..40u8 {
        let message = message(&mut events, 1).await;
        assert!(message.len() == MIB && message.iter().all(|byte| *byte == number));
    }
    flood.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_reads_nothing_fills_its_own_backlog_only() {
    let mut limits = small();
    limits.transport.window = 64 * 1024;
    let (server, mut events, addr) = coordinator(limits);
    let _deaf = scribbler(2, addr, &framed(b"xfl join")).await;
    connected(&mut events, 2).await;
    let model = Arc::new(vec![7; MIB]);
    let mut queued = 0;
    let full = loop {
        match server.send(&id(2), model.clone()) {
            Ok(()) => queued += 1,
            Err(error) => break error,
        }
        assert!(queued < 20);
    };
    assert_eq!(full, SendError::BacklogFull { max: 2 * MIB as u32 });
    let mut hearing = join(1, addr).await;
    connected(&mut events, 1).await;
    server.send(&id(1), model.clone()).unwrap();
    assert_eq!(hearing.recv().await.unwrap(), *model);
}

#[tokio::test(flavor = "multi_thread")]
async fn finishing_loses_nothing_in_either_direction() {
    let (server, mut events, addr) = coordinator(small());
    let connection = join(1, addr).await;
    connected(&mut events, 1).await;
    for number in 0..5u8 {
        connection.send(vec![number; MIB / 2]).await.unwrap();
    }
    let closing = tokio::spawn(connection.close(SOON));
    for number in 0..5u8 {
        assert_eq!(message(&mut events, 1).await, vec![number; MIB / 2]);
    }
    assert_eq!(closed(&mut events, 1).await, CloseReason::Finished);
    assert_eq!(closing.await.unwrap(), CloseReason::Peer(CloseCode::Done));

    let mut connection = join(1, addr).await;
    connected(&mut events, 1).await;
    for number in 0..3u8 {
        server.send(&id(1), vec![number; MIB / 2]).unwrap();
    }
    assert!(server.finish(&id(1), CloseCode::Application(7)));
    assert_eq!(server.send(&id(1), Vec::new()), Err(SendError::NotConnected));
    tokio::time::sleep(Duration::from_millis(300)).await;
    for number in 0..3u8 {
        assert_eq!(connection.recv().await.unwrap(), vec![number; MIB / 2]);
    }
    assert_eq!(
        connection.recv().await,
        Err(CloseReason::Peer(CloseCode::Application(7)))
    );
    assert_eq!(
        closed(&mut events, 1).await,
        CloseReason::Local(CloseCode::Application(7))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_says_goodbye_and_frees_the_port() {
    let (server, mut events, addr) = coordinator(small());
    let mut connection = join(1, addr).await;
    connected(&mut events, 1).await;
    server.send(&id(1), b"last words".to_vec()).unwrap();
    let taken = tokio::spawn(async move { while events.recv().await.is_some() {} });
    server.shutdown(SOON).await;
    assert_eq!(connection.recv().await.unwrap(), b"last words");
    assert_eq!(connection.recv().await, Err(CloseReason::Peer(CloseCode::Shutdown)));
    taken.await.unwrap();
    let started = Instant::now();
    while Server::bind(addr, key(COORDINATOR), |_| true, small()).is_err() {
        assert!(started.elapsed() < SOON, "the port stays taken");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An institution killed outright sends no goodbye.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_member_is_noticed_and_may_come_back() {
    let mut limits = small();
    limits.transport.idle = Duration::from_millis(900);
    limits.transport.keep_alive = Duration::from_millis(200);
    let (server, mut events, addr) = coordinator(limits);
    let doomed = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let connection = doomed.spawn(async move { join(1, addr).await }).await.unwrap();
    connected(&mut events, 1).await;
    doomed.shutdown_background();
    assert_eq!(closed(&mut events, 1).await, CloseReason::TimedOut);
    assert!(server.connected().is_empty());
    std::mem::forget(connection);
    let _again = join(1, addr).await;
    connected(&mut events, 1).await;
}

/// Passes datagrams of one client on to where `target` points at the moment, and the answers back.
async fn relay(target: Arc<std::sync::Mutex<SocketAddr>>) -> SocketAddr {
    let (front, back) = tokio::join!(
        tokio::net::UdpSocket::bind(loopback()),
        tokio::net::UdpSocket::bind(loopback())
    );
    let (front, back) = (front.unwrap(), back.unwrap());
    let addr = front.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut there, mut here) = (vec![0; 65_536], vec![0; 65_536]);
        let mut client = None;
        loop {
            tokio::select! {
                Ok((n, from)) = front.recv_from(&mut there) => {
                    client = Some(from);
                    let to = *target.lock().unwrap();
                    back.send_to(&there[..n], to).await.unwrap();
                }
                Ok((n, _)) = back.recv_from(&mut here) => {
                    if let Some(client) = client {
                        front.send_to(&here[..n], client).await.unwrap();
                    }
                }
            }
        }
    });
    addr
}

/// What a member hears when its packets reach another process, whose node key is that of `seed`, from now on.
async fn forgotten_by(seed: u8) -> CloseReason {
    let transport = TransportLimits {
        idle: Duration::from_millis(1_500),
        keep_alive: Duration::from_millis(100),
        ..TransportLimits::default()
    };
    let mut limits = small();
    limits.transport = transport;
    let (_server, _events, first) = coordinator(limits);
    let (after, _later_events) = Server::bind(loopback(), key(seed), |_| true, limits).unwrap();
    let target = Arc::new(std::sync::Mutex::new(first));
    let addr = relay(target.clone()).await;
    let dialer = Dialer::new(key(1), LinkLimits::for_messages_up_to(MIB as u32), transport).unwrap();
    let mut connection = dialer.connect(addr, id(COORDINATOR), SOON).await.unwrap();
    *target.lock().unwrap() = after.local_addr().unwrap();
    connection.recv().await.unwrap_err()
}

/// A coordinator that was killed and is back says at once that it knows nothing of a connection; nobody else can say so.
#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_coordinator_is_believed_that_it_forgot_and_nobody_else() {
    assert_eq!(forgotten_by(COORDINATOR).await, CloseReason::Forgotten);
    assert_eq!(forgotten_by(99).await, CloseReason::TimedOut);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_tells_silence_from_refusal_and_disturbs_nobody() {
    let (server, mut events, addr) = coordinator(small());
    let mut connection = join(1, addr).await;
    connected(&mut events, 1).await;
    let probe = dialer(1).probe(addr, id(COORDINATOR), SOON).await.unwrap();
    assert!(probe.rtt < SOON);
    server.send(&id(1), b"undisturbed".to_vec()).unwrap();
    assert_eq!(connection.recv().await.unwrap(), b"undisturbed");
    assert_eq!(server.counters().replaced, 0);

    let error = dialer(50).probe(addr, id(COORDINATOR), SOON).await.unwrap_err();
    assert!(matches!(error, ConnectError::NotAdmitted { .. }) && error.answered());

    // A socket that takes datagrams and never answers, as a dropping firewall looks from outside.
    let mute = std::net::UdpSocket::bind(loopback()).unwrap();
    let silent = mute.local_addr().unwrap();
    let error = dialer(1)
        .probe(silent, id(COORDINATOR), Duration::from_millis(500))
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectError::NoAnswer { addr, .. } if addr == silent) && !error.answered());
    assert!(error.hint().unwrap().contains("firewall"));
}

#[test]
fn close_codes_come_back_from_the_wire() {
    use CloseCode::*;
    for code in [
        Done,
        Replaced,
        Malformed,
        TooSlow,
        NotAdmitted,
        Shutdown,
        Application(0),
        Application(0xff_ffff),
        Unknown(6),
    ] {
        assert_eq!(CloseCode::from_wire(code.to_wire()), code);
    }
}
