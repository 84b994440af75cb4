"""Rows larger than memory: python large.py --xfl PATH [--scratch FOLDER]

Writes n rows of d coordinates (64 x 50 million in f32: 12.8 GB), then runs rules on them with the file out of the page cache before each,
beside a plain read of the whole file. Says seconds, what was read from the disk, and the program's largest resident memory, which must stay
below --most MiB. Needs NumPy and Linux. The file is removed at the end.
"""

import argparse
import os
import pathlib
import sys
import tempfile
import time

import measure

RULES = [
    ("trimmed-mean", [], {}),
    ("geometric-median", [], {"nu": 0.1, "iterations": 3}),
    ("multi-krum", [], {}),
    ("median", ["nnm"], {}),
]


def forget(path):
    """Drops the file from the page cache."""
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)


def plain_read(path):
    """Seconds for reading the file once, from the disk."""
    forget(path)
    buffer = bytearray(8 << 20)
    began = time.perf_counter()
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return time.perf_counter() - began


def main(given):
    fine = True
    with tempfile.TemporaryDirectory(dir=given.scratch) as name:
        folder = pathlib.Path(name)
        source = folder / "rows.npy"
        began = time.perf_counter()
        measure.write_rows(source, given.n, given.d)
        size = source.stat().st_size
        print(f"n {given.n}, f {given.f}, d {given.d:,}, f32: {size / 1e9:.1f} GB, written in {time.perf_counter() - began:.0f} s", flush=True)
        seconds = plain_read(source)
        print(f"a plain read takes {seconds:.1f} s, {size / seconds / 1e9:.2f} GB/s; {given.threads} threads below", flush=True)
        print(f"{'rule':28}{'seconds':>10}{'rows read at':>16}{'from disk':>14}{'peak MiB':>10}")
        program = measure.Program(given.xfl)
        for rule, pre, parameters in RULES:
            case = {"rule": rule, "pre": pre, "f": given.f, "parameters": parameters}
            forget(source)
            data, _, peak = program.run(case, source, folder / "out.npy", folder, given.threads)
            took = data["timings"]["rule"] + data["timings"]["write"]
            fine &= peak < given.most
            title, rate = " + ".join([*pre, rule]), f"{size / took / 1e9:.2f} GB/s"
            print(f"{title:28}{took:10.1f}{rate:>16}{program.read / 1e9:11.1f} GB{peak:10.0f}", flush=True)
        program.end()
    return 0 if fine else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Runs rules on rows larger than memory.")
    parser.add_argument("--xfl", required=True, help="the program")
    parser.add_argument("--scratch", help="folder for the rows; the system's default where absent")
    parser.add_argument("-n", type=int, default=64)
    parser.add_argument("-d", type=int, default=50_000_000)
    parser.add_argument("-f", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--most", type=float, default=1024, help="MiB of resident memory that no rule may reach")
    sys.exit(main(parser.parse_args()))
