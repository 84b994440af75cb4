"""Writes Flower's answers as test vectors: python flower.py ../../aggregation/tests/vectors

Needs flwr 1.41.0 and NumPy (pip install flwr==1.41.0 numpy==1.26.4), reads the inputs of byzfl.json there and writes flower.json beside it.
A case is kept only if its answer is finite and the same for the rows changed in the twelfth digit and in another order; of equally good rows Krum takes the first, so
there, and in Bulyan built on it, the order may matter (with one neighbour left, two rows are each other's), but not the digit.
"""

import json
import pathlib
import sys

import numpy as np
from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server.strategy import FedAdagrad, FedAdam, FedAvgM, FedYogi
from flwr.server.strategy import aggregate as classic
from flwr.serverapp.strategy.bulyan import aggregate_n_closest_weights
from flwr.serverapp.strategy.multikrum import select_multikrum

ABOUT = (
    "Answers of Flower 1.41.0 (Apache 2.0 licence, Flower Labs GmbH) in f64, made by examples/byzfl/flower.py for the inputs of "
    "byzfl.json. f is the case's own. Agreement is defined as there. In optimisers, the new parameters after each round, given the "
    "parameters at the start and each round's average of the clients' parameters; rounds count from 1, and adam's learning rate in round t is "
    "eta * sqrt(1 - beta_2^(t+1)) / (1 - beta_1^(t+1))."
)


def results(rows):
    """Rows as Flower's older strategies take them: one layer, one example each."""
    return [([row], 1) for row in rows]


def krum(rows, f, keep):
    return np.asarray(classic.aggregate_krum(results(rows), f, keep)[0])


def bulyan(rows, f):
    return np.asarray(classic.aggregate_bulyan(results(rows), f, classic.aggregate_krum, to_keep=0)[0])


def bulyan_once(rows, f):
    """As the message-based strategy puts its parts together."""
    contents = [RecordDict({"arrays": ArrayRecord({"w": Array(row)}), "m": MetricRecord({"num-examples": 1})}) for row in rows]
    theta = len(rows) - 2 * f
    chosen = select_multikrum(contents, f, theta)
    chosen = [content["arrays"].to_numpy_ndarrays() for content in chosen]
    median = [np.median(layers, axis=0) for layers in zip(*chosen)]
    return np.asarray(aggregate_n_closest_weights(median, chosen, theta - 2 * f)[0])


def questions(n, f):
    few = (n - 3) // 4
    keep = max(1, n - f - 2)
    yield "mean", 0, {}, lambda rows: np.asarray(classic.aggregate(results(rows))[0])
    yield "median", 0, {}, lambda rows: np.asarray(classic.aggregate_median(results(rows))[0])
    yield "trimmed-mean", f, {}, lambda rows: np.asarray(classic.aggregate_trimmed_avg(results(rows), (f + 0.25) / n)[0])
    if n < 2 * f + 3:
        return
    yield "krum", f, {"neighbours": "blanchard"}, lambda rows: krum(rows, f, 0)
    for select in sorted({keep, n - f}):
        yield "multi-krum", f, {"neighbours": "blanchard", "select": select}, lambda rows, select=select: krum(rows, f, select)
    if few:
        given = {"neighbours": "blanchard", "stage": "iterated"}
        yield "bulyan", few, given, lambda rows: bulyan(rows, few)
        yield "bulyan", few, {**given, "stage": "once"}, lambda rows: bulyan_once(rows, few)


def settled(ask, rows, honest, ordered):
    values = ask(rows)
    if not np.isfinite(values).all():
        return None
    size = max(honest, np.abs(values).max())
    for seed in range(6):
        draw = np.random.default_rng(seed)
        change = 1 + 1e-12 * draw.uniform(-1, 1, rows.shape)
        other = ask((draw.permutation(rows) if ordered else rows) * change)
        if not np.abs(other - values).max() <= 1e-9 * size:
            return None
    return values


def optimisers():
    draw = np.random.default_rng(3)
    start = draw.standard_normal(6)
    averages = start + 0.1 * draw.standard_normal((5, 6))
    averages[1:, 0] = start[0]
    for name, made, given in [
        ("fedavgm", FedAvgM, {"server_learning_rate": 0.7, "server_momentum": 0.9}),
        ("fedadagrad", FedAdagrad, {"eta": 0.1, "tau": 1e-3}),
        ("fedadam", FedAdam, {"eta": 0.05, "beta_1": 0.9, "beta_2": 0.99, "tau": 1e-3}),
        ("fedyogi", FedYogi, {"eta": 0.05, "beta_1": 0.9, "beta_2": 0.99, "tau": 1e-3}),
    ]:
        strategy = made(initial_parameters=ndarrays_to_parameters([start.copy()]), **given)
        rounds = []
        for number, average in enumerate(averages, 1):
            answer = FitRes(Status(Code.OK, ""), ndarrays_to_parameters([average]), 1, {})
            values = parameters_to_ndarrays(strategy.aggregate_fit(number, [(None, answer)], [])[0])[0]
            rounds.append(values.tolist())
        yield {"optimiser": name, "parameters": given, "start": start.tolist(), "averages": averages.tolist(), "rounds": rounds}


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    cases = []
    for name, given in json.loads((folder / "byzfl.json").read_text())["inputs"].items():
        rows = np.array(given["rows"])
        for rule, f, parameters, ask in questions(len(rows), given["f"]):
            with np.errstate(all="ignore"):
                ordered = rule != "krum" and parameters.get("stage") != "iterated"
                values = settled(ask, rows, given["honest"], ordered)
            if values is None:
                print(f"left out of {name}: {rule} {parameters}: not finite, or depends on the order of the rows or their last digits")
                continue
            cases.append({"input": name, "rule": rule, "pre": [], "f": f, "parameters": parameters, "values": values.tolist()})
    line = lambda value: json.dumps(value, allow_nan=False, separators=(",", ":"))
    lists = [f'"{title}":[\n' + ",\n".join(map(line, part)) + "]" for title, part in [("cases", cases), ("optimisers", optimisers())]]
    (folder / "flower.json").write_text("{" + ",\n".join([f'"about":{line(ABOUT)}', *lists]) + "}\n")
    print(len(cases), "cases")
