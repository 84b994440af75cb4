//! CREATE2 through the deterministic deployment proxy: equal code and arguments give equal addresses on every chain.
//!
//! The proxy (Arachnid's) takes a 32-byte salt and creation code and stands at [`PROXY`] on nearly every chain; the embedded chain has it
//! from its beginning. Where it is missing it is published by its well-known transaction, which is signed for any chain by a
//! key that nobody has, once that one-time sender has been given what the transaction costs.
//!
//! An address commits to the code that made it: whoever knows artefacts and arguments knows without asking a chain what can stand
//! there, and nobody else can take the place with anything different.
//!
//! Reference: EIP-1014.

use alloy::primitives::{Address, Bytes, U256, address, b256, hex, keccak256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;

use super::connect::{Connection, ConnectionError, succeeded};
use super::deploy::DeployError;
use crate::merkle::Digest;
use crate::payout::Account;

/// Where the proxy stands.
pub const PROXY: Account = address!("4e59b44847b379578588920cA78FbF26c0B4956C").into_array();

/// The proxy's code.
pub const PROXY_CODE: [u8; 69] = hex!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
);

/// Who signed the transaction that publishes the proxy: no key is known for it, its signature was made up.
const PUBLISHER: Address = address!("3fab184622dc19b6109349b94811493bf2a45362");

/// What that transaction costs at most: 100,000 gas at 100 gwei.
const PUBLISHING: u128 = 10_000_000_000_000_000;

/// The transaction itself.
const PUBLICATION: [u8; 167] = hex!(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba02222222222222222222222222222222222222222222222222222222222222222a02222222222222222222222222222222222222222222222222222222222222222"
);

/// Where the proxy puts a contract.
#[must_use]
pub fn address_of(salt: &Digest, creation: &[u8]) -> Account {
    Address::from(PROXY).create2(salt, keccak256(creation)).into()
}

/// Sees to it that the proxy stands.
///
/// # Errors
/// [`DeployError::NoProxy`] where the chain doesn't take its publication, and [`DeployError::Connection`].
pub(super) async fn publish(connection: &Connection) -> Result<(), DeployError> {
    let missing = |reason: String| DeployError::NoProxy { reason };
    match connection.code(&PROXY).await? {
        code if code == PROXY_CODE => return Ok(()),
        code if !code.is_empty() => return Err(missing("other code stands at its address".into())),
        _ => {}
    }
    let held = connection.coin_balance(&PUBLISHER.into()).await?;
    if held < PUBLISHING {
        connection.send_coin(&PUBLISHER.into(), PUBLISHING - held).await?;
    }
    if let Err(error) = connection.provider().send_raw_transaction(&PUBLICATION).await {
        // Somebody else may have been faster.
        if connection.code(&PROXY).await? != PROXY_CODE {
            return Err(missing(error.to_string()));
        }
        return Ok(());
    }
    let published = b256!("eddf9e61fb9d8f5111840daef55e5fde0041f5702856532cdbb5a02998033d26");
    succeeded(&connection.confirm(published).await?)?;
    match connection.code(&PROXY).await? == PROXY_CODE {
        true => Ok(()),
        false => Err(missing("its publication made something else".into())),
    }
}

/// Deploys a contract, unless it stands already.
///
/// # Errors
/// [`DeployError::Connection`].
pub(super) async fn create(connection: &Connection, salt: &Digest, creation: &[u8]) -> Result<(), DeployError> {
    let address = address_of(salt, creation);
    if !connection.code(&address).await?.is_empty() {
        return Ok(());
    }
    let request = TransactionRequest::default()
        .to(Address::from(PROXY))
        .value(U256::ZERO)
        .input(Bytes::from([salt.as_slice(), creation].concat()).into());
    match connection.transact(request).await {
        Ok(receipt) => Ok(succeeded(&receipt).map(|_| ())?),
        // Anybody may deploy it, and what stands there is what was meant.
        Err(_) if !connection.code(&address).await?.is_empty() => Ok(()),
        Err(error) => Err(ConnectionError::from(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use alloy::consensus::TxEnvelope;
    use alloy::consensus::transaction::SignerRecoverable;
    use alloy::eips::eip2718::Decodable2718;

    use super::*;

    #[test]
    fn the_publication_makes_the_proxy_and_nothing_else() {
        let publication = TxEnvelope::decode_2718_exact(&PUBLICATION).unwrap();
        let sender = publication.recover_signer().unwrap();
        assert_eq!(sender, PUBLISHER);
        assert_eq!(Account::from(sender.create(0)), PROXY);
        assert_eq!(
            publication.tx_hash(),
            &b256!("eddf9e61fb9d8f5111840daef55e5fde0041f5702856532cdbb5a02998033d26")
        );
        use alloy::consensus::Transaction;
        assert_eq!(
            u128::from(publication.gas_limit()) * publication.max_fee_per_gas(),
            PUBLISHING
        );
        assert!(publication.input().ends_with(&PROXY_CODE));
    }

    #[test]
    fn addresses_are_those_of_the_standard() {
        // An example of EIP-1014 has another deployer; the formula is checked against its parts.
        let parts = [&[0xff][..], &PROXY, &[7; 32], keccak256([1, 2, 3]).as_slice()].concat();
        assert_eq!(address_of(&[7; 32], &[1, 2, 3]), keccak256(parts)[12..]);
    }
}
