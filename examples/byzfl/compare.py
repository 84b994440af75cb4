"""Compares `xfl aggregate` with ByzFL on the same .npy files.

  compare.py agree --xfl PATH [--seed N]      every rule on small inputs in f64: the largest difference, one line a rule; Flower's
                                              answers are those kept in the repository
  compare.py speed --xfl PATH [-n -f -d]      the rules' seconds and memory, both run alternately, f32

Exits with 1 where answers differ by more than 1e-8 of the larger of the largest honest and the largest resulting value, or xfl fails.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import measure
import vectors

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = HERE.parents[1] / "aggregation" / "tests" / "vectors"

SPEED = [
    ("mean", [], {}),
    ("median", [], {}),
    ("trimmed-mean", [], {}),
    ("meamed", [], {}),
    ("krum", [], {"neighbours": "byzfl"}),
    ("multi-krum", [], {"neighbours": "byzfl"}),
    ("geometric-median", [], {"nu": 0.1, "iterations": 3}),
    ("centered-clipping", [], {"tau": 100.0, "iterations": 1}),
    ("monna", [], {"index": 0}),
    ("mda", [], {}),
    ("caf", [], {"power-start": "ones"}),
    ("median", ["bucketing"], {"size": 2}),
    ("trimmed-mean", ["nnm"], {}),
    ("trimmed-mean", ["arc"], {}),
    ("trimmed-mean", ["clipping"], {"norm": 500.0}),
]


def agree(given):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        made = vectors.make(given.seed, folder / "byzfl.json")
        kept, flower = (json.loads((VECTORS / f"{name}.json").read_text()) for name in ("byzfl", "flower"))
        asked = [("byzfl", made["inputs"], case) for case in made["cases"]]
        asked += [("flower", kept["inputs"], case) for case in flower["cases"]]
        worst, failed = {}, []
        program = measure.Program(given.xfl)
        for peers_name, inputs, case in asked:
            source = inputs[case["input"]]
            np.save(folder / "in.npy", np.array(source["rows"]))
            title = f"{peers_name}: " + " + ".join([*case["pre"], case["rule"]])
            try:
                program.run(case, folder / "in.npy", folder / "out.npy", folder, 1)
            except RuntimeError as error:
                failed.append(str(error))
                continue
            values = np.array(case["values"])
            size = max(source["honest"], np.abs(values).max())
            difference = np.abs(np.load(folder / "out.npy") - values).max() / size if size else 0.0
            count, most, where = worst.get(title, (0, -1.0, ""))
            worst[title] = (count + 1, *max((most, where), (float(difference), case["input"])))
        program.end()
    print(f"{'rule':40} {'cases':>5} {'largest difference':>18}  on")
    for title, (count, most, where) in sorted(worst.items()):
        print(f"{title:40} {count:5} {most:18.1e}  {where}{'' if most <= vectors.TOLERANCE else '  DIFFERS'}")
    for complaint in failed:
        print(complaint)
    return not failed and all(most <= vectors.TOLERANCE for _, most, _ in worst.values())


class Peer:
    """A process that runs a case with ByzFL whenever it is asked."""

    def __init__(self, source):
        words = [sys.executable, HERE / "peer.py", source]
        self.child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, case, threads, target):
        asked = {"case": case, "threads": threads, "target": str(target)}
        self.child.stdin.write(json.dumps(asked) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError("ByzFL's process ended")
        return json.loads(line)

    def end(self):
        self.child.stdin.close()
        self.child.wait()


def copying(rows, threads):
    """Seconds for a plain copy of the rows, memory to memory, the best of nine."""
    into, best = np.empty_like(rows), []
    parts = [(into[i::threads], rows[i::threads]) for i in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(9):
            began = time.perf_counter()
            list(pool.map(lambda part: np.copyto(*part), parts))
            best.append(time.perf_counter() - began)
    return min(best)


HEAD = ["rule", "threads", "ByzFL s", "xfl s", "ratio", "of copy", "stored s", "ByzFL MiB", "xfl MiB", "stored MiB", "difference"]


def speed(given):
    draw = np.random.default_rng(given.seed)
    fine = True
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        source, little = folder / "in.npy", folder / "little.npy"
        rows = draw.standard_normal((given.n, given.d), dtype="f4")
        rows[given.n - given.f :] *= -10
        np.save(source, rows)
        np.save(little, rows[:, :1])
        honest, size = float(np.abs(rows[: given.n - given.f]).max()), rows.nbytes / 2**20
        copies = {threads: copying(rows, threads) for threads in given.threads}
        permutation = [int(i) for i in draw.permutation(given.n)]
        del rows
        rates = ", ".join(f"{seconds:.4f} s on {threads}" for threads, seconds in copies.items())
        print(f"n {given.n}, f {given.f}, d {given.d}, f32, {size:.0f} MiB; a plain copy takes {rates}")
        print("Seconds: the best of", given.runs, "alternating runs, reading the file not counted; stored: rows stay in the file, reading counted.")
        print("MiB: largest resident memory, the result included, less the rows held and what the program has for one coordinate.")
        print(f"{HEAD[0]:28}" + "".join(f"{word:>11}" for word in HEAD[1:]))
        program, other = measure.Program(given.xfl), Peer(source)
        for rule, pre, parameters in SPEED:
            title = " + ".join([*pre, rule])
            if given.only and title not in given.only:
                continue
            case = {"rule": rule, "pre": pre, "f": given.f, "parameters": dict(parameters)}
            if "bucketing" in pre:
                case["parameters"]["permutation"] = permutation
            for threads in given.threads:
                theirs, held, stored = [], [], []
                ask = lambda source, memory: program.run(case, source, folder / "ours.npy", folder, threads, memory)
                least = ask(little, 0)[2]
                for _ in range(given.runs):
                    theirs.append(other.ask(case, threads, folder / "theirs.npy"))
                    stored.append(ask(source, 0))
                    held.append(ask(source, 1 << 20))
                slow = min(run["seconds"] for run in theirs)
                fast, streamed = (min(data["timings"]["rule"] for data, _, _ in runs) for runs in (held, stored))
                extra = max(run["extra"] for run in theirs)
                memory = max(peak for _, _, peak in held) - size - least
                blocks = max(peak for _, _, peak in stored) - least
                difference = np.abs(np.load(folder / "ours.npy") - np.load(folder / "theirs.npy")).max() / honest
                fine &= bool(difference < 1e-3)
                cells = [f"{threads}", f"{slow:.4f}", f"{fast:.4f}", f"{slow / fast:.1f}", f"{100 * copies[threads] / fast:.0f}%"]
                cells += [f"{streamed:.4f}", f"{extra:.0f}", f"{memory:.0f}", f"{blocks:.0f}", f"{difference:.1e}"]
                print(f"{title:28}" + "".join(f"{cell:>11}" for cell in cells), flush=True)
        program.end()
        other.end()
    return fine


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Compares xfl aggregate with ByzFL on the same files.")
    parser.add_argument("what", choices=["agree", "speed"])
    parser.add_argument("--xfl", required=True, help="the program")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("-n", type=int, default=20)
    parser.add_argument("-f", type=int, default=4)
    parser.add_argument("-d", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", action="append", help="a rule as the table names it")
    arguments = parser.parse_args()
    sys.exit(0 if {"agree": agree, "speed": speed}[arguments.what](arguments) else 1)
