"""Customers whose parameters are known, simulated purchase by purchase."""

import numpy as np


def simulated(model, parameters, *, ages, seed):
    """Frequency and recency at the given ages."""
    frequency, recency, _there = watched(model, parameters, ages=ages, seed=seed)[0]
    return frequency, recency


def watched(model, parameters, *, ages, seed, before=0.0):
    """Frequency, recency and whether still there, at the ages and so long before."""
    random = np.random.default_rng(seed)
    many = len(ages)
    r, alpha, c, d = parameters
    rate = random.gamma(r, 1 / alpha, many)
    chance = random.beta(c, d, many) if model == "bg_nbd" else np.zeros(many)
    end = np.full(many, np.inf)
    if model == "pareto_nbd":
        end = random.exponential(1 / random.gamma(c, 1 / d, many))
    looks = [np.asarray(ages, float), np.asarray(ages, float) - before]
    frequency, recency = np.zeros((2, many)), np.zeros((2, many))
    now, going = np.zeros(many), np.arange(many)
    while len(going):
        now[going] += random.exponential(1 / np.maximum(rate[going], 1e-200))
        going = going[now[going] < np.minimum(looks[0], end)[going]]
        for look, at in enumerate(looks):
            seen = going[now[going] < at[going]]
            frequency[look, seen] += 1
            recency[look, seen] = now[seen]
        goes = random.random(len(going)) < chance[going]
        end[going[goes]] = now[going[goes]]
        going = going[~goes]
    return [(frequency[look], recency[look], end >= at) for look, at in enumerate(looks)]


def leaving_alike(many):
    """Frequency, recency and age where all leave at one rate, 1/200, but buy at different ones."""
    random = np.random.default_rng(3)
    age = random.uniform(100, 700, many)
    end = np.minimum(age, random.exponential(200, many))
    frequency = random.poisson(random.gamma(0.5, 0.04, many) * end)
    recency = np.where(frequency > 0, end * random.beta(np.maximum(frequency, 1), 1), 0)
    return frequency, recency, age


def spending(many, seed, true):
    """Purchases, and the mean spend of each, where it is Gamma-Gamma with these p, q and v."""
    random = np.random.default_rng(seed)
    p, q, v = true
    frequency = random.integers(1, 9, many)
    rate = random.gamma(q, 1 / v, many)
    return frequency, random.gamma(p * frequency) / rate / frequency
