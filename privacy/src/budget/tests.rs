use proptest::prelude::*;

use super::*;

fn limit() -> Limit {
    Limit {
        epsilon: Epsilon::new(8.0).unwrap(),
        delta: Delta::new(1e-5).unwrap(),
        per_federation: None,
    }
}

fn release(round: u64, rho: f64) -> Release {
    Release {
        federation: [7; 32],
        run: [1; 32],
        round,
        attempt: 0,
        unit: Unit::Record,
        relation: Relation::ZeroOut,
        loss: Loss::unsampled(Rho::new(rho).unwrap()),
    }
}

/// Charges as a shell would: append, then record.
fn charge(ledger: &mut Ledger, file: &mut Vec<u8>, release: &Release) -> Result<bool, ChargeError> {
    match ledger.charge(release)? {
        Charge::AlreadyCharged => Ok(false),
        Charge::New(pending) => {
            file.extend(pending.text().as_bytes());
            ledger.record(&pending).unwrap();
            Ok(true)
        }
    }
}

fn filled(charges: u64) -> (Ledger, Vec<u8>) {
    let (mut ledger, mut file) = (Ledger::new(limit()), Vec::new());
    for round in 0..charges {
        charge(&mut ledger, &mut file, &release(round, 0.1 + round as f64 * 0.001)).unwrap();
    }
    (ledger, file)
}

fn record_total(ledger: &Ledger) -> f64 {
    ledger.spent(Unit::Record, Relation::ZeroOut).rho().get()
}

#[test]
fn what_is_written_reads_back() {
    let (mut ledger, mut file) = filled(4);
    let other = Release {
        federation: [9; 32],
        unit: Unit::Institution,
        relation: Relation::Replace,
        ..release(1, 1e-300)
    };
    charge(&mut ledger, &mut file, &other).unwrap();
    let opened = Ledger::read(&file, limit()).unwrap();
    assert_eq!(
        opened,
        Opened {
            ledger: ledger.clone(),
            repair: Vec::new()
        }
    );
    assert_eq!(
        (ledger.lines(), ledger.federations().count(), ledger.totals().len()),
        (5, 2, 2)
    );
    assert_eq!(Ledger::read(b"", limit()).unwrap().ledger, Ledger::new(limit()));
}

#[test]
fn a_budget_of_an_earlier_version_says_so() {
    let old = b"{\"v\":1,\"rho\":0.1,\"unit\":\"record\"";
    assert_eq!(Ledger::read(old, limit()), Err(LedgerError::Earlier));
}

#[test]
fn the_format_is_pinned() {
    let (_, file) = filled(1);
    assert_eq!(
        std::str::from_utf8(&file).unwrap(),
        concat!(
            r#"{"v":2,"rho":0.1,"unit":"record","relation":"zero-out","#,
            r#""federation":"0707070707070707070707070707070707070707070707070707070707070707","#,
            r#""run":"0101010101010101010101010101010101010101010101010101010101010101","round":0,"attempt":0,"#,
            r#""prev":"0000000000000000000000000000000000000000000000000000000000000000","#,
            r#""hash":"3566114432829fcd139bc5faf8c396e88b71424b9e547b84d0512d6361419bfb"}"#,
            "\n"
        )
    );
}

#[test]
fn one_release_is_charged_once() {
    let (mut ledger, mut file) = filled(2);
    let before = record_total(&ledger);
    assert!(!charge(&mut ledger, &mut file, &release(1, 0.101)).unwrap());
    assert_eq!(record_total(&ledger), before);
    // Another attempt, run or federation is another release.
    assert!(
        charge(
            &mut ledger,
            &mut file,
            &Release {
                attempt: 1,
                ..release(1, 0.101)
            }
        )
        .unwrap()
    );
    assert!(
        charge(
            &mut ledger,
            &mut file,
            &Release {
                federation: [8; 32],
                ..release(1, 0.101)
            }
        )
        .unwrap()
    );
    let anew = Release {
        run: [2; 32],
        ..release(1, 0.101)
    };
    assert!(charge(&mut ledger, &mut file, &anew).unwrap());
    assert_eq!(ledger.latest_run(&[7; 32]), Some([2; 32]));
    let charged = [1, 2, 3].map(|run| ledger.charged([7; 32], [run; 32]));
    assert_eq!(charged, [3, 1, 0]);
    let went_on = |at| ledger.went_on([7; 32], [1; 32], at);
    assert!(went_on((0, 0)) && went_on((1, 0)) && !went_on((1, 1)) && !went_on((2, 0)));
    assert!((record_total(&ledger) - before - 0.303).abs() < 1e-12);
    // The same name with another loss is neither.
    let error = ledger.charge(&release(1, 0.05)).unwrap_err();
    assert!(
        matches!(
            error,
            ChargeError::Conflict {
                round: 1,
                attempt: 0,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn the_limit_holds_and_its_arithmetic_is_shown() {
    let (mut ledger, mut file) = (Ledger::new(limit()), Vec::new());
    let mut rounds = 0;
    let error = loop {
        match charge(&mut ledger, &mut file, &release(rounds, 0.125)) {
            Ok(_) => rounds += 1,
            Err(error) => break error,
        }
    };
    // Rho 1.125 is epsilon 7.62 at delta 1e-5; 1.25 is 8.08.
    assert_eq!(rounds, 9);
    let text = error.to_string();
    for part in [
        "rho 0.125",
        "unit record (zero-out)",
        "from rho 1.125",
        "to rho 1.25 (epsilon 8.0784)",
        "limit is epsilon 8",
    ] {
        assert!(text.contains(part), "{part} missing in: {text}");
    }
    // Less still fits, and another unit has its own total.
    assert!(charge(&mut ledger, &mut file, &release(rounds, 0.01)).unwrap());
    assert!(
        charge(
            &mut ledger,
            &mut file,
            &Release {
                unit: Unit::Institution,
                ..release(100, 0.125)
            }
        )
        .unwrap()
    );
    assert!(
        charge(
            &mut ledger,
            &mut file,
            &Release {
                relation: Relation::Replace,
                ..release(101, 0.125)
            }
        )
        .unwrap()
    );
    // Another federation learns about the same data: it shares the total.
    let other = Release {
        federation: [1; 32],
        ..release(0, 0.125)
    };
    assert!(matches!(ledger.charge(&other), Err(ChargeError::PastLimit { .. })));
    let bare = Release {
        loss: Loss::unsampled(Rho::INFINITE),
        ..release(200, 0.0)
    };
    assert!(matches!(ledger.charge(&bare), Err(ChargeError::NoNoise { .. })));
}

#[test]
fn one_federation_alone_has_a_limit_of_its_own() {
    let own = Epsilon::new(4.0).unwrap();
    let limit = Limit {
        per_federation: Some(own),
        ..limit()
    };
    let (mut ledger, mut file) = (Ledger::new(limit), Vec::new());
    let rho = crate::accounting::largest_rho(own, limit.delta).get() / 3.0;
    for round in 0..2 {
        charge(&mut ledger, &mut file, &release(round, rho * 1.4)).unwrap();
    }
    let third = release(2, rho * 1.4);
    let refused = ledger.charge(&third).unwrap_err();
    assert!(
        matches!(&refused, ChargeError::PastLimit { scope: Scope::Federation, limit, .. } if *limit == own),
        "{refused}"
    );
    let elsewhere = Release {
        federation: [8; 32],
        ..third
    };
    charge(&mut ledger, &mut file, &elsewhere).unwrap();
    let spent = ledger.spent_by([8; 32], Unit::Record, Relation::ZeroOut);
    assert_eq!(spent.rho().get(), rho * 1.4);
    assert_eq!(ledger.releases().count(), 3);
}

#[test]
fn a_line_made_for_another_state_is_stale() {
    let (mut ledger, _) = filled(1);
    let Charge::New(one) = ledger.charge(&release(5, 0.1)).unwrap() else {
        panic!()
    };
    let Charge::New(two) = ledger.charge(&release(6, 0.1)).unwrap() else {
        panic!()
    };
    ledger.record(&one).unwrap();
    assert_eq!(ledger.record(&two), Err(LedgerError::Stale));
    assert_eq!(ledger.record(&one), Err(LedgerError::Stale));
}

#[test]
fn lines_can_be_neither_swapped_nor_dropped_nor_repeated() {
    let (_, file) = filled(4);
    let lines: Vec<&[u8]> = file.split_inclusive(|&byte| byte == b'\n').collect();
    for (order, line) in [
        (&[0, 2, 1, 3][..], 2),
        (&[1, 2, 3], 1),
        (&[0, 2, 3], 2),
        (&[0, 1, 1, 2, 3], 3),
    ] {
        let changed: Vec<u8> = order.iter().flat_map(|&i| lines[i]).copied().collect();
        let error = Ledger::read(&changed, limit()).unwrap_err();
        assert!(
            matches!(error, LedgerError::Damaged { line: at, .. } if at == line),
            "{order:?}: {error}"
        );
    }
}

/// A power failure while the fourth line is appended, at every byte of it: the three before it stand, the fourth is charged, and the
/// repaired file reads back to the same ledger. So does a power failure at every byte of the repair.
#[test]
fn a_torn_line_is_over_charged_and_never_forgotten() {
    let (before, three) = filled(3);
    let (after, four) = filled(4);
    for cut in three.len() + 1..four.len() {
        let opened = Ledger::read(&four[..cut], limit()).unwrap();
        assert!(!opened.repair.is_empty());
        // 0.103 was asked for; until its digits are complete, the largest before it (0.102) is charged.
        let charged = record_total(&opened.ledger) - record_total(&before);
        assert!(charged > 0.1019, "cut at {cut}: {charged}");
        if cut == four.len() - 1 {
            assert_eq!(opened.ledger, after);
        }
        for repaired in 0..=opened.repair.len() {
            let bytes = [&four[..cut], &opened.repair[..repaired]].concat();
            let again = Ledger::read(&bytes, limit()).unwrap();
            assert!(
                record_total(&again.ledger) >= record_total(&opened.ledger),
                "cut at {cut}, repair at {repaired}"
            );
            let whole = Ledger::read(&[bytes, again.repair.clone()].concat(), limit()).unwrap();
            assert_eq!(
                whole,
                Opened {
                    ledger: again.ledger,
                    repair: Vec::new()
                },
                "cut at {cut}, repair at {repaired}"
            );
        }
    }
}

#[test]
fn a_torn_line_counts_against_every_unit_and_relation() {
    let (_, file) = filled(2);
    let opened = Ledger::read(&[&file, &b"\0\0\0\0"[..]].concat(), limit()).unwrap();
    assert_eq!(opened.ledger.torn().rho().get(), 0.101);
    assert_eq!(
        opened.ledger.spent(Unit::Institution, Relation::Replace).rho().get(),
        0.101
    );
}

#[test]
fn a_repaired_ledger_goes_on() {
    let (_, file) = filled(2);
    let mut file = [&file, &b"{\"v\":2,\"rho\":0.2,\"un"[..]].concat();
    let opened = Ledger::read(&file, limit()).unwrap();
    file.extend(&opened.repair);
    let mut ledger = opened.ledger;
    charge(&mut ledger, &mut file, &release(50, 0.1)).unwrap();
    assert_eq!(Ledger::read(&file, limit()).unwrap().ledger, ledger);
    assert_eq!(ledger.torn().rho().get(), 0.2);
    // What was torn can't be taken out afterwards.
    let text = String::from_utf8(file).unwrap();
    let without = text.replace("{\"v\":2,\"rho\":0.2,\"un\u{18}\n", "");
    assert!(matches!(
        Ledger::read(without.as_bytes(), limit()),
        Err(LedgerError::Damaged { line: 3, .. })
    ));
    let changed = text.replace("0.2,\"un\u{18}", "0.1,\"un\u{18}");
    assert!(matches!(
        Ledger::read(changed.as_bytes(), limit()),
        Err(LedgerError::Damaged { line: 3, .. })
    ));
}

proptest! {
    /// Any byte of a ledger with a repair in it, changed to any other: the line is named, or (at the very end, where it looks like a
    /// crash) no less is charged than before.
    #[test]
    fn any_changed_byte_is_found(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let (_, mut file) = filled(2);
        file.extend(b"{\"v\":2,\"rho\":0.2,\"un");
        let opened = Ledger::read(&file, limit()).unwrap();
        file.extend(&opened.repair);
        let mut ledger = opened.ledger;
        charge(&mut ledger, &mut file, &release(50, 0.1)).unwrap();

        let at = at.index(file.len());
        file[at] ^= flip;
        let line = file[..at].iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
        match Ledger::read(&file, limit()) {
            // Breaking a line's end damages it or the one that starts there.
            Err(LedgerError::Damaged { line: named, .. }) => prop_assert!(named <= line + 1 && named + 1 >= line, "{named} {line}"),
            Err(error) => prop_assert!(false, "{error}"),
            Ok(opened) => {
                prop_assert!(at + 2 >= file.len(), "change at {at} of {} went unnoticed", file.len());
                prop_assert!(!opened.repair.is_empty());
                prop_assert!(record_total(&opened.ledger) >= record_total(&ledger));
            }
        }
    }

    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(0x18), any::<u8>()], 0..200)) {
        let _ = Ledger::read(&bytes, limit());
    }
}

/// A hundred releases of ten steps at rate 0.01 and noise 1: about epsilon 2.1, where rho alone would say 100.
#[test]
fn sampled_steps_are_amplified_and_read_back() {
    use crate::accounting::{Accountant, Sampled};
    use crate::parameter::{NoiseMultiplier, SampleRate};
    let loss = Loss::sampled(
        Rho::new(5.0).unwrap(),
        Sampled {
            noise: NoiseMultiplier::new(1.0).unwrap(),
            rate: SampleRate::new(0.01).unwrap(),
            steps: 10,
        },
    );
    let (mut ledger, mut file) = (Ledger::new(limit()), Vec::new());
    for round in 0..100 {
        charge(
            &mut ledger,
            &mut file,
            &Release {
                loss,
                ..release(round, 0.0)
            },
        )
        .unwrap();
    }
    let [guarantee] = ledger.totals()[..] else {
        panic!("one unit and relation")
    };
    assert_eq!((guarantee.accountant, guarantee.rho.get()), (Accountant::Pld, 500.0));
    assert!(
        guarantee.epsilon.get() > 1.5 && guarantee.epsilon.get() < 3.0,
        "{guarantee}"
    );
    assert_eq!(ledger.charged([7; 32], [1; 32]), 100);
    assert_eq!(ledger.charged([8; 32], [1; 32]), 0);
    let opened = Ledger::read(&file, limit()).unwrap();
    assert_eq!(opened.ledger, ledger);
    assert!(opened.repair.is_empty());
    // Cut short after its numbers a line is charged as it was, within them without amplification.
    let last = file[..file.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    let cut = |length: usize| Ledger::read(&file[..last + length], limit()).unwrap().ledger;
    let whole = cut(60);
    assert_eq!(
        (whole.torn().rho().get(), whole.torn().accountant()),
        (5.0, Accountant::Pld)
    );
    assert_eq!(
        whole.spent(Unit::Record, Relation::ZeroOut).epsilon(limit().delta),
        guarantee.epsilon
    );
    assert_eq!(
        (cut(30).torn().rho().get(), cut(30).torn().accountant()),
        (5.0, Accountant::Zcdp)
    );
    // A number that was changed shows.
    let changed = String::from_utf8(file)
        .unwrap()
        .replacen("\"steps\":10", "\"steps\":1", 1);
    assert!(matches!(
        Ledger::read(changed.as_bytes(), limit()),
        Err(LedgerError::Damaged { line: 1, .. })
    ));
}

/// A file rolled back to an earlier state doesn't know the heads it had since: what receipts are compared with.
#[test]
fn a_rollback_shows_against_a_head_seen_elsewhere() {
    let (ledger, file) = filled(3);
    let lines: Vec<&[u8]> = file.split_inclusive(|&byte| byte == b'\n').collect();
    let rolled = Ledger::read(lines[0], limit()).unwrap().ledger;
    assert!(ledger.knows(&rolled.head()) && ledger.knows(&[0; 32]) && rolled.knows(&[0; 32]));
    assert!(!rolled.knows(&ledger.head()) && !ledger.knows(&[1; 32]));
}
