//! Opening a run: what the journal holds is replayed; without a journal, contracts are deployed and a beginning is signed.

use xfl_settlement::chain::{connect::Connection, server::ServerHandle};

use super::{CoordinateError, Event, Setup, files::Files};
use crate::{
    identity::NodeId,
    identity::Signature,
    message::encode,
    node::{
        entropy,
        journal::{Journal, shares_key},
        settle::{self, Book, ChainChoice, Endpoints, SettleError, Site},
    },
    round::{Phase, Rounds},
    train::held_out,
    transcript::{Contracts, Entry, Genesis, Head},
};

pub(super) struct Opened {
    pub(super) journal: Journal,
    pub(super) rounds: Rounds,
    pub(super) kept: Vec<(NodeId, Vec<u8>)>,
    /// The home chain's first.
    pub(super) sites: Vec<Site>,
    pub(super) book: Book,
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
    let mut lines = Lines::new(setup)?;
    let chain = lines.embedded(setup, tell).await?;
    let records = journal.records()?;
    let (book, rounds) = if records.is_empty() {
        let rounds = begin(setup, &mut lines).await?;
        let frame = Head::START
            .append(&Entry::Genesis(Box::new(rounds.genesis().clone())))
            .0;
        journal.append(&frame)?;
        (Book::default(), rounds)
    } else {
        let (book, rounds) = replay(&records.concat())?;
        same_federation(setup, &rounds)?;
        tell(Event::Resumed {
            round: rounds.position().0,
            phase: rounds.phase(),
            finished: rounds.finished(),
        });
        (book, rounds)
    };
    let mut kept = Vec::new();
    if matches!(rounds.phase(), Phase::Deal | Phase::Mask) {
        for member in rounds.cohort() {
            if let Some(sealed) = journal.kept(&shares_key(rounds.position(), member))? {
                kept.push((*member, sealed));
            }
        }
    }
    let mut sites = sites(setup, &rounds, &mut lines).await?;
    if let Some(home) = sites.first_mut() {
        home.prepare().await?;
        if let Some(round) = home.void(&book).await? {
            let chain_id = home.chain_id();
            return Err(CoordinateError::Voided { round, chain_id });
        }
    }
    if lines.news {
        lines.remembered.write(&setup.dir).map_err(SettleError::from)?;
    }
    let files = Files::open(&setup.dir, &journal.records()?)?;
    Ok(Opened {
        journal,
        rounds,
        kept,
        sites,
        book,
        chain,
        files,
    })
}

/// The ways to the federation's chains.
struct Lines {
    /// As the run's directory has them.
    remembered: Endpoints,
    /// Whether there is anything in it that the file doesn't have.
    news: bool,
    /// The same, and what is written beside the plan.
    known: Endpoints,
    embedded: Option<Connection>,
}

impl Lines {
    fn new(setup: &Setup) -> Result<Self, SettleError> {
        let remembered = Endpoints::read(&setup.dir)?;
        Ok(Self {
            known: remembered.clone().or(&setup.endpoints),
            remembered,
            news: false,
            embedded: None,
        })
    }

    /// Opens and serves the embedded chain, if it is one of the federation's.
    async fn embedded(
        &mut self,
        setup: &Setup,
        tell: &mut impl FnMut(Event),
    ) -> Result<Option<ServerHandle>, CoordinateError> {
        if !std::iter::once(&setup.chain)
            .chain(&setup.mirrors)
            .any(|choice| *choice == ChainChoice::Embedded)
        {
            return Ok(None);
        }
        let chain = settle::embedded(&setup.dir, setup.payout.account()).map_err(SettleError::from)?;
        let io = |source| CoordinateError::File {
            path: format!("rpc address {}", setup.rpc_listen).into(),
            source,
        };
        let listener = tokio::net::TcpListener::bind(setup.rpc_listen).await.map_err(io)?;
        let server = xfl_settlement::chain::server::serve(listener, chain.clone()).map_err(io)?;
        tell(Event::Chain { url: server.url() });
        self.embedded = Some(Connection::embedded(&chain, Some(&setup.payout)));
        Ok(Some(server))
    }

    /// The id of a chain: as given, as remembered, or as it says.
    async fn id(&mut self, choice: &ChainChoice) -> Result<u64, CoordinateError> {
        let (id, urls) = match choice {
            ChainChoice::Embedded => return Ok(settle::EMBEDDED_CHAIN_ID),
            ChainChoice::Known(id) => {
                let known = self.known.of(*id).ok_or(SettleError::Unreached { chain_id: *id })?;
                (*id, known.urls)
            }
            ChainChoice::Rpc(endpoint) => {
                let known = endpoint.chain_id.or_else(|| self.known.id_of(&endpoint.urls));
                let id = match known {
                    Some(id) => id,
                    None => endpoint.id().await?,
                };
                (id, endpoint.urls.clone())
            }
        };
        self.news |= self.remembered.remember(id, urls.clone());
        self.known.put(id, urls);
        Ok(id)
    }

    /// A connection to a chain of the beginning; none where nobody said how it is reached.
    fn to(&self, setup: &Setup, chain: &Contracts) -> Result<Option<Connection>, CoordinateError> {
        if chain.chain_id == settle::EMBEDDED_CHAIN_ID
            && let Some(embedded) = &self.embedded
        {
            return Ok(Some(embedded.clone()));
        }
        let Some(endpoint) = self.known.of(chain.chain_id) else {
            return Ok(None);
        };
        let connection = settle::connect(&endpoint, Some(&setup.payout))?;
        Ok(Some(connection.with_confirmations(setup.confirmations)))
    }
}

/// A site for each chain of the beginning. The home chain must be the one that was named now.
async fn sites(setup: &Setup, rounds: &Rounds, lines: &mut Lines) -> Result<Vec<Site>, CoordinateError> {
    let (plan, genesis) = (rounds.plan(), rounds.genesis());
    let mut named = vec![lines.id(&setup.chain).await?];
    for mirror in &setup.mirrors {
        named.push(lines.id(mirror).await?);
    }
    if named.first() != Some(&genesis.contracts.chain_id) {
        return Err(CoordinateError::OtherFederation(format!(
            "this run's home chain is {}, not the one of --chain; name its url with --chain, or begin a new run in another --dir",
            genesis.contracts.chain_id
        )));
    }
    if let Some(stranger) = named
        .iter()
        .find(|id| genesis.chains().all(|chain| chain.chain_id != **id))
    {
        return Err(CoordinateError::OtherFederation(format!(
            "chain {stranger} is none of this run's; a federation's chains are fixed when it begins: begin a new run in another --dir"
        )));
    }
    let mut sites = Vec::new();
    for (place, chain) in genesis.chains().enumerate() {
        let Some(connection) = lines.to(setup, chain)? else {
            tracing::warn!(chain_id = chain.chain_id, "no url is known; name one with --mirror");
            continue;
        };
        let steps = settle::deployment_plan(plan, genesis, chain)?;
        let site = Site::new(steps, place, connection);
        sites.push(match chain.embedded {
            true => site,
            false => site.with_memory(settle::events_file(&setup.dir, chain.chain_id)),
        });
    }
    Ok(sites)
}

/// Deploys and signs a beginning. Contracts that somebody used are refused: the run's salt was copied, or its journal is lost. A mirror that doesn't answer and whose id is given is deployed to
/// later.
async fn begin(setup: &Setup, lines: &mut Lines) -> Result<Rounds, CoordinateError> {
    setup.plan.check(setup.model.len(), setup.members.len())?;
    let held_out = match &setup.held_out {
        None => None,
        Some((_, bytes)) => {
            let salt = held_out_salt(setup)?;
            Some(held_out::commitment(&salt, bytes))
        }
    };
    let run = settle::run_salt(&setup.dir, || {
        let drawn = entropy::bytes()?;
        Ok(std::array::from_fn(|i| drawn[i]))
    });
    let run = run.map_err(|source| CoordinateError::File {
        path: setup.dir.clone(),
        source,
    })?;
    let mut chains = Vec::new();
    let mut home = None;
    for choice in std::iter::once(&setup.chain).chain(&setup.mirrors) {
        let id = lines.id(choice).await?;
        let embedded = *choice == ChainChoice::Embedded;
        let contracts = settle::contracts(&setup.plan, &run, setup.payout.account(), id, embedded, home)?;
        home = home.or(Some(xfl_settlement::chain::deploy::Home {
            chain_id: id,
            rounds: contracts.rounds,
        }));
        chains.push(contracts);
    }
    let mut members = setup.members.clone();
    members.sort();
    let mirrors = chains.split_off(1);
    let genesis = Genesis {
        plan: setup.plan.text().to_owned(),
        members,
        model: setup.model.clone(),
        held_out,
        run,
        contracts: chains[0],
        mirrors,
        at: entropy::now(),
        signature: Signature([0; 64]),
    };
    let rounds = Rounds::begin(genesis.sign(&setup.key))?;
    for mut site in sites(setup, &rounds, lines).await? {
        let answers = site.client().connection().chain_id().await;
        if site.is_home() || answers.is_ok() {
            site.prepare().await?;
            site.check_unused().await?;
        }
    }
    Ok(rounds)
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

fn replay(transcript: &[u8]) -> Result<(Book, Rounds), CoordinateError> {
    use settle::book::BookError;
    Book::read(transcript).map_err(|error| match error {
        BookError::Transcript(error) => error.into(),
        BookError::Round(error) => error.into(),
        BookError::NoBeginning => CoordinateError::OtherFederation("the journal doesn't begin with a plan".into()),
    })
}

fn same_federation(setup: &Setup, rounds: &Rounds) -> Result<(), CoordinateError> {
    let genesis = rounds.genesis();
    if genesis.plan != setup.plan.text() {
        let what = "federation.toml changed since this run began; restore it, or begin a new run in another --dir";
        return Err(CoordinateError::OtherFederation(what.into()));
    }
    if setup.payout.account() != genesis.contracts.coordinator {
        let what = "the payout key isn't the one that this run's contracts know as the coordinator's; \
                    name that one with --payout-key, or begin a new run in another --dir";
        return Err(CoordinateError::OtherFederation(what.into()));
    }
    let mut members = setup.members.clone();
    members.sort();
    if encode(&members) != encode(&genesis.members) {
        let what = "the members changed since this run began; restore the list, or begin a new run in another --dir";
        return Err(CoordinateError::OtherFederation(what.into()));
    }
    Ok(())
}
