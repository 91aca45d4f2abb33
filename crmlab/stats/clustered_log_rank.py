"""Whether groups differ in how soon an event comes, where cases of one customer are alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import NotEnoughData
from crmlab.language import _
from crmlab.stats.clustered import wald_chance
from crmlab.stats.survival import checked

Array = NDArray[np.float64]


def scores(time: ArrayLike, event: ArrayLike, group: ArrayLike) -> pd.DataFrame:
    """What each case adds to observed less expected events of each group.

    Parameters
    ----------
    time, event : array_like, shape (cases,)
        As in `crmlab.stats.survival.kaplan_meier`.
    group : array_like, shape (cases,)

    Returns
    -------
    pandas.DataFrame
        A row per case and a column per group. A column adds up to the observed less the expected
        events of the log-rank test.

    Notes
    -----
    δᵢ(zᵢ − z̄(tᵢ)) − Σ (zᵢ − z̄(u)) d/n over event times u ≤ tᵢ, with zᵢ whether i is in the group,
    z̄(u) its share of those at risk, d events of n at risk: the score residual of Cox's model
    without an effect, ties as Breslow takes them.

    References
    ----------
    Lin, D. Y. and Wei, L. J. (1989), Journal of the American Statistical Association 84, 1074-1078.

    Examples
    --------
    >>> scores([1, 2, 3, 4], [1, 1, 1, 1], ["a", "a", "b", "b"]).sum().round(3).tolist()
    [1.167, -1.167]
    """
    seen = checked(time, event, None, None, drop=False)
    codes, names = pd.factorize(np.asarray(group), sort=True)
    times, place = np.unique(seen.time, return_inverse=True)
    events = np.bincount(place, seen.event, len(times)).astype(float)
    cells = np.bincount(place * len(names) + codes, minlength=len(times) * len(names))
    at_risk = cells.reshape(len(times), -1)[::-1].cumsum(axis=0)[::-1].astype(float)
    everybody = at_risk.sum(axis=1)
    share = at_risk / everybody[:, None]
    jumps = (events / everybody)[:, None]
    own = np.eye(len(names))[codes]
    expected = own * jumps.cumsum(axis=0)[place] - (share * jumps).cumsum(axis=0)[place]
    return pd.DataFrame(seen.event[:, None] * (own - share[place]) - expected, columns=names)


def clustered_log_rank(
    time: ArrayLike, event: ArrayLike, group: ArrayLike, clusters: ArrayLike
) -> float:
    """Probability by chance of groups so different in how soon the event comes.

    Parameters
    ----------
    time, event, group : array_like, shape (cases,)
        As in `scores`.
    clusters : array_like, shape (cases,)
        Such as the customer of each case; one may have cases in several groups.

    Returns
    -------
    float
        NaN where there are fewer clusters than groups, or where they do not vary.

    Raises
    ------
    NotEnoughData
        If there is no event, or one group alone.

    Notes
    -----
    The log-rank test with the variance of its `scores` summed over clusters, held against F
    (Hotelling's T², `crmlab.stats.clustered.wald_chance`). With a case per cluster and many cases
    it is the log-rank test.

    References
    ----------
    Lin, D. Y. and Wei, L. J. (1989), as in `scores`.

    Examples
    --------
    >>> times, groups = [1, 2, 3, 4, 5, 6], ["a", "b", "a", "b", "b", "a"]
    >>> round(clustered_log_rank(times, [1] * 6, groups, range(6)), 3)
    0.833
    """
    added = scores(time, event, group)
    if added.shape[1] < 2 or not np.asarray(event, bool).any():
        raise NotEnoughData(_("To compare groups there must be two of them, and an event."))
    number = np.unique(np.asarray(clusters), return_inverse=True)[1]
    sums = np.zeros((int(number.max()) + 1, added.shape[1] - 1))
    np.add.at(sums, number, added.to_numpy()[:, :-1])
    many = len(sums)
    if many < 2:
        return float("nan")
    apart = sums - sums.mean(axis=0)
    covariance = many / (many - 1) * apart.T @ apart
    return wald_chance(sums.sum(axis=0), covariance, many - 1)
