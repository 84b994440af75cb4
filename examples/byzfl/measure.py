"""`xfl aggregate` as a process that is timed and weighed."""

import json
import pathlib
import subprocess
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent


def command(xfl, case, source, target, folder):
    """The command line that asks xfl for the same; vectors among the parameters are saved in `folder`."""
    words = [xfl, "--json", "aggregate", "--rule", case["rule"], "--byzantine", str(case["f"])]
    for name in case["pre"]:
        words += ["--pre", name]
    for name, value in case["parameters"].items():
        if isinstance(value, list):
            path = folder / f"{name}.npy"
            np.save(path, np.array(value, "<i8" if name == "permutation" else "<f8"))
            value = path
        words += ["--param", f"{name}={value}"]
    return [str(word) for word in [*words, source, "-o", target]]


def write_rows(path, n, d):
    """n rows of f32: a shared direction, noise as large, and the last fifth far away; a block of coordinates again and again."""
    draw = np.random.default_rng(5)
    block = min(d, 1_000_003)
    shared = draw.standard_normal(block, dtype="f4")
    with open(path, "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (n, d)}
        np.lib.format.write_array_header_1_0(file, header)
        for row in range(n):
            values = shared + draw.standard_normal(block, dtype="f4")
            values *= -10 if row >= n - n // 5 else 1
            for at in range(0, d, block):
                file.write(values[: d - at].tobytes())
    return shared


class Program:
    """Runs xfl through a small parent, so that its memory is its own."""

    def __init__(self, xfl):
        self.xfl, self.read = xfl, 0
        pipe = subprocess.PIPE
        self.parent = subprocess.Popen([sys.executable, "-S", HERE / "launch.py"], stdin=pipe, stdout=pipe, text=True)

    def run(self, case, source, target, folder, threads, memory=None, patience=None):
        """The JSON of one run, the process's seconds and its largest resident memory in MiB; `memory` is the program's option, and
        after `patience` seconds it is ended. What it read from the disk is in `self.read`, in bytes."""
        words = command(self.xfl, case, source, target, folder)
        words += [] if memory is None else ["--memory", str(memory)]
        asked = {"words": words, "environment": {"RAYON_NUM_THREADS": str(threads)}, "patience": patience}
        self.parent.stdin.write(json.dumps(asked) + "\n")
        self.parent.stdin.flush()
        told = json.loads(self.parent.stdout.readline())
        if told["code"]:
            raise RuntimeError(f"{' '.join(words)}: exit code {told['code']}: {told['output']} {told['complaint']}")
        self.read = told["read"]
        return json.loads(told["output"])["data"], told["seconds"], told["peak"]

    def end(self):
        self.parent.stdin.close()
        self.parent.wait()
