//! Snapshots: what an auditor without a connection is handed, and everything that can be wrong with it.

use std::sync::OnceLock;

use proptest::prelude::*;
use xfl_settlement::chain::client::SettlementClient;
use xfl_settlement::chain::connect::Connection;
use xfl_settlement::chain::embedded::SendError;
use xfl_settlement::chain::snapshot::{SnapshotError, verify};

use super::embedded::ephemeral;
use super::story::{COIN, coordinator, play};

#[tokio::test]
async fn a_snapshot_replays_to_the_same_chain_and_takes_nothing_new() {
    let chain = ephemeral();
    let (federation, _) = play(Connection::embedded(&chain, Some(&coordinator()))).await;
    let bytes = chain.snapshot().unwrap();
    let replayed = verify(&bytes).unwrap();
    assert_eq!(replayed.head(), chain.head());
    assert_eq!(replayed.snapshot().unwrap(), bytes);
    assert!(matches!(replayed.send(&[]), Err(SendError::ReadOnly)));

    let connection = Connection::embedded(&replayed, None);
    let client = SettlementClient::connect(connection, federation.client.deployment().clone())
        .await
        .unwrap();
    assert_eq!(client.latest_round().await.unwrap(), 2);
    let digest = federation.rounds[1].header.digest(&client.deployment().header_domain());
    assert_eq!(client.header_digest(2).await.unwrap(), Some(digest));
    assert_eq!(client.total_paid().await.unwrap(), federation.ledger.total());
    println!("snapshot: {} bytes for {} blocks", bytes.len(), chain.head().0);
}

/// A short history, so that many mutations can be replayed.
fn snapshot() -> &'static [u8] {
    static SNAPSHOT: OnceLock<Vec<u8>> = OnceLock::new();
    SNAPSHOT.get_or_init(|| {
        let chain = ephemeral();
        let connection = Connection::embedded(&chain, Some(&coordinator()));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            for account in 1..=3 {
                connection.send_coin(&[account; 20], COIN).await.unwrap();
            }
        });
        chain.snapshot().unwrap()
    })
}

/// A forger who knows the format writes the checksum anew.
fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - 32);
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    bytes
}

/// Transactions, signatures and the clock are fixed, so the bytes are too. Another digest means that old chains don't replay.
#[test]
fn the_encoding_is_pinned() {
    let digest = blake3::hash(snapshot());
    assert_eq!(
        digest.to_hex().as_str(),
        "9a6b66bd715b35a8059b3f7317d2d742a5b89a262447c0a0f451bbab2638eadb"
    );
}

proptest! {
    #[test]
    fn any_flipped_byte_is_noticed(place: prop::sample::Index, bit in 0u8..8) {
        let mut bytes = snapshot().to_vec();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let error = verify(&bytes).unwrap_err();
        let typed = matches!(error, SnapshotError::Checksum | SnapshotError::NotASnapshot);
        prop_assert!(typed, "{}", error);
    }

    #[test]
    fn any_cut_is_noticed(place: prop::sample::Index) {
        let bytes = snapshot();
        prop_assert!(verify(&bytes[..place.index(bytes.len())]).is_err());
    }

    #[test]
    fn a_forger_with_a_new_checksum_is_noticed_by_replay(place: prop::sample::Index, bit in 0u8..8) {
        let mut bytes = snapshot().to_vec();
        // Past magic, chain id and the time of block 0; before the checksum.
        let place = 16 + place.index(bytes.len() - 48);
        bytes[place] ^= 1 << bit;
        prop_assert!(verify(&with_checksum(bytes)).is_err());
    }

    #[test]
    fn nonsense_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(verify(&bytes).is_err());
        let framed = [&snapshot()[..16], &bytes, &[0; 32]].concat();
        prop_assert!(verify(&with_checksum(framed)).is_err());
    }
}
