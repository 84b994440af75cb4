"""Times every rule of `xfl aggregate` as rows and coordinates grow, and draws it: python cost.py --xfl PATH [--out FOLDER]

Writes cost.csv (a line for every run), cost.svg (seconds over n and over d, and memory over d). Needs NumPy and matplotlib. Rows that take
more than --memory MiB stay in their file and are read in blocks, as the program does it by itself; those points are hollow. What a rule
refuses (a search through too many subsets) or doesn't finish within --patience seconds is left out and said so. After --budget seconds
no new point is begun.
"""

import argparse
import csv
import pathlib
import sys
import tempfile
import time

import matplotlib
import numpy as np

import measure

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "xfl"
import matplotlib.pyplot as plt

PLAIN = "mean median trimmed-mean meamed sign-majority geometric-median centered-clipping krum multi-krum bulyan mda monna caf smea flame foolsgold"
RULES = [(name, [], {}) for name in PLAIN.split()]
RULES += [
    ("norm-clipping", [], {"norm": 100.0}),
    ("dnc", [], {"seed": 1}),
    ("fltrust", [], {"reference": None}),
    ("trimmed-mean", ["nnm"], {}),
    ("trimmed-mean", ["arc"], {}),
]
NS = [10, 20, 50, 100, 200, 500]
DS = [10**4, 10**5, 10**6, 10**7, 10**8]
FIELDS = ["sweep", "rule", "n", "f", "d", "threads", "held", "seconds", "process_seconds", "peak_mib"]


def title(rule, pre):
    return " + ".join([*pre, rule])


def points(given, folder, program):
    began = time.perf_counter()
    sweeps = [("n", n, given.fixed_d) for n in NS if n <= given.most_n] + [("d", given.fixed_n, d) for d in DS if d <= given.most_d]
    for sweep, n, d in sweeps:
        source = folder / "rows.npy"
        shared = measure.write_rows(source, n, d)
        held = n * d * 4 <= given.memory << 20
        for rule, pre, parameters in RULES:
            if time.perf_counter() - began > given.budget:
                print(f"the budget of {given.budget} s is spent: left out from {title(rule, pre)} at n = {n}, d = {d} on")
                source.unlink()
                return
            f = (n - 3) // 4 if rule == "bulyan" else n // 5
            asked = {"rule": rule, "pre": pre, "f": f, "parameters": dict(parameters)}
            if "reference" in parameters:
                asked["parameters"]["reference"] = folder / "reference.npy"
                np.save(folder / "reference.npy", np.resize(shared, d))
            best = None
            for _ in range(given.runs):
                try:
                    data, seconds, peak = program.run(asked, source, folder / "out.npy", folder, given.threads, given.memory, given.patience)
                except RuntimeError as error:
                    print(f"left out: {title(rule, pre)} at n = {n}, d = {d}: {str(error).splitlines()[0][-200:]}")
                    break
                took = data["timings"]["rule"]
                best = min(best or (took, seconds, peak), (took, seconds, peak))
                if took > 0.5:
                    break
            if best:
                cells = [sweep, title(rule, pre), n, f, d, given.threads, held, *(f"{value:.6f}" for value in best)]
                yield dict(zip(FIELDS, cells))
        source.unlink()


def draw(rows, path, given):
    panels = [
        ("n", "n", "seconds", f"seconds over rows n, d = {given.fixed_d:,}"),
        ("d", "d", "seconds", f"seconds over coordinates d, n = {given.fixed_n}"),
        ("d", "d", "peak_mib", "largest resident memory (MiB) over d"),
    ]
    names = list(dict.fromkeys(row["rule"] for row in rows))
    colours = plt.get_cmap("tab20")
    figure, axes = plt.subplots(1, 3, figsize=(17, 6.5), layout="constrained")
    for axis, (sweep, over, what, heading) in zip(axes, panels):
        for index, name in enumerate(names):
            line = [row for row in rows if row["rule"] == name and row["sweep"] == sweep]
            xs, ys = [row[over] for row in line], [float(row[what]) for row in line]
            colour, style = colours(index % 20), ["-", "--"][index // 20 % 2]
            axis.plot(xs, ys, style, color=colour, linewidth=1.2, label=name)
            for x, y, row in zip(xs, ys, line):
                axis.plot(x, y, "o", markersize=4, color=colour, markerfacecolor=colour if row["held"] else "white")
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_title(heading, fontsize=11)
        axis.set_xlabel(over)
        axis.grid(True, which="major", linewidth=0.4, alpha=0.6)
    handles, labels = axes[0].get_legend_handles_labels() if names else ([], [])
    figure.legend(handles, labels, loc="outside right center", fontsize=9, frameon=False)
    figure.suptitle(
        f"xfl aggregate on f32 rows, {given.threads} threads; hollow: rows over {given.memory} MiB stay in their file, reading counted", fontsize=11
    )
    figure.savefig(path, metadata={"Date": None})


def main(given):
    given.out.mkdir(parents=True, exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory(dir=given.scratch) as name:
        program = measure.Program(given.xfl)
        for row in points(given, pathlib.Path(name), program):
            rows.append(row)
            print(f"{row['rule']:28} n {row['n']:4} d {row['d']:10} {row['seconds']:>12} s {row['peak_mib']:>14} MiB", flush=True)
        program.end()
    with open(given.out / "cost.csv", "w", newline="") as file:
        table = csv.DictWriter(file, FIELDS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    draw(rows, given.out / "cost.svg", given)
    print(f"{len(rows)} points in {given.out / 'cost.csv'} and cost.svg")
    return 0 if rows else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Times every rule as rows and coordinates grow, and draws it.")
    parser.add_argument("--xfl", required=True, help="the program")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."), help="folder of cost.csv and cost.svg")
    parser.add_argument("--scratch", help="folder for the rows, up to 4 GB; the system's default where absent")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", type=int, default=512, help="MiB of rows that are held in memory")
    parser.add_argument("--runs", type=int, default=3, help="of a point; one where it takes over half a second")
    parser.add_argument("--fixed-d", type=int, default=100_000, help="d while n grows")
    parser.add_argument("--fixed-n", type=int, default=10, help="n while d grows")
    parser.add_argument("--most-n", type=int, default=NS[-1])
    parser.add_argument("--most-d", type=int, default=DS[-1])
    parser.add_argument("--patience", type=float, default=40, help="seconds after which a run is given up")
    parser.add_argument("--budget", type=float, default=330, help="seconds after which no point is begun")
    sys.exit(main(parser.parse_args()))
