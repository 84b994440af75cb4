use std::io::Cursor;

use rustls::{ClientConnection, NamedGroup, ProtocolVersion, ServerConnection};

use super::*;

fn identity(seed: u8) -> TlsIdentity {
    TlsIdentity::new(Arc::new(NodeKey::from_seed(&[seed; 32]))).unwrap()
}

fn only(node: NodeId) -> Arc<Admission> {
    Arc::new(Admission::new(move |got| *got == node))
}

/// Carries handshake bytes both ways until both sides are done or one fails.
fn shake(client: ClientConfig, server: ServerConfig) -> Result<(ClientConnection, ServerConnection), Error> {
    let name = ServerName::try_from("node.invalid").unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    for _ in 0..10 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut wire = Cursor::new(wire);
        while server.read_tls(&mut wire).unwrap() > 0 {
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut wire = Cursor::new(wire);
        while client.read_tls(&mut wire).unwrap() > 0 {
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}

#[test]
fn both_sides_know_each_other_and_the_key_exchange_is_hybrid() {
    let (ours, theirs) = (identity(1), identity(2));
    let client = ours.client_config(Arc::new(Pin::new(theirs.node_id()))).unwrap();
    let server = theirs.server_config(only(ours.node_id())).unwrap();
    let (client, server) = shake(client, server).unwrap();
    assert!(!client.is_handshaking() && !server.is_handshaking());
    assert_eq!(
        client.negotiated_key_exchange_group().unwrap().name(),
        NamedGroup::X25519MLKEM768
    );
    assert_eq!(
        server.negotiated_key_exchange_group().unwrap().name(),
        NamedGroup::X25519MLKEM768
    );
    assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(server.alpn_protocol(), Some(ALPN));
    assert_eq!(
        node_of(&client.peer_certificates().unwrap()[0]).unwrap(),
        theirs.node_id()
    );
    assert_eq!(
        node_of(&server.peer_certificates().unwrap()[0]).unwrap(),
        ours.node_id()
    );
}

#[test]
fn a_classical_client_finds_no_common_key_exchange() {
    let (ours, theirs) = (identity(1), identity(2));
    let mut classical = aws_lc_rs::default_provider();
    classical.kx_groups = vec![aws_lc_rs::kx_group::X25519];
    let mut client = ClientConfig::builder_with_provider(Arc::new(classical))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier {
            who: Arc::new(Pin::new(theirs.node_id())),
            algorithms: provider().signature_verification_algorithms,
        }))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(ours.certified.clone())));
    client.alpn_protocols = vec![ALPN.to_vec()];
    let error = shake(client, theirs.server_config(only(ours.node_id())).unwrap()).unwrap_err();
    assert!(
        matches!(error, Error::PeerIncompatible(PeerIncompatible::NoKxGroupsInCommon)),
        "{error}"
    );
}

#[test]
fn a_stranger_is_refused_and_counted() {
    let (stranger, theirs) = (identity(3), identity(2));
    let admission = only(identity(1).node_id());
    let client = stranger.client_config(Arc::new(Pin::new(theirs.node_id()))).unwrap();
    let error = shake(client, theirs.server_config(admission.clone()).unwrap()).unwrap_err();
    assert_eq!(
        error,
        Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
    );
    assert_eq!(admission.refused(), 1);
}

#[test]
fn a_server_with_another_key_is_refused_and_its_key_remembered() {
    let (ours, impostor) = (identity(1), identity(9));
    let pin = Arc::new(Pin::new(identity(2).node_id()));
    let client = ours.client_config(pin.clone()).unwrap();
    assert!(shake(client, impostor.server_config(only(ours.node_id())).unwrap()).is_err());
    assert_eq!(pin.stranger(), Some(impostor.node_id()));
}

/// The certificate of a member is no secret: whoever has seen it can send it, and must fail at the signature.
#[test]
fn a_copied_certificate_without_its_key_is_worth_nothing() {
    let (member, theirs) = (identity(1), identity(2));
    let thief_key = Arc::new(NodeKey::from_seed(&[66; 32]));
    let handle = KeyHandle {
        node: thief_key.node_id(),
        key: thief_key,
    };
    let copied = CertifiedKey::new(member.certified.cert.clone(), Arc::new(handle));
    let thief = TlsIdentity {
        node: member.node_id(),
        certified: Arc::new(copied),
    };
    let client = thief.client_config(Arc::new(Pin::new(theirs.node_id()))).unwrap();
    let admission = only(member.node_id());
    let error = shake(client, theirs.server_config(admission).unwrap()).unwrap_err();
    assert_eq!(error, Error::InvalidCertificate(CertificateError::BadSignature));
}

#[test]
fn other_algorithms_and_garbage_name_no_node() {
    let p256 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&p256).unwrap();
    assert!(node_of(certificate.der()).is_err());
    assert!(node_of(&CertificateDer::from(vec![0x30, 0x80, 1, 2])).is_err());
    assert!(node_of(&CertificateDer::from(Vec::new())).is_err());
}

#[test]
fn the_certificate_is_a_function_of_the_key() {
    assert_eq!(identity(5).certified.cert, identity(5).certified.cert);
}
