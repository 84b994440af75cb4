//! Mutual TLS 1.3 in which a certificate is only an envelope for a node key.
//!
//! Both sides present a self-signed certificate over their node's ed25519 key; the [`NodeId`] is read from its public key
//! field and everything else in it is ignored (names, dates, extensions: they'd be claims by the peer about itself). That
//! the peer holds the key is proved by the handshake's own signature (CertificateVerify, checked by rustls over the
//! handshake transcript). The client knows which key it wants ([`Pin`]); the server asks who may enter ([`Admission`]).
//!
//! **Guarantees.** TLS 1.3 only; key exchange X25519MLKEM768 only (X25519 and ML-KEM-768 together), so a recording made
//! today isn't opened by a quantum computer later and there is nothing to downgrade to; the application protocol is
//! always [`ALPN`]; no resumption and no early data, so each connection proves both keys afresh and replays nothing. The
//! secret key stays where it is: it is asked for signatures and never copied into the TLS library.
//!
//! **Does not do.** The signatures themselves are ed25519, not post-quantum: identity must hold now, secrecy later. No
//! revocation; the admission closure is asked at every handshake.
//!
//! References: RFC 8446, RFC 8410, draft-ietf-tls-ecdhe-mlkem, FIPS 203.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, ServerConfig,
    SignatureAlgorithm, SignatureScheme, version,
};

use crate::identity::{NodeId, NodeKey};

/// The application protocol both sides must name.
pub const ALPN: &[u8] = b"xfl/2";
/// The TLS alert (RFC 8446 section 6.2) by which an endpoint turns a node away because of who it is.
pub(crate) const ACCESS_DENIED: u8 = 49;
/// DER of a public key field for ed25519 up to the 32 key bytes (RFC 8410 section 4).
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why no TLS identity or configuration could be made; each is a fault of this build or key, never of a peer.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate couldn't be made.
    #[error("can't make the node's certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refuses the configuration.
    #[error("can't configure tls: {0}")]
    Config(#[from] Error),
}

/// A node key with its certificate, ready for either side.
#[derive(Clone)]
pub struct TlsIdentity {
    node: NodeId,
    certified: Arc<CertifiedKey>,
}

impl TlsIdentity {
    /// Makes the certificate for this key.
    ///
    /// # Errors
    /// [`TlsError::Certificate`].
    pub fn new(key: Arc<NodeKey>) -> Result<Self, TlsError> {
        let node = key.node_id();
        let handle = KeyHandle { key, node };
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, node.to_string());
        let certificate = params.self_signed(&handle)?;
        let certified = CertifiedKey::new(vec![certificate.der().clone()], Arc::new(handle));
        Ok(Self {
            node,
            certified: Arc::new(certified),
        })
    }

    /// Whose identity it is.
    pub fn node_id(&self) -> NodeId {
        self.node
    }

    /// Configuration for the side that accepts.
    ///
    /// # Errors
    /// [`TlsError::Config`].
    pub fn server_config(&self, admission: Arc<Admission>) -> Result<ServerConfig, TlsError> {
        let provider = provider();
        let verifier = Verifier {
            who: admission,
            algorithms: provider.signature_verification_algorithms,
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(self.certified.clone())));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        Ok(config)
    }

    /// Configuration for one connection of the side that dials. A pin remembers what it saw: take a new one for each.
    ///
    /// # Errors
    /// [`TlsError::Config`].
    pub fn client_config(&self, pin: Arc<Pin>) -> Result<ClientConfig, TlsError> {
        let provider = provider();
        let verifier = Verifier {
            who: pin,
            algorithms: provider.signature_verification_algorithms,
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(self.certified.clone())));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        // Nodes have no names; whom one dials is nobody else's business.
        config.enable_sni = false;
        Ok(config)
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

/// aws-lc-rs with the hybrid key exchange and nothing beside it.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519MLKEM768];
    provider.cipher_suites.retain(|suite| suite.tls13().is_some());
    Arc::new(provider)
}

/// The node that a certificate speaks for.
///
/// # Errors
/// `BadEncoding` if it is no certificate, or one whose key isn't a usable ed25519 key.
pub fn node_of(certificate: &CertificateDer<'_>) -> Result<NodeId, Error> {
    let spki = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
    spki.strip_prefix(&ED25519_SPKI)
        .and_then(|key| <[u8; 32]>::try_from(key).ok())
        .map(NodeId)
        .filter(NodeId::is_usable)
        .ok_or(CertificateError::BadEncoding.into())
}

/// The node at the other end of an established connection.
pub fn peer_node(connection: &quinn::Connection) -> Option<NodeId> {
    let chain = connection
        .peer_identity()?
        .downcast::<Vec<CertificateDer<'static>>>()
        .ok()?;
    node_of(chain.first()?).ok()
}

/// Who may enter a server. Refusals are counted.
pub struct Admission {
    admit: Box<dyn Fn(&NodeId) -> bool + Send + Sync>,
    refused: AtomicU64,
}

impl Admission {
    /// Admits the nodes for which `admit` says so; it is asked within the handshake and must answer from memory.
    pub fn new(admit: impl Fn(&NodeId) -> bool + Send + Sync + 'static) -> Self {
        Self {
            admit: Box::new(admit),
            refused: AtomicU64::new(0),
        }
    }

    /// Whether this node may enter now; counts nothing.
    pub fn admits(&self, node: &NodeId) -> bool {
        (self.admit)(node)
    }

    /// How many were turned away.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("refused", &self.refused())
            .finish_non_exhaustive()
    }
}

/// The one key a client accepts, and what it met instead.
#[derive(Debug)]
pub struct Pin {
    expected: NodeId,
    met: OnceLock<NodeId>,
}

impl Pin {
    /// Accepts this node only.
    pub fn new(expected: NodeId) -> Self {
        Self {
            expected,
            met: OnceLock::new(),
        }
    }

    /// The key wanted.
    pub fn expected(&self) -> NodeId {
        self.expected
    }

    /// The other key that the server presented, if it did.
    pub fn stranger(&self) -> Option<NodeId> {
        self.met.get().copied().filter(|met| *met != self.expected)
    }
}

/// Decides about a key that a peer presents (before it has proved that it holds it).
trait Who: fmt::Debug + Send + Sync {
    fn accepts(&self, node: &NodeId) -> bool;
}

impl Who for Admission {
    fn accepts(&self, node: &NodeId) -> bool {
        let admitted = self.admits(node);
        if !admitted {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }
}

impl Who for Pin {
    fn accepts(&self, node: &NodeId) -> bool {
        *self.met.get_or_init(|| *node) == self.expected
    }
}

/// The certificate verifier of both sides.
#[derive(Debug)]
struct Verifier<W> {
    who: Arc<W>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl<W: Who> Verifier<W> {
    fn check(&self, certificate: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Result<(), Error> {
        if !intermediates.is_empty() {
            return Err(CertificateError::UnknownIssuer.into());
        }
        if self.who.accepts(&node_of(certificate)?) {
            return Ok(());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn check_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }
}

impl<W: Who> ClientCertVerifier for Verifier<W> {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity, intermediates)
            .map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl<W: Who> ServerCertVerifier for Verifier<W> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates)
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// The node key as TLS and X.509 want to see a signer.
#[derive(Debug, Clone)]
struct KeyHandle {
    key: Arc<NodeKey>,
    node: NodeId,
}

impl rcgen::PublicKeyData for KeyHandle {
    fn der_bytes(&self) -> &[u8] {
        self.node.as_bytes()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl rcgen::SigningKey for KeyHandle {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.key
            .sign_foreign(message)
            .map(Vec::from)
            .ok_or(rcgen::Error::RemoteKeyError)
    }
}

impl rustls::sign::SigningKey for KeyHandle {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
        offered
            .contains(&SignatureScheme::ED25519)
            .then(|| Box::new(self.clone()) as Box<dyn rustls::sign::Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl rustls::sign::Signer for KeyHandle {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.key
            .sign_foreign(message)
            .map(Vec::from)
            .ok_or_else(|| Error::General("refused to sign bytes of the federation's own protocol as tls".to_owned()))
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

#[cfg(test)]
mod tests;
