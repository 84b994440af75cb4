"""Epsilon of sampled Gaussian noise, as close to the truth as two grids and an extrapolation get.

Written apart from xfl's accountant (numpy, cell masses from scipy's normal distribution instead of quadrature) so that the two can check
each other. It is an estimate with an error estimate, not a bound: the pessimistic answers of successive grids fall like the
square of the grid's step, so their limit is extrapolated, and the change of that limit says how good it is.
"""

import numpy as np
from mpmath import mp, mpf
from scipy import optimize, signal, stats

mp.dps = 40


def gaussian_delta(epsilon, mu):
    """Balle and Wang 2018, Theorem 8, in 40 digits."""
    tail = lambda x: mp.erfc(x / mp.sqrt(2)) / 2
    return tail(epsilon / mu - mu / 2) - mp.exp(epsilon) * tail(epsilon / mu + mu / 2)


def root(delta, profile):
    """The epsilon at which a falling profile is delta; 0 if it starts below."""
    if profile(mpf(0)) <= delta:
        return 0.0
    low, high = mpf(0), mpf(1)
    while profile(high) > delta:
        low, high = high, 2 * high
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if profile(middle) > delta else (low, middle)
    return float(high)


def closed(noise, rate, steps, delta, fixed):
    """The exact answer where there is a closed form, else None."""
    noise, rate, delta = mpf(noise), mpf(rate), mpf(delta)
    if rate == 1:
        return root(delta, lambda e: gaussian_delta(e, mp.sqrt(steps) / noise))
    if steps > 1:
        return None
    remove = lambda e: rate * gaussian_delta(mp.log1p(mp.expm1(e) / rate), 1 / noise)

    def add(e):
        left = 1 - mp.exp(e) * (1 - rate)
        return left * gaussian_delta(e + mp.log(rate / left), 1 / noise) if left > 0 else mpf(0)

    return root(delta, remove if fixed else lambda e: max(remove(e), add(e)))


def interval(a, b, mean, noise):
    """P(a < N(mean, noise^2) <= b), from the nearer tail."""
    a, b = (a - mean) / noise, (b - mean) / noise
    right = a > 0
    return np.where(right, stats.norm.sf(np.where(right, a, 0)) - stats.norm.sf(np.where(right, b, 0)),
                    stats.norm.cdf(b) - stats.norm.cdf(np.where(right, b, a)))


def law(noise, rate, step, direction, reach):
    """(first index, masses on the grid): connect the dots from cell probabilities."""
    loss = lambda x: np.log1p(rate * np.expm1((2 * x - 1) / (2 * noise**2)))
    left = 0.5 if direction == "replace" else -reach * noise
    low, high = int(np.floor(loss(left) / step)), int(np.floor(loss(1 + reach * noise) / step)) + 1
    points = np.arange(low, high + 1) * step
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.maximum(np.expm1(points) / rate, -1.0)
        x = noise**2 * np.log1p(ratio) + 0.5
    x = np.clip(x, left, 1 + reach * noise)
    one, zero = interval(x[:-1], x[1:], 1.0, noise), interval(x[:-1], x[1:], 0.0, noise)
    p, q = rate * one + (1 - rate) * zero, zero
    lower, upper, share = points[:-1], points[1:], -np.expm1(-step)
    # removal: P = mixture, loss in [lower, upper]; adding: P = N(0), loss in [-upper, -lower].
    up_removed = np.clip((p - np.exp(lower) * q) / share, 0, p)
    up_added = np.clip((q - np.exp(-upper) * p) / share, 0, q)
    removed, added = np.zeros(len(points)), np.zeros(len(points))
    removed[1:] += up_removed
    removed[:-1] += p - up_removed
    added[:-1] += up_added
    added[1:] += q - up_added
    if direction == "remove":
        return low, removed
    if direction == "add":
        return -high, added[::-1]
    atom = (1 - rate) * (1 - 2 * stats.norm.sf(0.5 / noise))
    both = np.concatenate([added[:0:-1], [added[0] + removed[0] + atom], removed[1:]])
    return -high, both


def on_grid(noise, rate, steps, delta, direction, step, tilt):
    reach = np.sqrt(2 * (np.log(steps / delta) + 20))
    first, mass = law(noise, rate, step, direction, reach)
    index = first + np.arange(len(mass))
    keep = mass > 0
    index, log_mass = index[keep], np.log(mass[keep])

    def cumulant(t):
        weights = log_mass + t * step * index
        top = weights.max()
        weights = np.exp(weights - top)
        return steps * (top + np.log(weights.sum())), steps * step * (weights * index).sum() / weights.sum()

    def solve(goal, guess):
        low, high = guess, guess
        while goal(high) < 0:
            high *= 2
            if high > 1e9:
                return None
        while goal(low) > 0:
            low /= 2
        return np.exp(optimize.brentq(lambda u: goal(np.exp(u)), np.log(low), np.log(high), xtol=1e-3)) if low < high else low

    def rarity(t):
        value, mean = cumulant(t)
        return t * mean - value + np.log(delta)

    tilt = solve(rarity, tilt)
    if tilt is None:
        return None
    value, centre = cumulant(tilt)

    def outside(side):
        def goal(shift):
            v, m = cumulant(tilt + side * shift)
            return value - v + side * shift * m - 30
        shift = solve(goal, tilt)
        # No such shift: even the most extreme sum is likelier than that.
        extreme = steps * step * (index[-1] if side > 0 else index[0])
        return extreme if shift is None else cumulant(tilt + side * shift)[1]

    above, below = outside(1), outside(-1)
    start, end = int(below / step) - 2, int(above / step) + 2
    size = 1 << int(np.ceil(np.log2(max(end - start, 16))))
    if size > 1 << 22:
        return None
    ring = np.zeros(size)
    np.add.at(ring, index % size, np.exp(log_mass + tilt * step * index - value / steps))
    ring = np.fft.irfft(np.fft.rfft(ring) ** steps, size)
    where = np.arange(start, end + 1)
    losses = where * step
    weights = np.maximum(ring[where % size], 0) * np.exp(value - tilt * losses)
    above_mass = np.concatenate([np.cumsum(weights[::-1])[::-1], [0]])[1:]
    # delta at one point is e^-step times that at the next, plus (1 - e^-step) times the mass above.
    deltas = signal.lfilter([-np.expm1(-step)], [1, -np.exp(-step)], above_mass[::-1])[::-1]
    over = np.flatnonzero(deltas > delta)
    if len(over):
        i = over[-1]
        t = -np.log1p(-(delta - deltas[i + 1]) / (above_mass[i] - deltas[i + 1]))
        return max(losses[i + 1] - t, 0.0), tilt, size
    return 0.0, tilt, size


def direction_epsilon(noise, rate, steps, delta, direction, enough=0.0, goal=2e-5):
    """(epsilon, how far it may be off) of one direction; (0, 0) if it is below `enough`, where another direction's is."""
    reach = np.sqrt(2 * (np.log(steps / delta) + 20))
    top = np.log1p(rate * np.expm1((2 * (1 + reach * noise) - 1) / (2 * noise**2)))
    step, tilt = 2.0 ** np.floor(np.log2(top / 300)), 1.0
    answers, limits = [], []
    for _ in range(14):
        got = on_grid(noise, rate, steps, delta, direction, step, tilt)
        if got is None and not answers:
            step *= 2
            continue
        if got is None or got[2] > 1 << 20 or top / step > 2e6:
            break
        answers.append(got[0])
        # Every grid's answer is an upper bound.
        if answers[-1] <= enough:
            return 0.0, 0.0
        tilt = got[1]
        if len(answers) > 1:
            limits.append((4 * answers[-1] - answers[-2]) / 3)
        if len(limits) > 1 and abs(limits[-1] - limits[-2]) <= goal * limits[-1]:
            break
        step /= 2
    if len(limits) < 2:
        return None
    return limits[-1], abs(limits[-1] - limits[-2])


def epsilon(noise, rate, steps, delta, fixed=False):
    """(epsilon, error estimate), the larger direction's; None where no grid was fine enough."""
    exact = closed(noise, rate, steps, delta, fixed)
    if exact is not None:
        return exact, 0.0
    if fixed:
        return direction_epsilon(noise, rate, steps, delta, "replace")
    remove = direction_epsilon(noise, rate, steps, delta, "remove")
    add = remove and direction_epsilon(noise, rate, steps, delta, "add", enough=remove[0])
    return add and max(remove, add)
