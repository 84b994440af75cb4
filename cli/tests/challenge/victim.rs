//! A member that is the program itself, with nothing but what it is told over QUIC: it won't sign a lie, and what it keeps of it is enough to
//! have the liars slashed.

use xfl_core::{
    message::{Envelope, Order, Parcel, Report, Welcome},
    node::{
        keyfile,
        peer::{Event, Events, PeerEvent, Server, ServerLimits},
    },
    round::{Phase, aggregate::model_root},
    transcript::Head,
};

use super::*;

/// The member's place: it isn't one of the colluders.
const PLACE: usize = 3;

/// The liar's end of the line to its victim.
struct Line {
    server: Server,
    events: Events,
}

impl Line {
    fn listen(liar: &LyingCoordinator) -> Self {
        let victim = liar.ids()[PLACE];
        let address = "127.0.0.1:0".parse().unwrap();
        let limits = ServerLimits::for_messages_up_to(1 << 20);
        let (server, events) = Server::bind(address, liar.key.clone(), move |id| *id == victim, limits).unwrap();
        Self { server, events }
    }

    async fn event(&mut self) -> Event {
        let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        let PeerEvent { event, .. } = event.expect("nothing is heard of the member").unwrap();
        event
    }

    /// The member's next message.
    async fn hear(&mut self) -> Envelope {
        match self.event().await {
            Event::Message(bytes) => Parcel::decode(&bytes).unwrap().envelope,
            other => panic!("{other:?} instead of a message"),
        }
    }

    fn say(&self, liar: &LyingCoordinator, order: &Order, attachment: Vec<u8>) {
        let (round, attempt) = liar.rounds.position();
        let envelope = Envelope::seal(&liar.key, liar.rounds.beginning(), round, attempt, order);
        let parcel = Parcel { envelope, attachment };
        self.server.send(&liar.ids()[PLACE], parcel.encode()).unwrap();
    }

    /// Greets the member and has it train, commit and upload; its update and those of the others are in.
    async fn gather(&mut self, liar: &mut LyingCoordinator) {
        assert!(matches!(self.event().await, Event::Connected { .. }));
        let genesis = liar.rounds.genesis().clone();
        let welcome = Welcome {
            height: 1,
            genesis: postcard::to_stdvec(&genesis).unwrap(),
            seen: None,
        };
        self.say(liar, &Order::Welcome(welcome), Vec::new());
        let joined: Report = self.hear().await.open(genesis.beginning()).unwrap();
        assert!(matches!(joined, Report::Join(_)), "{joined:?}");

        liar.begin_round();
        let model = liar.rounds.model();
        let begin = Order::Begin {
            model: model_root(model),
            cohort: liar.ids(),
            scale: 1f64.to_bits(),
        };
        self.say(liar, &begin, model.iter().flat_map(|v| v.to_le_bytes()).collect());
        let commitment = self.hear().await;
        liar.commit(0..PLACE);
        liar.hear(PLACE, commitment);
        liar.close(Phase::Commit);
        let reveal = Order::Reveal {
            commitments: liar.commitments(),
            have: Vec::new(),
        };
        self.say(liar, &reveal, Vec::new());
        let update = self.hear().await;
        liar.upload(0..PLACE);
        liar.hear(PLACE, update);
        liar.close(Phase::Upload);
    }

    /// Tells the member a round that it won't sign; what its program says.
    async fn refused(&mut self, stage: &Stage, member: Child, lie: &Claimed) -> Value {
        let transcript = stage.liar.transcript_of(lie);
        let genesis = stage.liar.rounds.genesis().clone();
        let known = Head::START.append(&Entry::Genesis(Box::new(genesis))).0.len();
        let statement = Order::Statement {
            header: Box::new(lie.header),
            from: 1,
        };
        self.say(&stage.liar, &statement, transcript[known..].to_vec());
        let refused = finish(member, 5).await;
        let kept = stage.folder.path().join("member/refused.xfl");
        assert_eq!(fs::read(kept).unwrap(), transcript);
        let hint = refused["error"]["hint"].as_str().unwrap();
        assert!(
            hint.contains("member/refused.xfl") && hint.contains("challenge member --dry-run"),
            "{refused}"
        );
        loop {
            match self.event().await {
                Event::Message(bytes) => panic!("{bytes:?} after the lie"),
                Event::Closed(_) => return refused,
                Event::Connected { .. } => {}
            }
        }
    }
}

impl Stage {
    /// Starts the program as the member.
    fn join(&self, line: &Line) -> Child {
        let player = &self.liar.players[PLACE];
        keyfile::write(&self.folder.path().join("node.pem"), &player.key).unwrap();
        key_file(&self.folder.path().join("member.key"), &player.payout);
        let mut examples = (0..10).map(|i| format!("p{i},")).collect::<String>() + "y\n";
        for row in 0..40 {
            let value = |i: usize| format!("{}.5,", (row * 7 + i * 3) % 11);
            examples += &((0..10).map(value).collect::<String>() + ["a\n", "b\n"][row % 2]);
        }
        self.write("data.csv", examples.as_bytes());
        let (address, key) = (line.server.local_addr().unwrap(), self.liar.key.node_id());
        let files = "--key node.pem --payout-key member.key --data data.csv --dir member";
        self.start_alone(&format!(
            "join --coordinator {address} --coordinator-key {key} {files} --epsilon-limit 100"
        ))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_lied_to_signs_nothing_and_has_the_liars_slashed() {
    let mut stage = Stage::open("rule = \"median\"").await;
    let mut line = Line::listen(&stage.liar);
    let member = stage.join(&line);
    line.gather(&mut stage.liar).await;
    // Everything is as it should be but for one coordinate.
    let lie = wrong_coordinate(stage.liar.claimed((0..=PLACE).collect(), None));
    let refused = line.refused(&stage, member, &lie).await;
    assert!(
        refused["error"]["message"].to_string().contains("aggregate"),
        "{refused}"
    );

    // They post it all the same: three signatures are enough.
    stage.liar.lie(&lie).await;
    let mut running = stage.start("challenge member --payout-key payout.key --poll 1");
    shown(&stage, &lie, &mut running).await;
    let found = finish(running, 0).await;
    assert_eq!(functions(&found), [&["demandRow", "demandRow"][..], &PROVED].concat());
    told("wrong coordinate, by what a member refused", &found);
    slashed(&found, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_update_is_left_out_against_its_receipt_has_the_coordinator_slashed() {
    let mut stage = Stage::open("rule = \"median\"").await;
    let mut line = Line::listen(&stage.liar);
    let member = stage.join(&line);
    line.gather(&mut stage.liar).await;
    let held = stage.liar.receipt(PLACE);
    let receipt = Order::Receipt {
        root: held.receipt.commitment,
        signature: held.signature,
    };
    line.say(&stage.liar, &receipt, Vec::new());
    // A round of the others' updates, true in all else.
    let lie = stage.liar.claimed((0..PLACE).collect(), None);
    let refused = line.refused(&stage, member, &lie).await;
    assert!(
        refused["error"]["message"].to_string().contains("a receipt for"),
        "{refused}"
    );

    stage.liar.lie(&lie).await;
    let found = stage.run("challenge member --payout-key payout.key", 0).await;
    assert_eq!(functions(&found), ["proveOmission"], "{found}");
    told("dropped client, by what it kept", &found);
    slashed(&found, 1);
}
