//! How examples are dealt out to clients: sorted by label, or partly so.
//!
//! [`sorted_by_label`] orders the examples by class and cuts them into as many consecutive pieces as there are clients, so
//! that each has one or two classes: the heterogeneous split of Karimireddy, He and Jaggi (ICLR 2022). [`similar`] deals
//! a share gamma out at random and the rest sorted by label (Karimireddy et al., SCAFFOLD, ICML 2020; ByzFL's
//! `gamma_similarity_niid`): gamma = 1 is alike everywhere, gamma = 0 is sorted.
//!
//! Every example goes to exactly one client. Pieces of one order differ in length by at most one, the longer ones first.

use thiserror::Error;
use xfl_core::seed::Stream;
use xfl_core::train::{Data, Target};

/// Why examples can't be dealt out.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub(crate) enum DealError {
    /// Nobody to deal to, or too little to deal.
    #[error("expected at least one client and an example for each, got {clients} clients and {examples} examples")]
    Clients { clients: usize, examples: usize },
    /// Gamma is no share.
    #[error("gamma: expected a share from 0 to 1, got {0}")]
    Gamma(f64),
    /// There is no label to sort by.
    #[error("example {0}: expected a class, got a number")]
    NotAClass(usize),
}

/// Consecutive pieces of the examples `rows` in the order of their classes; equal classes stay in the order given.
///
/// # Errors
/// Where there are fewer examples than clients, no client, or no class.
pub(crate) fn sorted_by_label(data: &dyn Data, rows: &[usize], clients: usize) -> Result<Vec<Vec<usize>>, DealError> {
    enough(rows.len(), clients)?;
    Ok(pieces(by_label(data, rows)?, clients))
}

/// A share `gamma` of the examples `rows`, rounded down, dealt out in a random order, the rest sorted by label.
///
/// # Errors
/// As [`sorted_by_label`], and where gamma is no share.
pub(crate) fn similar(
    data: &dyn Data,
    rows: &[usize],
    clients: usize,
    gamma: f64,
    stream: &mut Stream,
) -> Result<Vec<Vec<usize>>, DealError> {
    if !(0.0..=1.0).contains(&gamma) {
        return Err(DealError::Gamma(gamma));
    }
    enough(rows.len(), clients)?;
    let mut shuffled = rows.to_vec();
    stream.shuffle(&mut shuffled);
    let alike = (rows.len() as f64 * gamma) as usize;
    let sorted = by_label(data, &shuffled[alike..])?;
    shuffled.truncate(alike);
    let mut dealt = pieces(shuffled, clients);
    for (own, more) in dealt.iter_mut().zip(pieces(sorted, clients)) {
        own.extend(more);
    }
    // Both parts may be shorter than the number of clients.
    match dealt.iter().any(Vec::is_empty) {
        true => Err(DealError::Clients {
            clients,
            examples: rows.len(),
        }),
        false => Ok(dealt),
    }
}

fn enough(examples: usize, clients: usize) -> Result<(), DealError> {
    match clients == 0 || examples < clients {
        true => Err(DealError::Clients { clients, examples }),
        false => Ok(()),
    }
}

fn by_label(data: &dyn Data, rows: &[usize]) -> Result<Vec<usize>, DealError> {
    let keyed = rows.iter().map(|&row| match data.target(row) {
        Target::Class(class) => Ok((class, row)),
        Target::Value(_) => Err(DealError::NotAClass(row)),
    });
    let mut keyed = keyed.collect::<Result<Vec<_>, _>>()?;
    keyed.sort_by_key(|&(class, _)| class);
    Ok(keyed.into_iter().map(|(_, row)| row).collect())
}

fn pieces(rows: Vec<usize>, clients: usize) -> Vec<Vec<usize>> {
    let (least, longer) = (rows.len() / clients, rows.len() % clients);
    let mut rest = rows.into_iter();
    let sizes = (0..clients).map(|client| least + usize::from(client < longer));
    sizes.map(|size| rest.by_ref().take(size).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use xfl_core::seed::Seed;
    use xfl_core::train::Table;

    fn table(classes: &[usize]) -> Table {
        let targets: Vec<Target> = classes.iter().map(|&class| Target::Class(class)).collect();
        Table::new(1, vec![0.0; classes.len()], targets).unwrap()
    }

    fn classes_of(data: &Table, rows: &[usize]) -> BTreeSet<usize> {
        let class = |&row: &usize| match data.target(row) {
            Target::Class(class) => class,
            Target::Value(_) => unreachable!("only classes here"),
        };
        rows.iter().map(class).collect()
    }

    #[test]
    fn sorted_clients_have_one_or_two_classes() {
        let classes: Vec<usize> = (0..200).map(|i| (i * 7) % 10).collect();
        let data = table(&classes);
        let rows: Vec<usize> = (0..200).collect();
        let dealt = sorted_by_label(&data, &rows, 20).unwrap();
        // Ten classes of 20 among twenty clients: each has ten examples of one class.
        for (client, own) in dealt.iter().enumerate() {
            assert_eq!((own.len(), classes_of(&data, own)), (10, BTreeSet::from([client / 2])));
        }
        let uneven = sorted_by_label(&data, &rows, 7).unwrap();
        assert_eq!(
            uneven.iter().map(Vec::len).collect::<Vec<_>>(),
            [29, 29, 29, 29, 28, 28, 28]
        );
    }

    #[test]
    fn a_share_gamma_is_alike_everywhere() {
        let classes: Vec<usize> = (0..10_000).map(|i| (i * 3) % 10).collect();
        let data = table(&classes);
        let rows: Vec<usize> = (0..10_000).collect();
        for (gamma, own_class) in [(1.0, 0.1), (0.33, 0.67 + 0.033), (0.0, 1.0)] {
            let dealt = similar(&data, &rows, 10, gamma, &mut Seed::from_number(1).stream()).unwrap();
            for (client, own) in dealt.iter().enumerate() {
                let mine = own.iter().filter(|&&row| classes[row] == client).count() as f64 / own.len() as f64;
                assert!((mine - own_class).abs() < 0.05, "gamma {gamma} client {client}: {mine}");
            }
        }
    }

    #[test]
    fn impossible_deals_are_refused() {
        let data = table(&[0, 1, 2]);
        let mut stream = Seed::from_number(1).stream();
        assert!(matches!(
            sorted_by_label(&data, &[0, 1], 3),
            Err(DealError::Clients { .. })
        ));
        assert!(sorted_by_label(&data, &[], 0).is_err());
        for gamma in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(matches!(
                similar(&data, &[0, 1, 2], 1, gamma, &mut stream),
                Err(DealError::Gamma(_))
            ));
        }
        let value = Table::new(1, vec![0.0], vec![Target::Value(1.0)]).unwrap();
        assert_eq!(sorted_by_label(&value, &[0], 1), Err(DealError::NotAClass(0)));
    }

    proptest! {
        #[test]
        fn every_example_goes_to_one_client(
            classes in prop::collection::vec(0_usize..10, 1..300), clients in 1_usize..30, gamma in 0.0..=1.0_f64, number: u64,
        ) {
            let data = table(&classes);
            let rows: Vec<usize> = (0..classes.len()).collect();
            let mut stream = Seed::from_number(number).stream();
            for dealt in [sorted_by_label(&data, &rows, clients), similar(&data, &rows, clients, gamma, &mut stream)] {
                let Ok(dealt) = dealt else {
                    prop_assert!(classes.len() < 2 * clients);
                    continue;
                };
                prop_assert_eq!(dealt.len(), clients);
                prop_assert!(dealt.iter().all(|own| !own.is_empty()));
                let mut all: Vec<usize> = dealt.into_iter().flatten().collect();
                all.sort_unstable();
                prop_assert_eq!(&all, &rows);
            }
        }
    }
}
