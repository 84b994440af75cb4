//! What each way is run with, chosen by hand on these very data: see README.md. The choice is not charged to any budget.

use xfl_privacy::{Mode, Unit};

use crate::way::{Recipe, Way};

/// A round over all records at once: where a round charges every record anyway, a full batch has the most signal for it.
const RECORD: Recipe = Recipe {
    rounds: 16,
    batch_share: 1.0,
    clip: 1.0,
    learning_rate: 1.0,
    server_learning_rate: 2.0,
    local: 1,
    clip_quantile: None,
};

/// One round of local training: what an institution may say once, it says with as little noise as possible.
const INSTITUTION: Recipe = Recipe {
    rounds: 1,
    batch_share: 0.25,
    clip: 0.5,
    learning_rate: 0.1,
    server_learning_rate: 1.0,
    local: 8,
    clip_quantile: None,
};

/// Breast Cancer: 5 hospitals, 31 parameters.
pub(super) fn patients(way: Way) -> Recipe {
    match (way.unit, way.mode) {
        (Unit::Record, Mode::DpSgd) => Recipe {
            batch_share: 0.25,
            learning_rate: 0.5,
            local: 4,
            server_learning_rate: 1.0,
            ..RECORD
        },
        // Sixteen passes in batches of a third.
        (Unit::Record, Mode::DpFtrl) => Recipe {
            rounds: 48,
            batch_share: 0.33,
            server_learning_rate: 0.7,
            ..RECORD
        },
        (unit, mode) => Recipe {
            clip_quantile: (mode == Mode::Central).then_some(0.5),
            ..if unit == Unit::Record { RECORD } else { INSTITUTION }
        },
    }
}

/// MNIST: 100 institutions, 1,970 parameters.
pub(super) fn digits(way: Way) -> Recipe {
    match (way.unit, way.mode) {
        (Unit::Record, Mode::DpSgd) => Recipe {
            rounds: 4,
            batch_share: 0.2,
            learning_rate: 4.0,
            local: 5,
            server_learning_rate: 1.0,
            ..RECORD
        },
        // Ten passes in batches of half.
        (Unit::Record, Mode::DpFtrl) => Recipe {
            rounds: 20,
            batch_share: 0.5,
            server_learning_rate: 4.0,
            ..RECORD
        },
        (Unit::Record, mode) => Recipe {
            rounds: 10,
            server_learning_rate: 8.0,
            clip_quantile: (mode == Mode::Central).then_some(0.5),
            ..RECORD
        },
        (Unit::Institution, Mode::Local) => Recipe {
            batch_share: 0.2,
            learning_rate: 0.3,
            local: 2,
            ..INSTITUTION
        },
        (Unit::Institution, mode) => Recipe {
            rounds: 4,
            batch_share: 0.2,
            learning_rate: 0.3,
            server_learning_rate: 3.0,
            local: 2,
            clip_quantile: (mode == Mode::Central).then_some(0.5),
            ..INSTITUTION
        },
    }
}
