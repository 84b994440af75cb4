//! Opening a run: what the journal holds is replayed; without a journal, contracts are deployed and a beginning is signed.

use xfl_settlement::chain::{client::SettlementClient, connect::Connection, server::ServerHandle};

use super::{CoordinateError, Event, Setup, files::Files};
use crate::{
    identity::NodeId,
    identity::Signature,
    message::encode,
    node::{
        entropy,
        journal::{Journal, shares_key},
        settle::{self, ChainChoice},
    },
    round::{Phase, Rounds},
    train::held_out,
    transcript::{Entry, Genesis, Head, Reader},
};

pub(super) struct Opened {
    pub(super) journal: Journal,
    pub(super) rounds: Rounds,
    pub(super) kept: Vec<(NodeId, Vec<u8>)>,
    pub(super) client: SettlementClient,
    pub(super) chain: Option<ServerHandle>,
    pub(super) files: Files,
}

pub(super) async fn open(setup: &Setup, tell: &mut impl FnMut(Event)) -> Result<Opened, CoordinateError> {
    let io = |source| CoordinateError::File {
        path: setup.dir.clone(),
        source,
    };
    crate::node::private_dir(&setup.dir).map_err(io)?;
    let mut journal = Journal::open(&setup.dir.join("journal.redb"))?;
    let (connection, chain) = connect(setup, tell).await?;
    let records = journal.records()?;
    let rounds = if records.is_empty() {
        let rounds = begin(setup, &connection).await?;
        let frame = Head::START
            .append(&Entry::Genesis(Box::new(rounds.genesis().clone())))
            .0;
        journal.append(&frame)?;
        rounds
    } else {
        let rounds = replay(&records.concat())?;
        same_federation(setup, &rounds)?;
        tell(Event::Resumed {
            round: rounds.position().0,
            phase: rounds.phase(),
            finished: rounds.finished(),
        });
        rounds
    };
    let mut kept = Vec::new();
    if matches!(rounds.phase(), Phase::Deal | Phase::Mask) {
        for member in rounds.cohort() {
            if let Some(sealed) = journal.kept(&shares_key(rounds.position(), member))? {
                kept.push((*member, sealed));
            }
        }
    }
    let deployment = settle::deployment(rounds.plan(), &rounds.genesis().contracts);
    let client = SettlementClient::connect(connection, deployment)
        .await
        .map_err(settle::SettleError::from)?;
    let files = Files::open(&setup.dir, &journal.records()?)?;
    Ok(Opened {
        journal,
        rounds,
        kept,
        client,
        chain,
        files,
    })
}

async fn connect(
    setup: &Setup,
    tell: &mut impl FnMut(Event),
) -> Result<(Connection, Option<ServerHandle>), CoordinateError> {
    match &setup.chain {
        ChainChoice::Rpc(url) => Ok((settle::connect(url, Some(&setup.payout))?, None)),
        ChainChoice::Embedded => {
            let chain = settle::embedded(&setup.dir, setup.payout.account()).map_err(settle::SettleError::from)?;
            let io = |source| CoordinateError::File {
                path: format!("rpc address {}", setup.rpc_listen).into(),
                source,
            };
            let listener = tokio::net::TcpListener::bind(setup.rpc_listen).await.map_err(io)?;
            let server = xfl_settlement::chain::server::serve(listener, chain.clone()).map_err(io)?;
            tell(Event::Chain { url: server.url() });
            Ok((Connection::embedded(&chain, Some(&setup.payout)), Some(server)))
        }
    }
}

async fn begin(setup: &Setup, connection: &Connection) -> Result<Rounds, CoordinateError> {
    let embedded = setup.chain == ChainChoice::Embedded;
    setup.plan.check(setup.model.len(), setup.members.len())?;
    let held_out = match &setup.held_out {
        None => None,
        Some((_, bytes)) => {
            let salt = held_out_salt(setup)?;
            Some(held_out::commitment(&salt, bytes))
        }
    };
    let contracts = settle::deploy(connection, &setup.plan, &setup.dir, embedded).await?;
    let mut members = setup.members.clone();
    members.sort();
    let genesis = Genesis {
        plan: setup.plan.text().to_owned(),
        members,
        model: setup.model.clone(),
        held_out,
        contracts,
        at: entropy::now(),
        signature: Signature([0; 64]),
    };
    Ok(Rounds::begin(genesis.sign(&setup.key))?)
}

/// The salt of the held-out commitment, drawn once and kept for the auditor beside the data.
fn held_out_salt(setup: &Setup) -> Result<[u8; 32], CoordinateError> {
    let path = setup.dir.join("held-out.salt");
    let fail = |source| CoordinateError::File {
        path: path.clone(),
        source,
    };
    match std::fs::read(&path) {
        Ok(bytes) => bytes
            .try_into()
            .map_err(|_| fail(std::io::Error::other("expected 32 bytes"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let salt = *entropy::bytes().map_err(fail)?;
            std::fs::write(&path, salt).map_err(fail)?;
            crate::node::private(&path).map_err(fail)?;
            Ok(salt)
        }
        Err(error) => Err(fail(error)),
    }
}

fn replay(transcript: &[u8]) -> Result<Rounds, CoordinateError> {
    let mut reader = Reader::new(transcript);
    let mut rounds = match reader.next()? {
        Some(Entry::Genesis(genesis)) => Rounds::begin(*genesis)?,
        _ => {
            return Err(CoordinateError::OtherFederation(
                "the journal doesn't begin with a plan".into(),
            ));
        }
    };
    while let Some(entry) = reader.next()? {
        rounds.apply(&entry, None)?;
    }
    Ok(rounds)
}

fn same_federation(setup: &Setup, rounds: &Rounds) -> Result<(), CoordinateError> {
    let genesis = rounds.genesis();
    if genesis.plan != setup.plan.text() {
        let what = "federation.toml changed since this run began; restore it, or begin a new run with another --dir";
        return Err(CoordinateError::OtherFederation(what.into()));
    }
    let mut members = setup.members.clone();
    members.sort();
    if encode(&members) != encode(&genesis.members) {
        let what = "the members changed since this run began; restore the list, or begin a new run with another --dir";
        return Err(CoordinateError::OtherFederation(what.into()));
    }
    Ok(())
}
