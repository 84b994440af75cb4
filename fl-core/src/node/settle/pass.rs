//! One pass over one chain: what the book says and the chain doesn't hold is done, and what can't be done yet is said.
//!
//! A pass can be repeated, cut off and run by several at once: contract state decides what is left to do.

use std::{collections::BTreeSet, path::PathBuf};

use serde::{Deserialize, Serialize};
use xfl_settlement::{
    chain::{
        client::{Outcome, SettlementClient},
        connect::Connection,
        deploy,
    },
    payout::Account,
    statement::Quorum,
};

use super::{Book, SettleError, Signed};
use crate::identity::NodeId;

/// A chain of a federation, with a connection and perhaps a key.
pub struct Site {
    plan: deploy::Plan,
    /// Its place in the federation's beginning: 0 for the home chain.
    place: usize,
    client: SettlementClient,
    /// Code and wiring are as they must be.
    checked: bool,
    admitted: BTreeSet<NodeId>,
}

/// Where a chain stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// EIP-155 id.
    pub chain_id: u64,
    /// Whether rounds are posted here first.
    pub home: bool,
    /// The last round posted here; `null` while it isn't known.
    pub posted: Option<u64>,
    /// Rounds that members signed.
    pub signed: u64,
    /// What the rest waits for.
    pub waits_for: Option<String>,
    /// Until when at least, Unix seconds.
    pub until: Option<u64>,
    /// The round that was voided on the home chain, if one was: nothing can be posted from there on.
    #[serde(default)]
    pub void: Option<u64>,
    /// What went wrong last; it is tried again.
    pub trouble: Option<String>,
}

impl Standing {
    /// Whether people want to hear of it after what they heard before. What the home chain holds they hear as rounds are posted.
    pub fn is_news(&self, before: Option<&Self>) -> bool {
        let told = |standing: &Self| {
            let posted = standing.posted.filter(|posted| *posted > 0 && !standing.home);
            (
                posted,
                standing.void,
                standing.waits_for.clone(),
                standing.trouble.clone(),
            )
        };
        told(self) != before.map_or((None, None, None, None), told)
    }

    /// Whether every signed round is here, or a later one.
    pub fn done(&self) -> bool {
        self.posted == Some(self.signed) && self.trouble.is_none()
    }

    /// Whether nothing is left that can be done: every signed round is here, or all that came before a voided one.
    pub fn is_final(&self) -> bool {
        self.done() || self.void.is_some() && self.trouble.is_none() && self.waits_for.is_none()
    }
}

/// A posting that this pass made or found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting {
    /// The round.
    pub round: u64,
    /// The transaction; zero where the round was there already.
    pub transaction: [u8; 32],
    /// Its block.
    pub block: u64,
    /// Gas used; 0 where it was there already.
    pub gas: u64,
}

impl Site {
    /// The chain at a place of the federation's beginning.
    pub fn new(plan: deploy::Plan, place: usize, connection: Connection) -> Self {
        let client = SettlementClient::unchecked(connection, plan.deployment());
        Self {
            plan,
            place,
            client,
            checked: false,
            admitted: BTreeSet::new(),
        }
    }

    /// The same, remembering in a file what the chain told.
    #[must_use]
    pub fn with_memory(self, file: PathBuf) -> Self {
        let client = self.client.with_memory(file);
        Self { client, ..self }
    }

    /// The contracts' client.
    pub fn client(&self) -> &SettlementClient {
        &self.client
    }

    /// EIP-155 id.
    pub fn chain_id(&self) -> u64 {
        self.plan.chain_id
    }

    /// Whether rounds are posted here first.
    pub fn is_home(&self) -> bool {
        self.place == 0
    }

    /// Nothing known yet.
    pub fn unknown(&self, book: &Book) -> Standing {
        Standing {
            chain_id: self.chain_id(),
            home: self.is_home(),
            posted: None,
            signed: book.signed(),
            waits_for: None,
            until: None,
            void: None,
            trouble: None,
        }
    }

    fn coordinates(&self) -> bool {
        self.client.connection().sender() == Some(self.plan.coordinator)
    }

    /// Sees to it that the contracts stand: the coordinator deploys and funds what is missing, everybody else checks.
    ///
    /// # Errors
    /// [`SettleError`]; call again to go on.
    pub async fn prepare(&mut self) -> Result<(), SettleError> {
        if self.checked {
            return Ok(());
        }
        let connection = self.client.connection();
        let deployment = self.client.deployment();
        if self.coordinates() {
            let account = self.plan.coordinator;
            let poor = connection.coin_balance(&account).await? == 0;
            if poor && deployment.check(connection).await.is_err() {
                let chain_id = self.chain_id();
                return Err(SettleError::Unfunded { account, chain_id });
            }
            if !poor {
                self.plan.execute(connection).await?;
            }
        } else {
            deployment.check(connection).await?;
        }
        self.checked = true;
        Ok(())
    }

    /// Whether nobody used these contracts yet. A run that was begun anew with a copied salt has the same ones, and its members would sign two headers
    /// for one round, for which they can be slashed.
    ///
    /// # Errors
    /// [`SettleError::Used`], and those of a chain that doesn't answer.
    pub async fn check_unused(&self) -> Result<(), SettleError> {
        let rounds = self.client.latest_round().await?;
        let members = self.client.member_count().await?;
        if rounds == 0 && members == 0 {
            return Ok(());
        }
        Err(SettleError::Used {
            chain_id: self.chain_id(),
            members,
            rounds,
        })
    }

    /// The first signed round that isn't posted, if it was voided on this chain: none after it can be posted.
    ///
    /// # Errors
    /// [`SettleError`].
    pub async fn void(&self, book: &Book) -> Result<Option<u64>, SettleError> {
        void(&self.client, book).await
    }

    /// Everything that can be done now. A mirror asks `home` which rounds are final.
    ///
    /// # Errors
    /// [`SettleError`]; call again to go on: contracts and members are looked at again then, since a reorganisation may have taken them.
    pub async fn pass(
        &mut self,
        book: &Book,
        home: Option<&SettlementClient>,
    ) -> Result<(Standing, Vec<Posting>), SettleError> {
        let passed = self.try_pass(book, home).await;
        if passed.is_err() {
            self.checked = false;
            self.admitted.clear();
        }
        passed
    }

    async fn try_pass(
        &mut self,
        book: &Book,
        home: Option<&SettlementClient>,
    ) -> Result<(Standing, Vec<Posting>), SettleError> {
        self.prepare().await?;
        self.admit(book).await?;
        match home {
            None => self.home(book).await,
            Some(home) => self.mirror(book, home).await,
        }
    }

    /// Admits who joined. Coordinator only; others find members admitted, or rounds refused.
    async fn admit(&mut self, book: &Book) -> Result<(), SettleError> {
        if !self.coordinates() {
            return Ok(());
        }
        for (node, joined) in &book.joined {
            if self.admitted.contains(node) {
                continue;
            }
            let Some((payout, by_node)) = joined.signatures(self.place) else {
                continue;
            };
            self.client.admit(&joined.binding, &payout, &by_node.0).await?;
            self.treat(&joined.binding.payout).await?;
            self.admitted.insert(*node);
        }
        Ok(())
    }

    /// On the embedded chain coins mean nothing; members need some to send their own claims.
    async fn treat(&self, account: &Account) -> Result<(), SettleError> {
        let connection = self.client.connection();
        if self.plan.terms.embedded && connection.coin_balance(account).await? == 0 {
            connection.send_coin(account, 1_000_000_000_000_000_000).await?;
        }
        Ok(())
    }

    /// Posts all that is missing, in sequence.
    async fn home(&self, book: &Book) -> Result<(Standing, Vec<Posting>), SettleError> {
        let mut posted = self.latest(book).await?;
        let mut postings = Vec::new();
        if let Some(pending) = book.pending.as_ref().filter(|pending| pending.header.round == posted) {
            postings.push(Posting::found(pending.header.round));
        }
        let void = self.void(book).await?;
        while let Some(signed) = book.round(posted + 1).filter(|_| void.is_none()) {
            postings.push(self.post(book, signed).await?);
            posted += 1;
        }
        let standing = Standing {
            posted: Some(posted),
            void,
            ..self.unknown(book)
        };
        Ok((standing, postings))
    }

    /// Posts the latest round that is final at home.
    async fn mirror(&self, book: &Book, home: &SettlementClient) -> Result<(Standing, Vec<Posting>), SettleError> {
        let mut posted = self.latest(book).await?;
        let mut standing = self.unknown(book);
        if posted < book.signed() {
            standing.void = void(home, book).await?;
        }
        if posted >= book.finished() {
            let posted = Some(posted);
            return Ok((Standing { posted, ..standing }, Vec::new()));
        }
        let last = final_round(home, posted, book.finished()).await?;
        let mut postings = Vec::new();
        if let Some(signed) = book.round(last).filter(|_| last > posted) {
            // What is final at home must be what is posted here.
            if !home.is_posted(&signed.header).await? {
                let (chain_id, known) = (home.deployment().chain_id, book.finished());
                return Err(SettleError::Ahead {
                    chain_id,
                    posted: last,
                    known,
                });
            }
            postings.push(self.post(book, signed).await?);
            posted = last;
        }
        let (mut waits_for, mut until) = (None, None);
        if posted < book.finished() && standing.void != Some(posted + 1) {
            until = home.active_at(posted + 1).await?;
            let chain = home.deployment().chain_id;
            waits_for = Some(match until {
                Some(_) => format!("round {} to be final on chain {chain}", posted + 1),
                None => format!("round {} to be posted on chain {chain}", posted + 1),
            });
        }
        let standing = Standing {
            posted: Some(posted),
            waits_for,
            until,
            ..standing
        };
        Ok((standing, postings))
    }

    /// The last round on the chain, which must be the book's.
    async fn latest(&self, book: &Book) -> Result<u64, SettleError> {
        let posted = self.client.latest_round().await?;
        if posted == 0 {
            return Ok(0);
        }
        let Some(signed) = book.round(posted) else {
            let (chain_id, known) = (self.chain_id(), book.signed());
            return Err(SettleError::Ahead {
                chain_id,
                posted,
                known,
            });
        };
        self.client.is_posted(&signed.header).await?;
        Ok(posted)
    }

    async fn post(&self, book: &Book, signed: &Signed) -> Result<Posting, SettleError> {
        let threshold = usize::try_from(self.plan.terms.threshold).unwrap_or(usize::MAX);
        let quorum = Quorum::new(book.accounts(), threshold)?;
        let digest = signed.header.digest(&self.client.deployment().header_domain());
        let sorted = quorum.collect(&digest, signed.signatures.iter().copied())?;
        let round = signed.header.round;
        Ok(match self.client.post_round(&signed.header, &sorted).await? {
            Outcome::Already => Posting::found(round),
            Outcome::Done(confirmed) => Posting {
                round,
                transaction: confirmed.transaction,
                block: confirmed.block,
                gas: confirmed.gas_used,
            },
        })
    }
}

impl Posting {
    fn found(round: u64) -> Self {
        Self {
            round,
            transaction: [0; 32],
            block: 0,
            gas: 0,
        }
    }
}

/// The first signed round that isn't posted at home, if it was voided there.
async fn void(home: &SettlementClient, book: &Book) -> Result<Option<u64>, SettleError> {
    let Some(signed) = book.round(home.latest_round().await?.saturating_add(1)) else {
        return Ok(None);
    };
    let digest = signed.header.digest(&home.deployment().header_domain());
    Ok(home.is_voided(&digest).await?.then_some(signed.header.round))
}

/// The last round up to `most` that is active at home, at least `least`: later ones are never active before earlier ones.
async fn final_round(home: &SettlementClient, least: u64, most: u64) -> Result<u64, SettleError> {
    let (mut low, mut high) = (least, most.min(home.latest_round().await?).max(least));
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        match home.is_active(middle).await? {
            true => low = middle,
            false => high = middle - 1,
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use xfl_settlement::{
        chain::{deploy::Terms, embedded::EmbeddedChain, genesis},
        payout::PayoutKey,
    };

    use super::*;

    fn key() -> PayoutKey {
        PayoutKey::from_secret(&[7; 32]).unwrap()
    }

    fn site(connection: Connection) -> Site {
        let terms = Terms {
            federation: [5; 32],
            run: [0; 16],
            threshold: 1,
            embedded: true,
            per_round_cap: 10,
            activation_delay: 0,
            penalty: 1,
            token_name: "t".into(),
            token_symbol: "T".into(),
            supply: 10,
            funding: 10,
        };
        let plan = deploy::Plan::at(5_885, key().account(), None, terms).unwrap();
        Site::new(plan, 0, connection)
    }

    #[tokio::test]
    async fn after_a_failure_contracts_and_members_are_looked_at_again() {
        // Nothing listens there.
        let mut site = site(Connection::http("http://127.0.0.1:1", Some(&key())).unwrap());
        site.checked = true;
        site.admitted.insert(NodeId([1; 32]));
        site.pass(&Book::default(), None).await.unwrap_err();
        assert!(!site.checked && site.admitted.is_empty());
    }

    #[tokio::test]
    async fn contracts_that_nobody_used_are_told_from_others() {
        let beginning = genesis::Genesis {
            chain_id: 5_885,
            timestamp: 1_000,
            seeds: vec![genesis::Seed::coins(key().account(), 1_000)],
        };
        let chain = EmbeddedChain::ephemeral(beginning, std::sync::Arc::new(|| 2_000)).unwrap();
        let mut site = site(Connection::embedded(&chain, Some(&key())));
        site.prepare().await.unwrap();
        site.check_unused().await.unwrap();
        assert_eq!(site.void(&Book::default()).await.unwrap(), None);
    }
}
