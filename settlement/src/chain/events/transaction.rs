//! The transactions in which something was told: whom they called, and with what.
//!
//! A chain has transactions of kinds that this crate knows nothing of (deposits of OP-stack chains, Arbitrum's), and what a quorum posts in one of them
//! must be as readable as any other: of an answer only `hash`, `to` and `input` are read. It is asked for by the place that the event told first (nodes
//! without an index of old transactions answer that, and after a reorganisation the place is gone rather than another's), then by its hash.

use alloy::primitives::{Address, B256, hex};
use alloy::providers::Provider;
use serde_json::{Value, json};

use crate::chain::client::{ClientError, SettlementClient};
use crate::chain::connect::ConnectionError;
use crate::merkle::Digest;
use crate::payout::Account;

/// The longest input that is read, in bytes; no block holds as many.
const MAX_INPUT: usize = 1 << 24;

/// Where a transaction is on a chain, as a node told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The transaction's hash.
    pub transaction: Digest,
    /// Hash of its block.
    pub block: Digest,
    /// Which of the block's transactions it is, from 0.
    pub index: u64,
}

/// What a node has of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::chain) enum Found {
    /// It called the contract with this.
    Input(Vec<u8>),
    /// It called another one, or none.
    Elsewhere,
    /// It isn't there: a reorganisation took it, or the node doesn't keep what is old.
    Gone,
}

impl SettlementClient {
    /// The input of a transaction of the round manager's, or of its mirror's.
    pub(in crate::chain) async fn input_of(&self, place: &Place) -> Result<Found, ClientError> {
        let provider = self.connection().provider();
        let (block, hash) = (B256::from(place.block), B256::from(place.transaction));
        let at = json!([block, format!("{:#x}", place.index)]);
        let answer = provider.raw_request::<_, Value>("eth_getTransactionByBlockHashAndIndex".into(), at);
        let answer = match answer.await {
            Ok(answer) => answer,
            Err(error) if error.is_error_resp() => Value::Null,
            Err(error) => return Err(ConnectionError::rpc(error).into()),
        };
        let answer = match answer {
            Value::Null => {
                let answer = provider.raw_request::<_, Value>("eth_getTransactionByHash".into(), json!([hash]));
                answer.await.map_err(ConnectionError::rpc)?
            }
            answer => answer,
        };
        read(&answer, &place.transaction, &self.deployment().rounds).ok_or(ClientError::Answer {
            what: "a transaction that wasn't asked for, or a part of one,",
        })
    }
}

/// What an answer says; none where it isn't of this transaction, or makes no sense.
fn read(answer: &Value, transaction: &Digest, contract: &Account) -> Option<Found> {
    if answer.is_null() {
        return Some(Found::Gone);
    }
    let hash: B256 = answer["hash"].as_str()?.parse().ok()?;
    if hash.0 != *transaction {
        return None;
    }
    let Some(to) = answer["to"].as_str() else {
        return Some(Found::Elsewhere);
    };
    if to.parse::<Address>().ok()? != Address::from(*contract) {
        return Some(Found::Elsewhere);
    }
    let input = answer["input"].as_str()?;
    let input = input
        .strip_prefix("0x")
        .filter(|digits| digits.len() <= 2 * MAX_INPUT)?;
    hex::decode(input).ok().map(Found::Input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_fields_are_read_of_any_kind_of_transaction_and_nothing_else_passes() {
        let (hash, contract) = ([7; 32], [1; 20]);
        let good = json!({
            "type": "0x7e", "hash": B256::from(hash), "to": Address::from(contract), "input": "0x00ff", "sourceHash": "?",
        });
        let with = |field: &str, value: Value| {
            let mut changed = good.clone();
            changed[field] = value;
            read(&changed, &hash, &contract)
        };
        assert_eq!(read(&good, &hash, &contract), Some(Found::Input(vec![0, 255])));
        assert_eq!(with("input", json!("0x")), Some(Found::Input(Vec::new())));
        assert_eq!(read(&Value::Null, &hash, &contract), Some(Found::Gone));
        for to in [Value::Null, json!(Address::from([2; 20]))] {
            assert_eq!(with("to", to), Some(Found::Elsewhere));
        }
        let long = format!("0x{}", "00".repeat(MAX_INPUT + 1));
        for input in [
            Value::Null,
            json!("00ff"),
            json!("0x0"),
            json!("0xzz"),
            json!(7),
            json!(long),
        ] {
            assert_eq!(with("input", input), None);
        }
        for wrong in [Value::Null, json!(B256::from([8; 32])), json!("0x07"), json!([])] {
            assert_eq!(with("hash", wrong), None);
        }
        assert_eq!(with("to", json!("0x01")), None);
        for nonsense in [json!([]), json!("0x"), json!(false)] {
            assert_eq!(read(&nonsense, &hash, &contract), None);
        }
    }
}
