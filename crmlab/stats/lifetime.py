"""Models of how long customers stay where nobody says that they leave, by maximum likelihood.

`bg_nbd` and `pareto_nbd` tell from the number and the time of past purchases who is still a
customer and how many purchases are to come. They take a row per customer (or per group of customers
of equal history): repeat purchases, the time of the last one, and the time observed, both since the
first purchase. `gamma_gamma` tells what they will spend a purchase. Where customers have contracts
and are known to leave, `sbg` tells how many will renew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _, number
from crmlab.stats import lifetime_bg, lifetime_pareto
from crmlab.stats.lifetime_bg import Buyers
from crmlab.stats.lifetime_renewal import Renewal, sbg
from crmlab.stats.lifetime_spend import Spend, gamma_gamma
from crmlab.stats.likelihood import Maximum, maximum, row_counts

__all__ = ["Renewal", "RepeatBuying", "Spend", "bg_nbd", "gamma_gamma", "pareto_nbd", "sbg"]

Array = NDArray[np.float64]

#: Fewer customers who bought again do not tell four parameters.
FEWEST = 10
#: Fewer different histories do not either.
DIFFERENT = 4
#: The search starts from what it finds for about so many histories, if there are twice as many.
START_HISTORIES = 10_000
#: Shapes r, a, b, s are sought from 1/SHAPES to SHAPES; times, in mean ages, over twice the powers.
SHAPES = 1e4
#: What may lie between recency and age for rounding, in parts of the age.
ROUNDING = 1e-9


class _Law(NamedTuple):
    """The functions of one of the models."""

    names: tuple[str, ...]
    times: tuple[bool, ...]
    start: Callable[[Buyers], Array]
    log_likelihood: Callable[[Array, Buyers], tuple[float, Array]]
    alive: Callable[[Array, Array, Array, Array], Array]
    expected: Callable[[Array, Array, Array, Array, Array], Array]
    expected_new: Callable[[Array, Array], Array]
    probability: Callable[[Array, Array, Array], Array]


@dataclass(frozen=True, eq=False)
class RepeatBuying:
    """A fitted model of repeat purchases.

    Attributes
    ----------
    model : {"bg_nbd", "pareto_nbd"}
    names : tuple of str
        Of the parameters: r, alpha, a, b or r, alpha, s, beta.
    parameters : numpy.ndarray, shape (4,)
        alpha and beta are times in the unit of the data.
    errors : numpy.ndarray, shape (4,)
        Standard errors, by the delta method; NaN for those that are weak.
    covariance : numpy.ndarray, shape (4, 4)
        Of the log parameters. Along a direction in which the likelihood is flat they are held.
    log_likelihood : float
        Of the times of purchase in the unit of the data: in a unit k times as long it is larger by
        log(k) for each repeat purchase.
    customers, repeat_buyers : float
        In the data, and those of them who bought again.
    weak : tuple of str
        Parameters that the data cannot tell: others as large fit as well, as s and beta do together
        where all leave at one rate. What the model predicts is not concerned.
    """

    model: Literal["bg_nbd", "pareto_nbd"]
    names: tuple[str, ...]
    parameters: Array
    errors: Array
    covariance: Array
    log_likelihood: float
    customers: float
    repeat_buyers: float
    weak: tuple[str, ...]

    def alive(self, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> Array:
        """The chance that a customer of this history is still one.

        Parameters
        ----------
        frequency, recency, age : array_like
            As in the fit, in the same unit of time.

        Returns
        -------
        numpy.ndarray
            In BG/NBD, where one leaves only after a repeat purchase, 1 for who never made one,
            however long ago the first was. That is the model's assumption, not a finding.
        """
        history = _history(frequency, recency, age)
        return _LAWS[self.model].alive(self.parameters, *history)

    def expected(
        self, time: ArrayLike, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike
    ) -> Array:
        """Purchases of a customer of this history expected between age and age + time."""
        history = _history(frequency, recency, age)
        return _LAWS[self.model].expected(self.parameters, _time(time), *history)

    def expected_new(self, time: ArrayLike) -> Array:
        """Repeat purchases of a new customer expected in the time after the first purchase."""
        return _LAWS[self.model].expected_new(self.parameters, _time(time))

    def probability(self, purchases: ArrayLike, time: ArrayLike) -> Array:
        """The chance that a new customer makes just so many repeat purchases in the time."""
        count = np.asarray(purchases, float)
        if (count < 0).any() or (count != np.floor(count)).any():
            raise CrmlabError(_("Purchases are counted: 0, 1, 2 and so on."))
        return _LAWS[self.model].probability(self.parameters, count, _time(time))


def _time(time: ArrayLike) -> Array:
    found = np.asarray(time, float)
    if not (np.isfinite(found) & (found >= 0)).all():
        raise CrmlabError(_("The time to look ahead must be a number that is not below 0."))
    return found


def _history(
    frequency: ArrayLike, recency: ArrayLike, age: ArrayLike
) -> tuple[Array, Array, Array]:
    """The three as arrays of one shape, judged."""
    x, last, until = np.broadcast_arrays(
        np.asarray(frequency, float), np.asarray(recency, float), np.asarray(age, float)
    )
    _check_history(x.ravel(), last.ravel(), until.ravel())
    return x, np.minimum(last, until), until


def _check_history(x: Array, last: Array, until: Array) -> None:
    for wrong, message in _faults(x, last, until):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise CrmlabError(
                message.format(
                    count=number(int(wrong.sum())),
                    all=number(len(x)),
                    row=number(row + 1),
                    frequency=x[row],
                    recency=last[row],
                    age=until[row],
                )
            )


def _faults(x: Array, last: Array, until: Array) -> list[tuple[NDArray[np.bool_], str]]:
    """The rows with each kind of fault, and what is wrong with them and what to do."""
    finite = np.isfinite(x) & np.isfinite(last) & np.isfinite(until)
    return [
        (
            ~finite,
            _(
                "{count} of {all} customers lack frequency, recency or age, or one is not finite "
                "(row {row}: {frequency}, {recency}, {age}). Leave them out or complete them."
            ),
        ),
        (
            finite & ((x < 0) | (last < 0) | (until < 0)),
            _(
                "{count} of {all} customers have a frequency, recency or age below 0 (row {row}: "
                "{frequency}, {recency}, {age}). All three are counted from the first purchase."
            ),
        ),
        (
            finite & (x != np.floor(x)),
            _(
                "{count} of {all} customers have a frequency that is not a whole number (row "
                "{row}: {frequency}). It counts the repeat purchases."
            ),
        ),
        (
            finite & (last > until * (1 + ROUNDING)),
            _(
                "{count} of {all} customers have a recency after their age (row {row}: {recency} "
                "and {age}). Recency is the time from the first purchase to the last one, not the "
                "time since the last one; leave out purchases after the end of observation."
            ),
        ),
        (
            finite & (x == 0) & (last > 0),
            _(
                "{count} of {all} customers have a recency above 0 and no repeat purchase (row "
                "{row}: {recency}). Frequency counts the purchases after the first one, and "
                "without any the recency is 0."
            ),
        ),
    ]


def _grouped(
    frequency: ArrayLike, recency: ArrayLike, age: ArrayLike, customers: ArrayLike | None
) -> Buyers:
    """A row per history that differs."""
    x, last, until = (np.ravel(part) for part in _history(frequency, recency, age))
    many = row_counts(customers, len(x))
    if not many.all():
        x, last, until, many = (part[many > 0] for part in (x, last, until, many))
    order = np.lexsort((until, last, x))
    x, last, until, many = (part[order] for part in (x, last, until, many))
    new = np.ones(len(x), dtype=bool)
    new[1:] = (np.diff(x) != 0) | (np.diff(last) != 0) | (np.diff(until) != 0)
    first = np.flatnonzero(new)
    together = np.add.reduceat(many, first) if len(first) else many
    return _counted(x[first], last[first], until[first], together)


def _fitted(
    model: Literal["bg_nbd", "pareto_nbd"],
    frequency: ArrayLike,
    recency: ArrayLike,
    age: ArrayLike,
    customers: ArrayLike | None,
) -> RepeatBuying:
    law = _LAWS[model]
    buyers = _grouped(frequency, recency, age, customers)
    total = float(buyers.customers.sum())
    again = float(buyers.customers[buyers.frequency > 0].sum())
    _check_enough(buyers, total, again)
    # One unit of time for every fit: days, weeks and months then give the same model.
    unit = float(buyers.customers @ buyers.age) / total
    scaled = buyers._replace(recency=buyers.recency / unit, age=buyers.age / unit)
    times = np.array(law.times)
    few = _every_few(scaled)
    start = law.start(scaled) if few is None else _best(law, few, law.start(few)).parameters
    found = _best(law, scaled, start)
    weak = _with_partners(found.weak)
    parameters = found.parameters * np.where(times, unit, 1.0)
    errors = parameters * np.sqrt(np.diagonal(found.covariance))
    purchases = float(buyers.customers @ buyers.frequency)
    return RepeatBuying(
        model=model,
        names=law.names,
        parameters=parameters,
        errors=np.where(weak, np.nan, errors),
        covariance=found.covariance,
        log_likelihood=found.log_likelihood - purchases * float(np.log(unit)),
        customers=total,
        repeat_buyers=again,
        weak=tuple(name for name, is_weak in zip(law.names, weak, strict=True) if is_weak),
    )


def _best(law: _Law, buyers: Buyers, start: Array) -> Maximum:
    limit = np.where(law.times, SHAPES**2, SHAPES)
    return maximum(
        lambda parameters: law.log_likelihood(parameters, buyers),
        start,
        lowest=1 / limit,
        highest=limit,
    )


def _every_few(buyers: Buyers) -> Buyers | None:
    """Of very many histories, which are sorted, every so many: whence the search starts."""
    every = len(buyers.frequency) // START_HISTORIES
    if every < 2:
        return None
    x, last, until, many = (part[::every] for part in buyers[:4])
    return _counted(x, last, until, many)


def _counted(x: Array, last: Array, until: Array, many: Array) -> Buyers:
    counts, which = np.unique(x, return_inverse=True)
    return Buyers(x, last, until, many, counts, np.bincount(which, many).astype(float))


def _with_partners(weak: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The two parameters of one distribution are weak together: one says nothing alone."""
    return np.repeat(weak.reshape(2, 2).any(axis=1), 2)


def _check_enough(buyers: Buyers, total: float, again: float) -> None:
    if again < FEWEST:
        raise NotEnoughData(
            _(
                "{repeat} of {customers} customers bought again, and the model needs {fewest} at "
                "least. Take a longer period, or more customers."
            ).format(repeat=number(again), customers=number(total), fewest=FEWEST)
        )
    if not buyers.recency.any():
        raise NotEnoughData(
            _(
                "All repeat purchases of the {customers} customers are at the time of the first "
                "one. Give the times in a finer unit."
            ).format(customers=number(total))
        )
    if len(buyers.frequency) < DIFFERENT:
        raise NotEnoughData(
            _(
                "The {customers} customers have only {count} different histories (frequency, "
                "recency and age), which cannot tell the four parameters of the model."
            ).format(customers=number(total), count=len(buyers.frequency))
        )


def _start(buyers: Buyers) -> Array:
    """Rough moments of the numbers of purchases; half of a chance in four to leave."""
    many = buyers.customers / buyers.customers.sum()
    mean = many @ buyers.frequency
    variance = many @ (buyers.frequency - mean) ** 2
    r = float(np.clip(mean**2 / max(variance - mean, 1e-9), 0.2, 5.0))
    return np.array([r, r / mean, 1.0, 2.5])


def bg_nbd(
    frequency: ArrayLike,
    recency: ArrayLike,
    age: ArrayLike,
    *,
    customers: ArrayLike | None = None,
) -> RepeatBuying:
    """Fit BG/NBD: customers buy at random and may leave after any repeat purchase.

    Parameters
    ----------
    frequency : array_like of int
        Repeat purchases: all but the first.
    recency : array_like of float
        Time from the first purchase to the last; 0 without repeat purchases.
    age : array_like of float
        Time from the first purchase to the end of observation, in the same unit.
    customers : array_like of float, optional
        How many customers each row stands for.

    Returns
    -------
    RepeatBuying
        With r and alpha (rates of purchase are gamma distributed with mean r / alpha per unit of
        time), a and b (the chance to leave after a purchase is beta distributed).

    Raises
    ------
    NotEnoughData
        If fewer than 10 customers bought again or histories hardly differ.
    NotConverged
        If the search finds no end.
    CrmlabError
        If values are impossible, such as recency after age.

    Notes
    -----
    The log-likelihood is summed over histories that differ and searched for its maximum over the
    logs of the parameters with exact slopes, in the mean age as unit of time. Errors are those of
    the observed information.

    Nobody leaves before the first repeat purchase in this model: `alive` is 1 for all who never
    bought again. Where that matters, compare with `pareto_nbd`.

    References
    ----------
    Fader, P. S., Hardie, B. G. S. and Lee, K. L. (2005), "Counting Your Customers" the Easy Way: An
    Alternative to the Pareto/NBD Model, Marketing Science 24, 275-284.

    Examples
    --------
    >>> found = bg_nbd(
    ...     frequency=[0, 0, 1, 1, 2, 2, 3, 5, 8],
    ...     recency=[0, 0, 3, 20, 9, 30, 28, 12, 36],
    ...     age=[30, 38, 36, 30, 38, 33, 31, 38, 37],
    ...     customers=[80, 60, 15, 10, 8, 8, 5, 4, 3],
    ... )
    >>> found.names
    ('r', 'alpha', 'a', 'b')
    >>> found.alive(frequency=5, recency=[12, 37], age=38).round(2).tolist()
    [0.03, 0.79]
    """
    return _fitted("bg_nbd", frequency, recency, age, customers)


def pareto_nbd(
    frequency: ArrayLike,
    recency: ArrayLike,
    age: ArrayLike,
    *,
    customers: ArrayLike | None = None,
) -> RepeatBuying:
    """Fit Pareto/NBD: customers buy at random and may leave at any time.

    Parameters
    ----------
    frequency, recency, age, customers : array_like
        As for `bg_nbd`.

    Returns
    -------
    RepeatBuying
        With r and alpha (rates of purchase are gamma distributed with mean r / alpha per unit of
        time), s and beta (rates of leaving are gamma distributed with mean s / beta).

    Raises
    ------
    NotEnoughData, NotConverged, CrmlabError
        As for `bg_nbd`.

    Notes
    -----
    As for `bg_nbd`; the likelihood is integrated over the time of leaving by Gauss's quadrature in
    place of the hypergeometric functions of the literature, which overflow for frequent buyers.

    References
    ----------
    Schmittlein, D. C., Morrison, D. G. and Colombo, R. (1987), Counting Your Customers: Who Are
    They and What Will They Do Next?, Management Science 33, 1-24. Fader, P. S. and Hardie, B. G. S.
    (2005), A Note on Deriving the Pareto/NBD Model and Related Expressions.

    Examples
    --------
    >>> found = pareto_nbd(
    ...     frequency=[0, 0, 1, 1, 2, 2, 3, 5, 8],
    ...     recency=[0, 0, 3, 20, 9, 30, 28, 12, 36],
    ...     age=[30, 38, 36, 30, 38, 33, 31, 38, 37],
    ...     customers=[80, 60, 15, 10, 8, 8, 5, 4, 3],
    ... )
    >>> found.names
    ('r', 'alpha', 's', 'beta')
    >>> found.alive(frequency=5, recency=[12, 37], age=38).round(2).tolist()
    [0.07, 0.98]
    """
    return _fitted("pareto_nbd", frequency, recency, age, customers)


def _start_pareto(buyers: Buyers) -> Array:
    """As for BG/NBD; a rate of leaving of about one in two mean ages."""
    r, alpha, _a, _b = _start(buyers)
    return np.array([r, alpha / 2, 1.0, 1.0])


_LAWS = {
    "bg_nbd": _Law(
        lifetime_bg.NAMES,
        lifetime_bg.TIMES,
        _start,
        lifetime_bg.log_likelihood,
        lifetime_bg.alive,
        lifetime_bg.expected,
        lifetime_bg.expected_new,
        lifetime_bg.probability,
    ),
    "pareto_nbd": _Law(
        lifetime_pareto.NAMES,
        lifetime_pareto.TIMES,
        _start_pareto,
        lifetime_pareto.log_likelihood,
        lifetime_pareto.alive,
        lifetime_pareto.expected,
        lifetime_pareto.expected_new,
        lifetime_pareto.probability,
    ),
}
