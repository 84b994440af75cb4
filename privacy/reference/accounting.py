#!/usr/bin/env python3
"""Reference values for privacy accounting, and xfl beside Google's dp-accounting and Opacus.

    python privacy/reference/accounting.py vectors                  writes accounting.json beside itself
    python privacy/reference/accounting.py compare --xfl PATH       answers every case with all three, in turn, and prints two tables

Both install dp-accounting and Opacus from PyPI into a virtual environment (--venv, a temporary folder by default). Of Opacus only the
accountants are loaded, which need no torch.

What the vectors hold for each case:
    zcdp      rho = steps / (2 noise^2) at the best order of Canonne, Kamath and Steinke's conversion, 40 digits
    rdp       the best epsilon over dp-accounting's orders; the divergences are Opacus's for Poisson sampling (dp-accounting bounds
              fractional orders from above, and leaves some out) and dp-accounting's for fixed-size sampling
    pld       truth.py: closed forms or an extrapolation, with pld_error its estimate of what that is off by
    google, opacus   what the two libraries answer with their defaults
"""

import argparse
import importlib.util
import itertools
import json
import math
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
import venv
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
VECTORS = HERE / "accounting.json"
PACKAGES = ["dp-accounting==0.6.0", "mpmath==1.4.1"]
OPACUS = "opacus==1.6.0"


def cases():
    """240 settings, drawn once and for all, and 40 of fixed-size sampling."""
    noises = [0.3, 0.4, 0.5, 0.7, 0.8, 1.0, 1.1, 1.5, 2.0, 3.0, 4.0, 8.0, 20.0]
    rates = [1e-4, 4e-4, 1e-3, 4e-3, 1e-2, 0.05, 0.1, 0.3, 0.5, 0.9, 1.0]
    steps = [1, 2, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000]
    deltas = [1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10]
    # Not those whose epsilon is in the hundreds: nobody publishes them, and dp-accounting's grid takes minutes.
    sane = lambda noise, rate, steps: steps * rate**2 * math.expm1(min(noise**-2, 50)) < 100
    everything = [case for case in itertools.product(noises, rates, steps, deltas) if sane(*case[:3])]
    draw = random.Random(20260101)
    chosen = [("poisson", *case) for case in draw.sample(everything, 240)]
    chosen += [("fixed", *case) for case in draw.sample(everything, 40)]
    return chosen


def enter(folder):
    """Runs this script again inside a virtual environment that has the libraries."""
    if os.environ.get("REFERENCE_VENV"):
        return
    folder = Path(folder or Path(tempfile.gettempdir()) / "xfl-reference-venv")
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *PACKAGES], check=True)
    subprocess.run([*pip, "--no-deps", OPACUS], check=True)
    sys.exit(subprocess.run([python, __file__, *sys.argv[1:]], env={**os.environ, "REFERENCE_VENV": "1"}).returncode)


def libraries():
    """Imports what `enter` installed."""
    global np, dp, google_rdp, google_pld, opacus_rdp, truth, mp
    import numpy as np
    from absl import logging
    from mpmath import mp

    logging.set_verbosity(logging.FATAL)
    import dp_accounting as dp
    from dp_accounting import pld as google_pld
    from dp_accounting.rdp import rdp_privacy_accountant as google_rdp

    warnings.simplefilter("ignore")
    package = Path(importlib.util.find_spec("opacus").origin).parent
    spec = importlib.util.spec_from_file_location("opacus_rdp", package / "accountants" / "analysis" / "rdp.py")
    opacus_rdp = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(opacus_rdp)
    sys.path.insert(0, str(HERE))
    import truth


def zcdp(noise, steps, delta):
    """Proposition 12 of Canonne, Kamath and Steinke, solved for epsilon, at its best order."""
    mp.dps = 40
    rho, delta = mp.mpf(steps) / (2 * mp.mpf(noise) ** 2), mp.mpf(delta)
    low, high = mp.mpf(0), mp.sqrt(-mp.log(delta) / rho)
    for _ in range(120):
        b = (low + high) / 2
        low, high = (b, high) if rho * b * b < -mp.log(delta * (1 + b)) else (low, b)
    a = 1 + high
    return float(max(rho * a + mp.log(1 - 1 / a) - mp.log(delta * a) / (a - 1), 0))


def google_events(sampling, noise, rate):
    """(event, neighbours) of one step."""
    gaussian, relation = dp.GaussianDpEvent(noise), dp.NeighboringRelation
    if sampling == "poisson":
        return dp.PoissonSampledDpEvent(rate, gaussian), relation.ADD_OR_REMOVE_ONE
    return dp.SampledWithoutReplacementDpEvent(10**6, round(rate * 10**6), gaussian), relation.REPLACE_ONE


def ask_google_rdp(sampling, noise, rate, steps, delta):
    event, relation = google_events(sampling, noise, rate)
    accountant = google_rdp.RdpAccountant(neighboring_relation=relation)
    return float(accountant.compose(event, steps).get_epsilon(delta))


def ask_google_pld(sampling, noise, rate, steps, delta):
    event, _ = google_events(sampling, noise, rate)
    return float(google_pld.PLDAccountant().compose(event, steps).get_epsilon(delta))


def ask_opacus_rdp(noise, rate, steps, delta):
    orders = [1 + x / 10.0 for x in range(1, 100)] + list(range(12, 64))
    rdp = opacus_rdp.compute_rdp(q=rate, noise_multiplier=noise, steps=steps, orders=orders)
    return float(opacus_rdp.get_privacy_spent(orders=orders, rdp=rdp, delta=delta)[0])


def rdp(sampling, noise, rate, steps, delta):
    """(epsilon, order) over dp-accounting's orders."""
    orders = google_rdp.DEFAULT_RDP_ORDERS
    if sampling == "fixed":
        each = google_rdp._compute_rdp_sample_wor_gaussian(rate, noise, orders)
    else:
        each = []
        for order in orders:
            # Opacus's binomials overflow above order 1000; dp-accounting is exact at whole orders.
            whole = float(order).is_integer()
            compute = google_rdp._compute_rdp_poisson_subsampled_gaussian if whole else None
            each.append(compute(rate, noise, [order])[0] if whole else opacus_rdp._compute_rdp(rate, noise, order))
    best = google_rdp.compute_epsilon(orders, np.array(each) * steps, delta)
    return float(best[0]), float(best[1])


def vectors(_):
    rows = []
    for number, (sampling, noise, rate, steps, delta) in enumerate(cases()):
        case = (sampling, noise, rate, steps, delta)
        row = dict(sampling=sampling, noise=noise, rate=rate, steps=steps, delta=delta)
        row["zcdp"] = zcdp(noise, steps, delta)
        row["rdp"], row["order"] = rdp(*case)
        exact = truth.epsilon(noise, rate, steps, delta, sampling == "fixed")
        row["pld"], row["pld_error"] = (float(exact[0]), float(exact[1])) if exact else (None, None)
        row["google"] = {"rdp": ask_google_rdp(*case)}
        if sampling == "poisson" and number % 4 == 0:
            # Seconds each; `compare` asks for all of them.
            row["google"]["pld"] = ask_google_pld(*case)
        if sampling == "poisson":
            row["opacus"] = {"rdp": ask_opacus_rdp(*case[1:])}
        rows.append(row)
        print(number, row, file=sys.stderr, flush=True)
    write(rows)


def write(rows):
    """One case a line."""
    # An infinite answer is not JSON.
    finite = lambda x: {k: finite(v) for k, v in x.items()} if isinstance(x, dict) else None if isinstance(x, float) and not math.isfinite(x) else x
    lines = ",\n".join("  " + json.dumps(finite(row)) for row in rows)
    VECTORS.write_text('{"made_with": ["dp-accounting 0.6.0", "%s"], "cases": [\n%s\n]}\n' % (OPACUS.replace("==", " "), lines))


def ask_xfl(xfl, accountant, sampling, noise, rate, steps, delta):
    arguments = ["--noise-multiplier", noise, "--sample-rate", rate, "--steps", steps, "--delta", delta]
    command = [xfl, "privacy", "epsilon", "--json", "--accountant", accountant, "--sampling", sampling, *map(str, arguments)]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    value = answer["data"]["epsilon"]
    return math.inf if value is None else value


def timed(ask, *arguments):
    start = time.perf_counter()
    return ask(*arguments), time.perf_counter() - start


def machine():
    """What else the machine is doing: times mean little without it."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return f"{platform.machine()}, {os.cpu_count()} cores, load {load}, Python {platform.python_version()}, numpy {np.__version__}"


class Extremes:
    """How far answers lie above and below others, relative to those."""

    def __init__(self):
        self.rows = {}

    def note(self, ours, theirs, name):
        if not (math.isfinite(ours) and math.isfinite(theirs) and ours > 0 and theirs > 0):
            return
        count, above, below = self.rows.get(name, (0, 0.0, 0.0))
        off = ours / theirs - 1
        self.rows[name] = (count + 1, max(above, off), max(below, -off))

    def print(self):
        print("| answers of xfl, beside | settings | at most above | at most below |")
        print("|---|---:|---:|---:|")
        for name, (count, above, below) in self.rows.items():
            print(f"| {name} | {count} | {above:.2g} | {below:.2g} |")


def compare(options):
    rows = json.loads(VECTORS.read_text())["cases"][:: options.every]
    extremes, took, before = Extremes(), {}, machine()
    spent = lambda name, seconds: took.setdefault(name, []).append(seconds)
    for number, row in enumerate(rows):
        # One after the other in every setting, so that whatever else the machine does hits all of them.
        case = tuple(row[k] for k in ("sampling", "noise", "rate", "steps", "delta"))
        poisson = case[0] == "poisson"
        pld, seconds = timed(ask_xfl, options.xfl, "pld", *case)
        spent("xfl pld (a process each)", seconds)
        if row["pld"]:
            extremes.note(pld, row["pld"], "the true epsilon (truth.py): pld")
        if poisson:
            theirs, seconds = timed(ask_google_pld, *case)
            spent("dp-accounting pld", seconds)
            large = theirs > 0.05
            extremes.note(pld, theirs, f"dp-accounting's pld, epsilon {'above' if large else 'up to'} 0.05")
        rdp, seconds = timed(ask_xfl, options.xfl, "rdp", *case)
        spent("xfl rdp (a process each)", seconds)
        if row["rdp"]:
            # At high rates the bound for fixed-size samples is worse than none, and xfl leaves it.
            left = not poisson and row["rate"] >= 0.3
            extremes.note(rdp, row["rdp"], "Rényi divergences at dp-accounting's orders: rdp" + (", fixed size at rates from 0.3" if left else ""))
        theirs, seconds = timed(ask_google_rdp, *case)
        spent("dp-accounting rdp", seconds)
        if row["order"] == int(row["order"]) and poisson:
            extremes.note(rdp, theirs, "dp-accounting's rdp, best order whole")
        if poisson:
            theirs, seconds = timed(ask_opacus_rdp, *case[1:])
            spent("opacus rdp", seconds)
            extremes.note(rdp, theirs, "opacus' rdp")
        zcdp, _ = timed(ask_xfl, options.xfl, "zcdp", *case)
        if row["zcdp"]:
            extremes.note(zcdp, row["zcdp"], "40 digits: zcdp")
        print(f"\r{number + 1} of {len(rows)}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    extremes.print()
    print()
    print("| seconds | settings | median | total |")
    print("|---|---:|---:|---:|")
    for name, seconds in took.items():
        print(f"| {name} | {len(seconds)} | {sorted(seconds)[len(seconds) // 2]:.4f} | {sum(seconds):.1f} |")
    print()
    print(f"dp-accounting 0.6.0, {OPACUS.replace('==', ' ')}; before: {before}; after: {machine()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", help="folder of the virtual environment")
    commands = parser.add_subparsers(required=True)
    commands.add_parser("vectors", help="write accounting.json").set_defaults(run=vectors)
    command = commands.add_parser("compare", help="answer every case with all three")
    command.add_argument("--xfl", default="target/release/xfl", help="the program")
    command.add_argument("--every", type=int, default=1, help="take only every N-th case")
    command.set_defaults(run=compare)
    options = parser.parse_args()
    enter(options.venv)
    libraries()
    options.run(options)


if __name__ == "__main__":
    main()
