//! The plan that `xfl init` writes: every key, what it means, and its default.

use xfl_core::identity::NodeId;

use super::Args;

/// The `[data]` table of Breast Cancer Wisconsin (Diagnostic).
pub(super) const EXAMPLE_SCHEMA: &str = include_str!("../../../../examples/data/breast_cancer_wisconsin.toml");

/// The plan's text.
pub(super) fn plan(id: &NodeId, coordinator: &NodeId, args: &Args, schema: &str) -> String {
    let (rounds, quorum) = (args.rounds, args.quorum);
    let name = args.name.replace('\\', "\\\\").replace('"', "\\\"");
    let aggregation = match quorum {
        2 => {
            "rule = \"median\"             # of two it is their mean; from three on it outvotes one poisoner\n# byzantine = 0               # malicious updates that the rule has to stand"
        }
        _ => "rule = \"trimmed-mean\"\nbyzantine = 1               # malicious updates that the rule has to stand",
    };
    format!(
        r#"# The plan of a federation: what everybody agrees on. Institutions read this very text before they join, and its hash
# is in every round's header; once the first round has begun, a changed plan is another federation.
# Keys with a # in front show their default.

[federation]
id = "{id}"   # random; part of everything that is signed
name = "{name}"
coordinator = "{coordinator}"   # coordinator.pem's public key

[rounds]
count = {rounds}
quorum = {quorum}                  # institutions that every stage needs
# stage_seconds = 60          # how long a stage waits for the rest
# grace_seconds = 5           # how long a member that lost its connection is waited for, if the quorum is there
# join_seconds = 30           # how long the first round waits for all members, once the quorum is there
# attempts = 3                # attempts at one round before the job fails

[model]
# "linear", "logistic", "mlp" with hidden = [16, 8], or "cnn" with channels = [8, 16] and hidden = [32] (needs an image)
kind = "logistic"
# norm = "layer"              # normalises hidden layers ("mlp", "cnn"); "group" with groups = 4 in groups
# embedding = 8               # numbers that stand for a token ("mlp"), where [data] has columns with tokens

[training]
batch = 52                  # examples in an institution's step; with unit "record", each needs at least so many
server_learning_rate = 1.5  # how far the model follows the aggregate
# server = "fedavg"           # what the coordinator does with it: "fedavgm", "fedadagrad", "fedadam" or "fedyogi" too
# server_momentum = 0.9       # all but fedavg
# server_decay = 0.99         # of the second moment: fedadam and fedyogi
# server_tau = 0.001          # the smaller, the more adaptive: fedadagrad, fedadam and fedyogi
# learning_rate = 0.1         # local step size (unit "institution", and mode "dp-sgd")
# epochs = 1                  # local passes over the data (unit "institution" only)
# seed = 0                    # of initialisation and shuffling; public, so never a source of privacy

[privacy]
unit = "record"             # whose privacy: "record" (each example) or "institution" (all it has)
# mode = "local"              # who adds the noise: each institution alone ("local"), each a share of the sum's ("distributed"), the coordinator
                            # ("central"), each at every step of a local training ("dp-sgd"), or each alone and takes part of it back in later rounds
                            # ("dp-ftrl"); `xfl privacy explain` says what that means
relation = "zero-out"       # neighbouring data sets: one unit left out ("zero-out") or exchanged ("replace")
clip = 1.0                  # L2 bound of a unit's contribution
step = 0.001                # the grid that contributions are rounded to
noise_multiplier = 2.0      # noise over clip (distributed, central: of the sum); 0 turns noise off and makes epsilon infinite
delta = 1e-5                # where epsilon is read off
# trust_coordinator = false   # whether it may see updates with no or little noise: mode central, and distributed without masks
# dishonest = 1               # institutions whose share of noise isn't counted on (distributed); masking.colluders with masks
# sample_rate = 0.1           # most that a record's chance of being drawn for a step may be (dp-sgd; no default)
# local_steps = 1             # steps of a round's local training (dp-sgd)
# separation = 16             # rounds in a row of which a record is in at most one: whole batches that every institution has (dp-ftrl; no default)
# clip_quantile = 0.5         # share of the units that the clip norm follows from round to round; fixed where absent
# clip_rate = 0.2             # how fast it does
# count_noise = 10.0          # noise on the count that it follows, in units (of the same sum as the noise): part of rho, where absent a
                            # hundredth of it with unit "record", a quarter with "institution"
# signal_fraction = 0.5       # of its bound, how much an honest update is expected to reach; for the plan's check

[masking]
mode = "none"               # "lwe": the coordinator sees the sum alone; needs rule "mean" and score "participation"
# colluders = 1               # members that may collude with the coordinator (mode "lwe" only)
# threshold = 4               # members that must agree before a sum is opened (mode "lwe" only; no default)

[aggregation]
# "mean", "weighted-mean", "median", "trimmed-mean", "meamed", "geometric-median", "krum", "multi-krum", "bulyan", "mda", "caf", "smea", "dnc",
# "centered-clipping", "norm-clipping", "flame", "foolsgold" or "sign-majority"; `xfl aggregate --list` says what each tolerates
{aggregation}
# pre = []                    # what is done to updates before the rule, in this order: "nnm", "bucketing", "clipping", "arc"
# bucket = 2                  # updates in a bucket (pre "bucketing")
# norm = 1.0                  # largest norm left, a share of an update's bound (norm-clipping, pre "clipping")
# select = 2                  # updates that multi-krum averages; all but the byzantine where absent
# neighbours = "blanchard"    # "blanchard" (n - f - 2) or "byzfl" (n - f - 1): krum, multi-krum, bulyan
# nu = 0.001                  # geometric-median: distances below it, a share of an update's bound, count as it; one grid step
# iterations = 3              # geometric-median (1 for centered-clipping): steps from the last round's aggregate
# tau = 1.0                   # centered-clipping: longest difference that counts in full, a share of an update's bound
# sampled = 10000             # dnc: coordinates looked at
# weights = {{}}                # weighted-mean: {{ "NODE ID" = 3 }} counts that member's update three times; 1 for all others
# weight_cap = 10             # weighted-mean: the most that an update counts

[score]
# with `xfl round --held-out`: "leave-one-out", "shapley" (up to 12 members), "truncated-shapley", "gtg-shapley" (up to 64);
# without: "cosine" (to the aggregate), "cgsv" (the same with a reputation), "participation" (the same for all)
kind = "cosine"
# tolerance_ppm = 50          # by how much an auditor's evaluation of a model on another machine may differ
# orders = 200                # random orders: truncated-shapley and gtg-shapley
# truncation_ppm = 1000       # what is left to gain where those stop a walk

[reward]
budget = 1000000            # tokens (smallest unit) shared out each round; 0 for none
# floor_ppm = 0               # share of it for everybody whose score isn't negative
# cap_ppm = 1000000           # largest share for one
# copies_ppm = 999000         # updates whose cosine is at least that are copies, and earn nothing; not looked for where absent

[settlement]
# activation_seconds = 3600   # outside the embedded chain: until a posted round's rewards can be claimed, it can be vetoed
# threshold = 2               # members who sign a round before it is posted; a majority of the quorum where absent
# penalty = 0.1               # coins of the home chain that each signer of a proved lie loses of its stake (`xfl stake`); half to the prover

# The columns of every institution's file, in the model's order. A number x becomes (x - center) / scale, with public
# constants; `{{ name = "sex", values = ["f", "m"] }}` is a category, `{{ name = "code", tokens = 500 }}` a whole number below 500
# that an embedding looks up. A regression has task = "regression", and
# label_center and label_scale instead of classes.
[data]
{schema}"#
    )
}
