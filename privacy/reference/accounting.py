#!/usr/bin/env python3
"""Reference values for privacy accounting, and xfl beside Google's dp-accounting and Opacus.

    python privacy/reference/accounting.py vectors                  writes accounting.json beside itself
    python privacy/reference/accounting.py compare --xfl PATH       answers every case with all three, in turn

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


def compare(options):
    rows = json.loads(VECTORS.read_text())["cases"][:: options.every]
    worst, took = {}, {}
    note = lambda name, value: worst.__setitem__(name, max(worst.get(name, -math.inf), value))
    spent = lambda name, seconds: took.setdefault(name, []).append(seconds)
    for row in rows:
        case = tuple(row[k] for k in ("sampling", "noise", "rate", "steps", "delta"))
        ours, seconds = timed(ask_xfl, options.xfl, "pld", *case)
        spent("xfl pld, a process each", seconds)
        if case[0] == "poisson":
            theirs, seconds = timed(ask_google_pld, *case)
            spent("dp-accounting pld", seconds)
            if math.isfinite(theirs) and theirs > 0 and ours > 0:
                note("xfl pld above dp-accounting's", ours / theirs - 1)
                note("dp-accounting's pld above xfl's", theirs / ours - 1)
        if row["pld"]:
            note("xfl pld above the truth", ours / row["pld"] - 1)
            note("xfl pld below the truth", 1 - ours / row["pld"])
        ours, seconds = timed(ask_xfl, options.xfl, "rdp", *case)
        spent("xfl rdp, a process each", seconds)
        if row["rdp"]:
            note("xfl rdp off the reference", abs(ours / row["rdp"] - 1))
        theirs, seconds = timed(ask_google_rdp, *case)
        spent("dp-accounting rdp", seconds)
        if row["order"] == int(row["order"]) and theirs > 0:
            note("xfl rdp off dp-accounting's, best order whole", abs(ours / theirs - 1))
        if case[0] == "poisson":
            theirs, seconds = timed(ask_opacus_rdp, *case[1:])
            spent("opacus rdp", seconds)
        ours, _ = timed(ask_xfl, options.xfl, "zcdp", *case)
        if row["zcdp"]:
            note("xfl zcdp off the reference", abs(ours / row["zcdp"] - 1))
    print(f"{len(rows)} settings")
    for name, value in worst.items():
        print(f"  {name}: at most {value:.3g}")
    print("median and total seconds")
    for name, seconds in took.items():
        print(f"  {name}: {sorted(seconds)[len(seconds) // 2]:.4f} {sum(seconds):.1f}")


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
