"""Times one step of DP-SGD beside one plain step, with Opacus (hooks, and fast gradient clipping with ghost norms) and with xfl.

  compare.py --program PATH [--net mlp ...] [--batch 64 ...] [--threads 1 ...] [--runs 5] [--json]

Same networks, batches, threads and made-up data; noise is left out on both sides (noise multiplier 0), the update is not. All take
turns; a figure is the fastest step of all runs: other processes only ever add. "slow-down" is a library's private step over its own plain step.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import warnings

import torch
from opacus import GradSampleModule
from opacus.grad_sample.grad_sample_module_fast_gradient_clipping import GradSampleModuleFastGradientClipping
from opacus.optimizers import DPOptimizer
from opacus.optimizers.optimizer_fast_gradient_clipping import DPOptimizerFastGradientClipping
from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping
from torch import nn

warnings.filterwarnings("ignore")
NETS = ["logistic", "mlp", "cnn", "tokens"]
RATE = 0.01


def network(name):
    if name == "logistic":
        return nn.Linear(61, 1)
    if name == "mlp":
        return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    if name == "cnn":
        convolutions = []
        for before, after in ((1, 8), (8, 16)):
            convolutions += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(16 * 7 * 7, 32), nn.ReLU(), nn.Linear(32, 10))
    return nn.Sequential(nn.Embedding(1000, 16), nn.Flatten(), nn.Linear(512, 64), nn.LayerNorm(64), nn.ReLU(), nn.Linear(64, 10))


def made_up(name, batch):
    draw = torch.Generator().manual_seed(1)
    if name == "logistic":
        return torch.randn(batch, 61, generator=draw), torch.randint(2, (batch, 1), generator=draw).float()
    labels = torch.randint(10, (batch,), generator=draw)
    if name == "tokens":
        return torch.randint(1000, (batch, 32), generator=draw), labels
    shape = (batch, 1, 28, 28) if name == "cnn" else (batch, 784)
    return torch.randn(shape, generator=draw), labels


def stepper(name, batch, way):
    """A function that takes one step."""
    torch.manual_seed(1)
    model, (x, y) = network(name), made_up(name, batch)
    loss = nn.BCEWithLogitsLoss() if name == "logistic" else nn.CrossEntropyLoss()
    settings = {"noise_multiplier": 0.0, "max_grad_norm": 1.0, "expected_batch_size": batch}
    if way == "hooks":
        model = GradSampleModule(model)
        optimizer = DPOptimizer(torch.optim.SGD(model.parameters(), lr=RATE), **settings)
    elif way == "ghost":
        model = GradSampleModuleFastGradientClipping(model, max_grad_norm=1.0, use_ghost_clipping=True)
        optimizer = DPOptimizerFastGradientClipping(torch.optim.SGD(model.parameters(), lr=RATE), **settings)
        loss = DPLossFastGradientClipping(model, optimizer, loss, "mean")
    else:
        optimizer = torch.optim.SGD(model.parameters(), lr=RATE)

    def step():
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()

    return sum(p.numel() for p in model.parameters()), step


def fastest(step, count):
    seconds = []
    for number in range(count + 3):
        began = time.perf_counter()
        step()
        if number >= 3:
            seconds.append(time.perf_counter() - began)
    return min(seconds)


def compare(program, net, batch, threads, runs, steps):
    torch.set_num_threads(threads)
    ways = {way: stepper(net, batch, way) for way in ("plain", "hooks", "ghost")}
    words = [program, "--net", net, "--batch", str(batch), "--steps", str(steps)]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    best = {}
    for _ in range(runs):
        told = json.loads(subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout)
        seconds = {"xfl plain": told["plain"], "xfl private": told["private"]}
        seconds |= {way: fastest(step, steps) for way, (_, step) in ways.items()}
        best = {key: min(best.get(key, value), value) for key, value in seconds.items()}
    counts = {told["parameters"], *(count for count, _ in ways.values())}
    if len(counts) > 1:
        sys.exit(f"{net}: the networks differ: {sorted(counts)} parameters")
    return {"net": net, "parameters": told["parameters"], "batch": batch, "threads": threads, **best}


HEAD = ["parameters", "batch", "threads", "xfl plain", "private", "slow-down", "torch plain", "hooks", "slow-down", "ghost", "slow-down"]
HEAD += ["hooks/xfl", "ghost/xfl"]


def line(found):
    ms = lambda key: f"{1000 * found[key]:.3f}"
    times = lambda a, b: f"{found[a] / found[b]:.2f}"
    cells = [f"{found['parameters']}", f"{found['batch']}", f"{found['threads']}"]
    cells += [ms("xfl plain"), ms("xfl private"), times("xfl private", "xfl plain"), ms("plain")]
    cells += [ms("hooks"), times("hooks", "plain"), ms("ghost"), times("ghost", "plain")]
    return cells + [times("hooks", "xfl private"), times("ghost", "xfl private")]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Times DP-SGD steps of Opacus and xfl.")
    parser.add_argument("--program", required=True, help="step_time")
    parser.add_argument("--net", nargs="+", choices=NETS, default=NETS)
    parser.add_argument("--batch", nargs="+", type=int, default=[64, 256])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not given.json:
        print("Milliseconds, the fastest step of all runs; the last two columns are Opacus' private step over xfl's.")
        print(f"{'net':10}" + "".join(f"{word:>12}" for word in HEAD))
    rows = []
    for net in given.net:
        for batch in given.batch:
            for threads in given.threads:
                rows.append(compare(given.program, net, batch, threads, given.runs, given.steps))
                if not given.json:
                    print(f"{net:10}" + "".join(f"{cell:>12}" for cell in line(rows[-1])), flush=True)
    if given.json:
        print(json.dumps({"version": 1, "rows": rows}))
