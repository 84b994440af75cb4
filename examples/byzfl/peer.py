"""What ByzFL calls the rules that `xfl aggregate` has, and how both are asked for the same thing.

A case is {"rule", "pre", "f", "parameters"}; names and parameters are those of `xfl aggregate`, values are JSON.
ByzFL's randomness is replaced by what the case says: CAF and SMEA start their power iteration from all ones, bucketing takes
the permutation given. ByzFL runs in f64 on NumPy arrays and in f32 on torch tensors, whatever it is given.
"""

import contextlib
import json
import sys
import time

import byzfl
import numpy as np
import torch


def rule(case):
    """ByzFL's object for a case's rule."""
    name, f, given = case["rule"], case["f"], case["parameters"]
    if name == "centered-clipping":
        made = byzfl.CenteredClipping(L=given["iterations"], tau=float(given["tau"]))
        if "start" in given:  # its constructor refuses every start
            made.m = np.array(given["start"])
        return made
    return {
        "mean": lambda: byzfl.Average(),
        "median": lambda: byzfl.Median(),
        "trimmed-mean": lambda: byzfl.TrMean(f),
        "meamed": lambda: byzfl.Meamed(f),
        "geometric-median": lambda: byzfl.GeometricMedian(nu=float(given["nu"]), T=given["iterations"]),
        "krum": lambda: byzfl.Krum(f),
        "multi-krum": lambda: byzfl.MultiKrum(f),
        "mda": lambda: byzfl.MDA(f),
        "monna": lambda: byzfl.MoNNA(f, given["index"]),
        "caf": lambda: byzfl.CAF(f),
        "smea": lambda: byzfl.SMEA(f),
    }[name]()


def before(name, case):
    """ByzFL's object for one of a case's pre-aggregations."""
    given = case["parameters"]
    return {
        "nnm": lambda: byzfl.NNM(case["f"]),
        "arc": lambda: byzfl.ARC(case["f"]),
        "clipping": lambda: byzfl.Clipping(float(given["norm"])),
        "bucketing": lambda: byzfl.Bucketing(given["size"]),
    }[name]()


@contextlib.contextmanager
def without_chance(permutation=None):
    """ByzFL draws nothing in here: starts are all ones, and rows are permuted as given."""
    kept = np.random.randn, np.random.permutation, torch.randn, torch.randperm
    np.random.randn = lambda d: np.ones(d)
    torch.randn = lambda d, device=None: torch.ones(d, device=device)
    if permutation is not None:
        np.random.permutation = lambda rows: rows[np.array(permutation)]
        torch.randperm = lambda n: torch.tensor(permutation)
    try:
        yield
    finally:
        np.random.randn, np.random.permutation, torch.randn, torch.randperm = kept


def aggregate(rows, case):
    """ByzFL's result for the rows of a case, which may be clipped in place."""
    with without_chance(case["parameters"].get("permutation")):
        for name in case["pre"]:
            rows = before(name, case)(rows)
        return rule(case)(rows)


def peak():
    """The largest resident memory so far and the present one, in MiB."""
    with open("/proc/self/status") as file:
        fields = dict(line.split(":", 1) for line in file)
    return [int(fields[name].split()[0]) / 1024 for name in ("VmHWM", "VmRSS")]


def serve(source):
    """Answers a line on stdin - a case, how many threads, and where to save - by running the case once on torch tensors."""
    rows = torch.from_numpy(np.load(source))
    known = []
    for line in sys.stdin:
        asked = json.loads(line)
        case = asked["case"]
        torch.set_num_threads(asked["threads"])
        if (case, asked["threads"]) not in known:
            known.append((case, asked["threads"]))
            aggregate(rows[:, :1000].clone(), case)  # loads what is loaded on first use
        given = rows.clone() if {"clipping", "arc"} & set(case["pre"]) else rows
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        before_it = peak()[1]
        began = time.perf_counter()
        values = aggregate(given, case)
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, "extra": peak()[0] - before_it}), flush=True)
        np.save(asked["target"], values.numpy())
        del given, values


if __name__ == "__main__":
    serve(sys.argv[1])
