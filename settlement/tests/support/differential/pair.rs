//! The two chains side by side: the same bytes go to both, and what comes of them is compared.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use alloy::eips::eip2718::Encodable2718;
use alloy::network::{EthereumWallet, NetworkTransactionBuilder, TransactionBuilder};
use alloy::primitives::{Address, Bytes, U256, hex};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use serde_json::{Value, json};
use xfl_settlement::binding::Binding;
use xfl_settlement::chain::client::SettlementClient;
use xfl_settlement::chain::connect::Connection;
use xfl_settlement::chain::deploy::{Deployment, Plan, Terms};
use xfl_settlement::chain::embedded::EmbeddedChain;
use xfl_settlement::payout::{Account, PayoutKey};

use crate::embedded::{START, genesis};
use crate::forwarder;
use crate::story::{COIN, FEDERATION, binding, coordinator, member, terms};

/// Seconds of dispute.
const DELAY: u64 = 300;
const GAS_PRICE: u128 = 3_000_000_000;
const GAS: u64 = 3_000_000;
/// How long anvil may take to mine what it took.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who sends: the coordinator, four members, one who isn't yet, a stranger.
pub(super) fn sender(number: u8) -> PayoutKey {
    match number % 7 {
        0 => coordinator(),
        6 => member(9),
        byte => member(byte),
    }
}

pub(super) struct Pair {
    pub(super) deployment: Deployment,
    /// Posts for whoever asks it to.
    pub(super) forwarder: Account,
    anvil: Connection,
    here: Connection,
    chain: EmbeddedChain,
    hand: Arc<AtomicU64>,
    /// What both chains begin with: signed bytes and times.
    beginning: Vec<(Bytes, u64)>,
    snapshot: Value,
    /// Every slot that a transaction has changed on anvil.
    changed: BTreeSet<(String, String)>,
}

/// A chain whose clock moves by `pace` with each look at it.
fn embedded(pace: u64) -> (EmbeddedChain, Arc<AtomicU64>) {
    let hand = Arc::new(AtomicU64::new(START));
    let clock = Arc::clone(&hand);
    let clock = Arc::new(move || clock.fetch_add(pace, Ordering::SeqCst));
    (EmbeddedChain::ephemeral(genesis(), clock).unwrap(), hand)
}

impl Pair {
    /// Deploys (a forwarder too), admits four members, gives everybody coin and the signers stakes: on the embedded chain, then the same on anvil.
    pub(super) async fn found(url: &str) -> Self {
        // No two blocks of anvil have the same time.
        let (chain, _) = embedded(1);
        let connection = Connection::embedded(&chain, Some(&coordinator()));
        let terms = Terms {
            embedded: false,
            threshold: 2,
            activation_delay: DELAY,
            per_round_cap: 100 * COIN,
            funding: 150 * COIN,
            ..terms()
        };
        let plan = Plan::new(&connection, terms).await.unwrap();
        let deployment = plan.execute(&connection).await.unwrap();
        let client = SettlementClient::connect(connection.clone(), deployment.clone())
            .await
            .unwrap();
        for byte in 1..=4 {
            let binding = binding(byte, deployment.chain_id);
            let signature = binding.sign(&deployment.binding_domain(), &member(byte)).unwrap();
            client.admit(&binding, &signature, &[byte; 64]).await.unwrap();
            client.deposit(&binding.payout, COIN / 4).await.unwrap();
        }
        client.deposit(&coordinator().account(), COIN / 4).await.unwrap();
        for number in 1..7 {
            connection
                .send_coin(&sender(number).account(), 50 * COIN)
                .await
                .unwrap();
        }
        let forwarder = forwarder::create(&connection, &coordinator()).await;
        let mut beginning = Vec::new();
        for number in 1..=chain.head().0 {
            let block = connection.provider().get_block_by_number(number.into()).full();
            let block = block.await.unwrap().unwrap();
            let time = block.header.timestamp;
            let transaction = block.into_transactions_vec().remove(0);
            beginning.push((transaction.inner.encoded_2718().into(), time));
        }

        let anvil = Connection::http(url, None).unwrap();
        let (chain, hand) = embedded(0);
        let mut pair = Self {
            deployment,
            forwarder,
            here: Connection::embedded(&chain, None),
            anvil,
            chain,
            hand,
            beginning,
            snapshot: Value::Null,
            changed: BTreeSet::new(),
        };
        for (bytes, time) in pair.beginning.clone() {
            pair.at(time).await;
            assert!(
                pair.compare_receipts(&bytes)
                    .await
                    .unwrap()
                    .is_some_and(|(_, passed)| passed)
            );
        }
        pair.snapshot = ask(&pair.anvil, "evm_snapshot", json!([])).await.unwrap();
        pair
    }

    /// Both chains where they began.
    pub(super) async fn rewind(&mut self) {
        let reverted = ask(&self.anvil, "evm_revert", json!([self.snapshot])).await;
        assert_eq!(reverted, Ok(json!(true)));
        self.snapshot = ask(&self.anvil, "evm_snapshot", json!([])).await.unwrap();
        (self.chain, self.hand) = embedded(0);
        self.here = Connection::embedded(&self.chain, None);
        for (bytes, time) in &self.beginning {
            self.hand.store(*time, Ordering::SeqCst);
            self.chain.send(bytes).unwrap();
        }
        self.changed.clear();
    }

    /// The time of the next transaction, which passes on both chains.
    pub(super) fn now(&self) -> u64 {
        self.hand.load(Ordering::SeqCst)
    }

    /// What both would answer to a call from outside, from the embedded chain.
    pub(super) async fn look(&self, to: &[u8; 20], calldata: Vec<u8>) -> Vec<u8> {
        let request = json!({ "to": Address::from(*to), "data": hex::encode_prefixed(calldata) });
        let answer = ask(&self.here, "eth_call", json!([request, "latest"])).await.unwrap();
        hex::decode(answer.as_str().unwrap()).unwrap()
    }

    async fn at(&self, time: u64) {
        self.hand.store(time, Ordering::SeqCst);
        ask(&self.anvil, "evm_setNextBlockTimestamp", json!([time]))
            .await
            .unwrap();
    }

    /// Sends a transaction to both, some seconds after the last; whether it passed.
    ///
    /// # Errors
    /// What differs.
    pub(super) async fn transact(
        &mut self,
        key: &PayoutKey,
        to: &[u8; 20],
        calldata: Vec<u8>,
        value: u128,
        gas: Option<u64>,
        later: u64,
    ) -> Result<bool, String> {
        let nonce = self.here.nonce(&key.account()).await.unwrap();
        let request = TransactionRequest::default()
            .with_from(key.account().into())
            .with_to(Address::from(*to))
            .with_input(calldata)
            .with_value(U256::from(value))
            .with_gas_limit(gas.unwrap_or(GAS))
            .with_gas_price(GAS_PRICE)
            .with_nonce(nonce)
            .with_chain_id(self.deployment.chain_id);
        self.at(self.now() + later).await;
        let call = json!({
            "from": request.from, "to": Address::from(*to), "data": request.input.input(),
            "value": request.value, "gas": format!("{:#x}", gas.unwrap_or(GAS)),
        });
        let answered = ask(&self.here, "eth_call", json!([call, "latest"])).await;
        let wallet = EthereumWallet::from(key.signer());
        let bytes: Bytes = request.build(&wallet).await.unwrap().encoded_2718().into();
        let Some((hash, passed)) = self.compare_receipts(&bytes).await? else {
            return Ok(false);
        };

        let tracer = json!([hash, { "tracer": "callTracer" }]);
        let trace = ask(&self.anvil, "debug_traceTransaction", tracer).await.unwrap();
        let returned = trace["output"].as_str().unwrap_or("0x").to_owned();
        let answered = match answered {
            Ok(data) => data.as_str().unwrap_or("0x").to_owned(),
            Err(data) => data,
        };
        same("data returned", &answered, &returned)?;
        let tracer = json!([hash, { "tracer": "prestateTracer", "tracerConfig": { "diffMode": true } }]);
        let diff = ask(&self.anvil, "debug_traceTransaction", tracer).await.unwrap();
        for side in [&diff["pre"], &diff["post"]] {
            for (account, state) in side.as_object().into_iter().flatten() {
                let slots = state["storage"].as_object().into_iter().flatten();
                self.changed
                    .extend(slots.map(|(slot, _)| (account.clone(), slot.clone())));
            }
        }
        Ok(passed)
    }

    /// Sends bytes to both and compares their receipts and blocks; the transaction's hash, and whether it passed. None where both refuse it.
    async fn compare_receipts(&self, bytes: &Bytes) -> Result<Option<(Value, bool)>, String> {
        let here = ask(&self.here, "eth_sendRawTransaction", json!([bytes])).await;
        let there = ask(&self.anvil, "eth_sendRawTransaction", json!([bytes])).await;
        if here.is_err() && there.is_err() {
            // By the protocol, each in its own words: there is no transaction.
            return Ok(None);
        }
        same("hash", &here, &there)?;
        let hash = here?;
        let ours = ask(&self.here, "eth_getTransactionReceipt", json!([hash]))
            .await
            .unwrap();
        let (asked, mut theirs) = (Instant::now(), Value::Null);
        while theirs.is_null() {
            if asked.elapsed() > PATIENCE {
                return Err(format!("anvil has no receipt of {hash} after {} s", PATIENCE.as_secs()));
            }
            theirs = ask(&self.anvil, "eth_getTransactionReceipt", json!([hash]))
                .await
                .unwrap();
        }
        for field in [
            "status",
            "gasUsed",
            "cumulativeGasUsed",
            "logsBloom",
            "type",
            "from",
            "to",
            "blockNumber",
            "transactionIndex",
        ] {
            same(field, &ours[field], &theirs[field])?;
        }
        let logs = |receipt: &Value| -> Vec<Value> {
            let logs = receipt["logs"].as_array().into_iter().flatten();
            logs.map(|log| json!([log["address"], log["topics"], log["data"], log["logIndex"]]))
                .collect()
        };
        same("logs", &logs(&ours), &logs(&theirs))?;
        let number = json!([ours["blockNumber"], false]);
        let block = |block: Result<Value, String>| block.unwrap()["timestamp"].clone();
        same(
            "time",
            &block(ask(&self.here, "eth_getBlockByNumber", number.clone()).await),
            &block(ask(&self.anvil, "eth_getBlockByNumber", number).await),
        )?;
        Ok(Some((hash, ours["status"] == "0x1")))
    }

    /// Compares every slot that was changed, and the coins of everybody.
    ///
    /// # Errors
    /// What differs.
    pub(super) async fn compare_state(&self) -> Result<(), String> {
        for (account, slot) in &self.changed {
            let place = json!([account, slot, "latest"]);
            let here = ask(&self.here, "eth_getStorageAt", place.clone()).await;
            let there = ask(&self.anvil, "eth_getStorageAt", place).await;
            same(&format!("slot {slot} of {account}"), &here, &there)?;
        }
        let made = &self.deployment;
        let contracts = made.contracts().into_iter().map(|(_, address)| address);
        // The coordinator deployed at each chain's own fee.
        let accounts = (1..7).map(|number| sender(number).account()).chain(contracts);
        for account in accounts.map(Address::from) {
            for method in ["eth_getBalance", "eth_getTransactionCount", "eth_getCode"] {
                let place = json!([account, "latest"]);
                let here = ask(&self.here, method, place.clone()).await;
                let there = ask(&self.anvil, method, place).await;
                same(&format!("{method} of {account}"), &here, &there)?;
            }
        }
        Ok(())
    }

    /// The binding of a member, well or with a fault; by whom it is sent.
    pub(super) fn binding(&self, byte: u8, nonce: u64, fault: u8) -> (Binding, PayoutKey, PayoutKey) {
        let mut binding = Binding {
            federation: FEDERATION,
            nonce,
            ..binding(byte, self.deployment.chain_id)
        };
        let (mut signer, mut by) = (member(byte), coordinator());
        match fault {
            1 => signer = member(byte + 1),
            2 => by = member(byte),
            3 => binding.nonce = 0,
            4 => binding.expiry = START,
            5 => binding.federation = [1; 32],
            6 => binding.node_key = [byte % 4 + 1; 32],
            7 => binding.chain_id = 0,
            _ => {}
        }
        (binding, signer, by)
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, here: &T, there: &T) -> Result<(), String> {
    if here == there {
        return Ok(());
    }
    Err(format!("{what} differs: {here:?} here, {there:?} on anvil"))
}

/// A request's answer; of an error the data that a contract reverted with, or nothing where it ran out of gas or of code.
async fn ask(connection: &Connection, method: &'static str, params: Value) -> Result<Value, String> {
    let answer = connection
        .provider()
        .raw_request::<_, Value>(method.into(), params)
        .await;
    answer.map_err(|error| match error.as_error_resp() {
        Some(said) if method == "eth_call" => {
            let data: Option<String> = said
                .data
                .as_ref()
                .and_then(|data| serde_json::from_str(data.get()).ok());
            data.unwrap_or_else(|| "0x".into())
        }
        _ => error.to_string(),
    })
}
