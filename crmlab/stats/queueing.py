"""Waiting lines: how long cases wait for a desk, first come first served or the best class first.

Rates are per unit of time, waits in the same unit; whoever calls decides whether that is an hour
or a minute. A wait ends when somebody begins to work on the case, not when the case is done.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError
from crmlab.language import _
from crmlab.stats.intervals import check_confidence

Array = NDArray[np.float64]

#: No desk is looked for beyond so many servers.
MOST_SERVERS = 10_000

# Euler summation of Abate and Whitt (1995): the error is about exp(-A).
_A = 18.4
_TERMS = 25
_AVERAGED = np.array([1, 11, 55, 165, 330, 462, 462, 330, 165, 55, 11, 1]) / 2**11


class FifoWait(NamedTuple):
    """The wait at a desk where all are served in the order in which they come.

    Attributes
    ----------
    servers : int
    load : float
        Servers kept busy on average, if there were enough: arrival rate times mean duration.
    utilisation : float
        Load per server. From 1 on the line grows without end.
    waiting : float
        Probability that a case has to wait at all.
    mean : float
        Mean wait, over those too who do not wait; infinite from a utilisation of 1 on.
    """

    servers: int
    load: float
    utilisation: float
    waiting: float
    mean: float

    def within(self, time: float) -> float:
        """Probability of waiting at most `time`.

        Notes
        -----
        1 − C exp(−(cμ − λ)t). With C = P(wait > 0) and Wq = C/(cμ − λ), the rate of the
        exponential is C/Wq.
        """
        if not np.isfinite(self.mean):
            return 0.0
        if self.mean == 0:
            return 1.0
        return float(1 - self.waiting * np.exp(-self.waiting / self.mean * time))


def erlang_c(servers: int, load: float) -> float:
    """Probability that a case finds all servers busy and has to wait (M/M/c).

    Parameters
    ----------
    servers : int
        c, at least 1.
    load : float
        Arrival rate times mean duration.

    Returns
    -------
    float
        1 where the load is as large as the number of servers, or larger.

    Raises
    ------
    CrmlabError
        If there is no server or the load is negative.

    Notes
    -----
    From Erlang's loss formula by its recursion B(k) = aB(k−1) / (k + aB(k−1)), B(0) = 1, which
    has no factorials to overflow: C = cB / (c − a(1 − B)).

    References
    ----------
    Gross, D., Shortle, J. F., Thompson, J. M. and Harris, C. M. (2008), Fundamentals of Queueing
    Theory, 4th edition, section 2.3.

    Examples
    --------
    >>> round(erlang_c(2, 1.0), 4)
    0.3333
    """
    _check(servers, [load], [1.0])
    if load >= servers:
        return 1.0
    lost = 1.0
    for busy in range(1, servers + 1):
        lost = load * lost / (busy + load * lost)
    return float(servers * lost / (servers - load * (1 - lost)))


def fifo_wait(arrival_rate: float, service_rate: float, servers: int = 1) -> FifoWait:
    """How long cases wait when they are served in the order in which they come (M/M/c).

    Parameters
    ----------
    arrival_rate, service_rate : float
        Cases that come, and cases that one busy server finishes, per unit of time.
    servers : int

    Returns
    -------
    FifoWait
        `.mean` in units of time; `.within(t)` is the share who wait at most t.

    Raises
    ------
    CrmlabError
        If a rate is negative, the service rate 0, or there is no server.

    Notes
    -----
    Arrivals are Poisson, durations exponential, nobody gives up. Wq = C(c, λ/μ) / (cμ − λ).

    References
    ----------
    Gross et al. (2008), Fundamentals of Queueing Theory, section 2.3.

    Examples
    --------
    >>> round(fifo_wait(2.0, 3.0).mean, 4)
    0.6667
    """
    _check(servers, [arrival_rate], [service_rate])
    load = arrival_rate / service_rate
    waiting = erlang_c(servers, load)
    spare = servers * service_rate - arrival_rate
    mean = waiting / spare if spare > 0 else np.inf
    return FifoWait(servers, load, load / servers, waiting, float(mean))


def priority_wait(
    arrival_rates: ArrayLike,
    service_rates: ArrayLike,
    servers: int = 1,
    *,
    variability: ArrayLike | None = None,
) -> pd.DataFrame:
    """How long each class waits when the best class goes first, work begun being finished.

    Parameters
    ----------
    arrival_rates : array_like of float
        Per class, the best first.
    service_rates : array_like of float
        Per class, or one for all.
    servers : int
    variability : array_like of float, optional
        Squared coefficient of variation (variance over squared mean) of the durations, per class or
        one for all: 1 for exponential ones, 0 for equal ones. Default 1.

    Returns
    -------
    pandas.DataFrame
        A row per class: class (1 is the best), arrival_rate, load, utilisation (of this class and
        all better ones, per server), wait_fifo (if all were served in the order in which they
        come) and wait, in units of time.

    Raises
    ------
    CrmlabError
        If there are several servers and the durations of the classes are not exponential with one
        mean: there is no closed form then, use `simulate_priority`. Also if a rate is negative.

    Notes
    -----
    W_k = W0 / ((1 − σ_{k−1})(1 − σ_k)), where σ_k is the utilisation by classes 1 to k and W0 the
    mean time until a server falls free that a new case finds: one server, Σ λ_i E[S_i²]/2 for any
    durations (Cobham); c servers, C(c, a)/(cμ). First come, first served is W0/(1 − σ).

    Where all classes together are more than the servers can do, the line of some class grows
    without end: its wait and that of all below it are infinite. The better classes keep a finite
    wait. The servers are then never idle, and what the better classes leave free goes to that
    class: W0 counts its durations for that share of the time.

    References
    ----------
    Cobham, A. (1954), Priority assignment in waiting line problems, Operations Research 2, 70-76.
    Gross et al. (2008), Fundamentals of Queueing Theory, section 3.4.

    Examples
    --------
    >>> priority_wait([0.2, 0.6, 1.2], 3.0)["wait"].round(4).tolist()
    [0.2381, 0.3247, 0.9091]
    """
    arrivals = np.atleast_1d(np.asarray(arrival_rates, dtype=float))
    rates = np.broadcast_to(np.asarray(service_rates, dtype=float), arrivals.shape)
    spread = 1.0 if variability is None else variability
    squared = np.broadcast_to(np.asarray(spread, dtype=float), arrivals.shape)
    _check(servers, arrivals, rates)
    if servers > 1 and not (np.allclose(rates, rates[0]) and np.allclose(squared, 1)):
        raise CrmlabError(
            _(
                "With {servers} servers there is a closed form only for exponential durations of "
                "one mean for all classes. Give one service rate, or use simulate_priority()."
            ).format(servers=servers)
        )
    loads = arrivals / rates
    used = np.cumsum(loads) / servers
    before = used - loads / servers
    residual = _residual(arrivals, rates, squared, servers)
    open_line = used < 1
    waits = np.full(len(arrivals), np.inf)
    waits[open_line] = residual / ((1 - before[open_line]) * (1 - used[open_line]))
    return pd.DataFrame(
        {
            "class": np.arange(1, len(arrivals) + 1),
            "arrival_rate": arrivals,
            "load": loads,
            "utilisation": used,
            "wait_fifo": residual / (1 - used[-1]) if used[-1] < 1 else np.inf,
            "wait": waits,
        }
    )


def priority_within(
    arrival_rates: ArrayLike, service_rate: float, servers: int, target: ArrayLike
) -> Array:
    """The share of each class that waits at most a target, the best class first (M/M/c).

    Parameters
    ----------
    arrival_rates : array_like of float
        Per class, the best first.
    service_rate : float
        One for all classes.
    servers : int
    target : array_like of float
        Per class, or one for all; 0 gives the share that does not wait.

    Returns
    -------
    numpy.ndarray
        0 for a class whose line grows without end.

    Raises
    ------
    CrmlabError
        If a rate is negative, the service rate 0, or there is no server.

    Notes
    -----
    A case that has to wait does so for a time with the Laplace transform
    (1 − σ_k) m (1 − η(s)) / (s − λ_k + λ_k η(s)), where m = cμ and η is the transform of the busy
    period that the better classes alone would keep up; inverted numerically. A single class has
    the exponential of `FifoWait.within`.

    References
    ----------
    Davis, R. H. (1966), Operations Research 14, 133-136. Kella, O. and Yechiali, U. (1985),
    Stochastic Models 1, 257-262. Abate, J. and Whitt, W. (1995), ORSA Journal on Computing 7,
    36-43.

    Examples
    --------
    >>> priority_within([0.2, 0.6, 1.2], 3.0, 1, 1.0).round(3)
    array([0.959, 0.913, 0.701])
    """
    arrivals = np.atleast_1d(np.asarray(arrival_rates, dtype=float))
    targets = np.broadcast_to(np.asarray(target, dtype=float), arrivals.shape)
    _check(servers, arrivals, [service_rate])
    capacity = servers * service_rate
    used = np.cumsum(arrivals) / capacity
    waiting = erlang_c(servers, float(arrivals.sum() / service_rate))
    better = np.concatenate([[0.0], np.cumsum(arrivals)[:-1]])
    return np.array(
        [
            0.0 if used[k] >= 1 else 1 - waiting * _beyond(time, arrivals[k], better[k], capacity)
            for k, time in enumerate(targets)
        ]
    )


def conserved_wait(arrival_rates: ArrayLike, service_rates: ArrayLike, waits: ArrayLike) -> float:
    """The mean wait of a unit of work, which no order of the classes can change.

    Parameters
    ----------
    arrival_rates, service_rates, waits : array_like of float
        Per class.

    Returns
    -------
    float
        Σ ρ_i W_i / Σ ρ_i with ρ_i the load of class i.

    Notes
    -----
    It is the same for every order that does not look at how long a case will take, as long as work
    begun is finished and no server is idle while a case waits: exactly for one server, and for
    several if the durations are exponential with one mean. With one mean for all classes it is the
    plain mean over cases: what one class gains, another loses.

    References
    ----------
    Kleinrock, L. (1965), A conservation law for a wide class of queueing disciplines, Naval
    Research Logistics Quarterly 12, 181-192.

    Examples
    --------
    >>> rates, waits = [0.2, 0.6, 1.2], priority_wait([0.2, 0.6, 1.2], 3.0)["wait"]
    >>> round(conserved_wait(rates, 3.0, waits), 4)
    0.6667
    """
    loads = np.asarray(arrival_rates, dtype=float) / np.asarray(service_rates, dtype=float)
    some = loads > 0
    return float(np.average(np.asarray(waits, dtype=float)[some], weights=loads[some]))


def servers_needed(
    arrival_rates: ArrayLike, service_rate: float, *, target: ArrayLike, share: ArrayLike
) -> int:
    """The fewest servers with which each class keeps its promise.

    Parameters
    ----------
    arrival_rates : array_like of float
        One rate for a desk that serves all in the order in which they come; several for classes,
        the best first.
    service_rate : float
        One for all classes.
    target, share : array_like of float
        At least `share` of the cases wait at most `target`; per class, or one for all. A class of
        share 0 has no promise, and does not count.

    Returns
    -------
    int

    Raises
    ------
    CrmlabError
        If a share is not between 0 and 1 (1 itself cannot be promised), or more than
        `MOST_SERVERS` servers would be needed.

    Examples
    --------
    Twenty calls an hour, each 6 minutes: 80 % within a minute.

    >>> servers_needed(20, 10, target=1 / 60, share=0.8)
    4
    """
    arrivals = np.atleast_1d(np.asarray(arrival_rates, dtype=float))
    shares = np.broadcast_to(np.asarray(share, dtype=float), arrivals.shape)
    if not ((shares >= 0) & (shares < 1)).all():
        raise CrmlabError(
            _("The share to be answered in time is at least 0 and below 1, such as 0.9.")
        )
    _check(1, arrivals, [service_rate])
    promised = shares > 0
    load = arrivals[: np.flatnonzero(promised)[-1] + 1].sum() / service_rate if any(promised) else 0
    for servers in range(max(1, int(np.floor(load)) + (load > 0)), MOST_SERVERS + 1):
        within = priority_within(arrivals, service_rate, servers, target)
        if (within[promised] >= shares[promised]).all():
            return servers
    raise CrmlabError(
        _("More than {servers} servers would be needed; are rates and target of one unit?").format(
            servers=MOST_SERVERS
        )
    )


@dataclass(frozen=True)
class SimulatedWaits:
    """What a simulation of a desk found.

    Attributes
    ----------
    classes : pandas.DataFrame
        A row per class, the best first: class, cases (whose wait was observed, over all
        replications), unserved (cases still waiting at the end, counted with their wait so far),
        wait, low, high and, with a target, within, within_low, within_high.
    overall : pandas.Series
        The mean wait of a unit of work (`conserved_wait`): wait, low, high.
    """

    classes: pd.DataFrame
    overall: pd.Series


def simulate_priority(
    arrival_rates: ArrayLike,
    service: Sequence[Any],
    servers: int,
    *,
    duration: float,
    warm_up: float,
    replications: int = 20,
    seed: int = 0,
    priority: bool = True,
    target: float | None = None,
    confidence: float = 0.95,
) -> SimulatedWaits:
    """How long each class waits, by playing the desk through many times.

    Parameters
    ----------
    arrival_rates : array_like of float
        Per class, the best first; arrivals are Poisson.
    service : sequence
        Per class, a number (rate of exponential durations) or an array of observed durations, from
        which one is drawn for each case.
    servers : int
    duration, warm_up : float
        Of one replication. Cases that come during the warm-up, when the desk is emptier than
        usual, are not counted; it goes on for as long again after the cases that are, so that
        those get served.
    replications : int
        At least 2; each is independent of the others.
    seed : int
    priority : bool
        False: all are served in the order in which they come.
    target : float, optional
        Also find the share that waits at most this long.
    confidence : float

    Returns
    -------
    SimulatedWaits

    Raises
    ------
    CrmlabError
        If the classes do not fit together, a rate is negative or there are too few replications.

    Notes
    -----
    Simulated with Ciw; work begun is finished. Each interval is Student's, over the means of the
    replications. Ciw draws from Python's and its own global generator; both are left as they were
    found. A class whose line grows without end has no mean: what is found then is that of the
    simulated time, and `unserved` is large.

    References
    ----------
    Palmer, G. I., Knight, V. A., Harper, P. R. and Hawa, A. L. (2019), Ciw: an open-source
    discrete event simulation library, Journal of Simulation 13, 68-82. Law, A. M. (2015),
    Simulation Modeling and Analysis, 5th edition, section 9.5.

    Examples
    --------
    >>> found = simulate_priority([1.0, 1.0], [3.0, 3.0], 1, duration=200, warm_up=20,
    ...     replications=5)
    >>> found.classes["wait"].is_monotonic_increasing
    True
    """
    check_confidence(confidence)
    arrivals = np.atleast_1d(np.asarray(arrival_rates, dtype=float))
    means = _check_simulation(arrivals, service, servers, replications)
    network = _network(arrivals, service, servers, priority)
    runs = []
    with _own_randomness():
        for replication in range(replications):
            runs.append(_replicate(network, 1000 * seed + replication, duration, warm_up))
    waits = pd.concat(runs, keys=range(replications), names=["replication"]).reset_index()
    return _summary(waits, means, target, confidence)


def replayed_waits(arrivals: ArrayLike, durations: ArrayLike, servers: int) -> Array:
    """The wait of each case of a given sequence, first come first served.

    Parameters
    ----------
    arrivals : array_like of float
        Times of arrival, in order.
    durations : array_like of float
        Of the same cases, in the same unit.
    servers : int

    Returns
    -------
    numpy.ndarray

    Notes
    -----
    Each case goes to the server who is free first (the recursion of Kiefer and Wolfowitz 1955).
    Nothing is assumed of how cases come.

    Examples
    --------
    >>> replayed_waits([0, 1, 2], [3, 3, 3], 1).tolist()
    [0.0, 2.0, 4.0]
    """
    _check(servers, [], [1.0])
    come, lasts = (np.asarray(each, dtype=float).tolist() for each in (arrivals, durations))
    free = [-np.inf] * servers
    waits = np.empty(len(come))
    for place, (arrival, duration) in enumerate(zip(come, lasts, strict=True)):
        begins = max(arrival, free[0])
        waits[place] = begins - arrival
        heapq.heapreplace(free, begins + duration)
    return waits


def _check(servers: int, arrivals: ArrayLike, rates: ArrayLike) -> None:
    if servers < 1 or servers != int(servers):
        raise CrmlabError(
            _("The number of servers is a whole number from 1 on; it is {servers}.").format(
                servers=servers
            )
        )
    come, served = np.asarray(arrivals, dtype=float), np.asarray(rates, dtype=float)
    if not (np.isfinite(come).all() and (come >= 0).all() and (served > 0).all()):
        raise CrmlabError(
            _("Arrival rates are 0 or more, service rates above 0: {arrivals}; {rates}.").format(
                arrivals=np.round(come, 4).tolist(), rates=np.round(served, 4).tolist()
            )
        )


def _residual(arrivals: Array, rates: Array, squared: Array, servers: int) -> float:
    """Mean time until a server falls free that a new case finds (W0)."""
    if servers > 1:
        load = float(arrivals.sum() / rates[0])
        return erlang_c(servers, load) / float(servers * rates[0])
    loads = arrivals / rates
    before = np.cumsum(loads) - loads
    # Of a class beyond saturation only so much is served as the better ones leave time for.
    shares = np.minimum(loads, np.clip(1 - before, 0, None))
    return float(np.sum(shares * (1 + squared) / (2 * rates)))


def _beyond(time: float, arrival: float, better: float, capacity: float) -> float:
    """Probability that a case that has to wait does so for longer than `time`."""
    if time <= 0:
        return 1.0
    used = (arrival + better) / capacity

    def tail(s: Any) -> Any:
        root = np.sqrt((s + better + capacity) ** 2 - 4 * better * capacity)
        busy = 2 * capacity / (s + better + capacity + root)
        wait = (1 - used) * capacity * (1 - busy) / (s - arrival + arrival * busy)
        return (1 - wait) / s

    k = np.arange(_TERMS + len(_AVERAGED))
    terms = np.where(k % 2, -1.0, 1.0) * tail((_A + 2j * np.pi * k) / (2 * time)).real
    terms[0] /= 2
    partial = np.cumsum(terms)[_TERMS:]
    value = np.exp(_A / 2) / time * np.sum(_AVERAGED * partial)
    return float(np.clip(value, 0.0, 1.0))


def _check_simulation(
    arrivals: Array, service: Sequence[Any], servers: int, replications: int
) -> Array:
    """Refuse what cannot be simulated; hand back the mean duration of each class."""
    if len(service) != len(arrivals):
        raise CrmlabError(
            _(
                "There are {arrivals} arrival rates and {service} kinds of service; give one of "
                "each per class."
            ).format(arrivals=len(arrivals), service=len(service))
        )
    if replications < 2:
        raise CrmlabError(_("An interval needs at least 2 replications."))
    with np.errstate(divide="ignore"):
        rates = [kind if np.ndim(kind) == 0 else 1 / np.mean(kind) for kind in service]
        _check(servers, arrivals, rates)
    return 1 / np.asarray(rates, dtype=float)


def _network(arrivals: Array, service: Sequence[Any], servers: int, priority: bool) -> Any:
    import ciw

    names = [str(k) for k in range(len(arrivals))]
    come = [ciw.dists.Exponential(rate=float(rate)) if rate > 0 else None for rate in arrivals]
    durations = [
        ciw.dists.Exponential(rate=float(kind))
        if np.ndim(kind) == 0
        else ciw.dists.Empirical(np.asarray(kind, dtype=float).tolist())
        for kind in service
    ]
    return ciw.create_network(
        arrival_distributions={name: [one] for name, one in zip(names, come, strict=True)},
        service_distributions={name: [one] for name, one in zip(names, durations, strict=True)},
        number_of_servers=[servers],
        priority_classes={name: k if priority else 0 for k, name in enumerate(names)},
    )


@contextmanager
def _own_randomness() -> Iterator[None]:
    """Leave the global generators that Ciw seeds as they were."""
    import ciw

    state, generator = random.getstate(), ciw.rng
    try:
        yield
    finally:
        random.setstate(state)
        ciw.rng = generator


def _replicate(network: Any, seed: int, duration: float, warm_up: float) -> pd.DataFrame:
    """One run of the desk: class, wait and whether it was over, of the cases that count."""
    import ciw

    ciw.seed(seed)
    end = 2 * warm_up + duration
    run = ciw.Simulation(network)
    run.simulate_until_max_time(end)
    rows = [
        (int(one.customer_class), one.arrival_date, one.waiting_time)
        for one in run.get_all_records(include_incomplete=True)
        if warm_up <= one.arrival_date < warm_up + duration
    ]
    found = pd.DataFrame(rows, columns=["class", "arrived", "wait"])
    found["unserved"] = found["wait"].isna()
    found["wait"] = found["wait"].astype(float).fillna(end - found["arrived"])
    return found


def _summary(
    waits: pd.DataFrame, means: Array, target: float | None, confidence: float
) -> SimulatedWaits:
    by_run = waits.groupby(["class", "replication"])
    rows = []
    for k in range(len(means)):
        own = waits[waits["class"] == k]
        row = {"class": k + 1, "cases": len(own), "unserved": int(own["unserved"].sum())}
        if len(own):
            row |= _student(by_run["wait"].mean()[k], "", confidence)
            row["wait"] = row.pop("mean")
        rows.append(row)
    table = pd.DataFrame(rows).reindex(
        columns=["class", "cases", "unserved", "wait", "low", "high"]
    )
    if target is not None:
        kept = waits.assign(kept=waits["wait"] <= target).groupby(["class", "replication"])["kept"]
        shares = [
            _student(kept.mean()[k], "within_", confidence) if n else {}
            for k, n in enumerate(table["cases"])
        ]
        within = pd.DataFrame(shares, index=table.index).rename(columns={"within_mean": "within"})
        table = table.join(within.clip(0, 1))
    weight = pd.Series(means[waits["class"]], waits.index)
    totals = (waits["wait"] * weight).groupby(waits["replication"]).sum()
    overall = _student(totals / weight.groupby(waits["replication"]).sum(), "", confidence)
    series = pd.Series({"wait": overall["mean"], "low": overall["low"], "high": overall["high"]})
    return SimulatedWaits(table, series)


def _student(means: pd.Series, prefix: str, confidence: float) -> dict[str, Any]:
    """Mean of the replications and Student's interval; of a single one there is none."""
    from scipy import stats

    middle, runs = float(means.mean()), len(means)
    half = np.nan
    if runs > 1:
        error = float(means.std(ddof=1)) / np.sqrt(runs)
        half = float(stats.t.ppf((1 + confidence) / 2, runs - 1)) * error
    return {
        f"{prefix}mean": middle,
        f"{prefix}low": middle - half,
        f"{prefix}high": middle + half,
    }
