"""Cases whose time to an event is drawn at random."""

import numpy as np


def random_cases(seed, n=300):
    """Days with many ties, late entries, three groups."""
    random = np.random.default_rng(seed)
    group = random.integers(0, 3, n)
    time = np.ceil(random.exponential(20 + 10 * group))
    entry = np.where(random.random(n) < 0.4, random.integers(0, 20, n), 0)
    kept = entry < time
    event = random.random(n) < 0.7
    return time[kept], event[kept], entry[kept], group[kept]
