"""What an incentive brings and costs a customer of each stage, as far as a draw has tested it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.errors import NotEnoughData
from crmlab.language import _, number
from crmlab.loyalty.offered import Offered, offered
from crmlab.loyalty.offers import independent
from crmlab.loyalty.stages import LEAST_DAYS, stages
from crmlab.show.once import once
from crmlab.show.result import Exclusion
from crmlab.stats.counts import poisson

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

Array = NDArray[np.float64]

#: A stage with fewer customers in an arm, or in the holdout, is not judged.
FEWEST = 20


@dataclass(frozen=True)
class IncentiveReturns:
    """The tested incentives, stage by stage.

    Attributes
    ----------
    table : pandas.DataFrame
        A row per stage and arm: stage, arm, customers (in the arm of that stage), own (log ratio of
        orders in the stage by itself), own_error, log_ratio and error (drawn towards the arm's
        mean over the stages), shared_error (the part of the error that is the mean's, the same
        chance in all stages), listed (list price of a holdout customer's orders in the periods),
        margin (profit per unit of list price without the offer), given (what the offer gives
        away per unit of list price), gain (expected profit per customer offered).
    draws : numpy.ndarray, shape (draws, rows of the table)
        The gain, under what else the data would allow.
    spread : pandas.Series
        By arm: standard deviation of the true log ratios between stages, as estimated.
    periods : int
        How many the gain is of.
    campaign_cost : float
        What a campaign gave away on average; money.
    free : tuple of {"discount", "points"}
        What is given away but counts as nothing, as the data do not say what it costs.
    exclusions : tuple of Exclusion
    part : str
        What the customers are a sample of, in words; empty if they are all.
    """

    table: pd.DataFrame
    draws: Array
    spread: pd.Series
    periods: int
    campaign_cost: float
    free: tuple[str, ...]
    exclusions: tuple[Exclusion, ...]
    part: str


@once
def returns(crm: Workspace, *, holdout: str, after: int, draws: int, seed: int) -> IncentiveReturns:
    """What each tested offer brings a customer of each stage.

    Parameters
    ----------
    crm : Workspace
        As for `crmlab.loyalty.incentive_plan`.
    holdout : str
    after : int
        Periods after the offer's own that count.
    draws, seed : int
        Of the parameters, for the intervals.

    Returns
    -------
    IncentiveReturns

    Raises
    ------
    NotEnoughData
        If no stage has enough customers in the holdout and in an arm.

    Notes
    -----
    Let a customer of stage s order goods of list price L in the periods without an offer, at a
    profit of m per unit of list price; the offer multiplies orders by exp(θ) and gives away g per
    unit. Then it brings L ((m − g) exp(θ) − m): the giveaway is paid on the orders that would have
    come anyway as well. Stage and history are those of the day before the assignment. θ is drawn
    towards the arm's mean over the stages by the variance between stages (DerSimonian and Laird
    1986). L and m are those of the stage's holdout. g is the same for every stage, as the terms of
    the offer are: discount and points beyond the customer's own share before, less the holdout's.
    """
    found = offered(crm, holdout=holdout, after=after)
    found, stage, left_out = _with_stages(crm, found)
    judged = _judged(found, stage)
    effects, spread = _effects(found, stage, judged)
    point = float(crm.settings.activity_costs.get("points.point", 0.0))
    table = effects.merge(_money(found, stage, judged, point), on=["stage", "arm"])
    drawn = _drawn(table, draws, seed)
    table["gain"] = _gain(table["listed"], table["margin"], table["given"], table["log_ratio"])
    given = table.groupby("arm")["given"].first().reindex(found.frame["arm"]).fillna(0.0)
    cost = float(given @ found.of_period(found.listed, 0, after)) / len(found.campaigns)
    return IncentiveReturns(
        table,
        drawn,
        spread,
        after + 1,
        cost / found.sampled,
        _free(crm, found),
        (*found.exclusions, *left_out),
        found.part,
    )


def _free(crm: Workspace, found: Offered) -> tuple[str, ...]:
    """What the data do not say the cost of."""
    known = {
        "discount": crm.has("orders", "list_price"),
        "points": "points.point" in crm.settings.activity_costs or not found.points.any(),
    }
    return tuple(name for name, told in known.items() if not told)


def _gain(listed: Array, margin: Array, given: Array, log_ratio: Array) -> Array:
    return np.asarray(listed * ((margin - given) * np.exp(log_ratio) - margin))


def _with_stages(
    crm: Workspace, found: Offered
) -> tuple[Offered, NDArray[np.str_], tuple[Exclusion, ...]]:
    """The assignments of customers whose stage on the day before is known, and that stage."""
    known: list[pd.Series] = []
    for when, rows in found.frame.groupby("assigned_day"):
        at = pd.Timestamp(str(when)).date() - timedelta(days=1)
        own = _stages_at(crm, at)
        known.append(rows["customer_id"].map(own) if len(own) else pd.Series(None, rows.index))
    stage = pd.concat(known).reindex(found.frame.index)
    there = stage.notna().to_numpy(bool)
    if not there.any():
        raise NotEnoughData(
            _(
                "No customer who was offered something is known to have bought {least} days before."
            ).format(least=number(LEAST_DAYS))
        )
    gone = Exclusion.of_customers(_("stage on the day of the offer not known"), int((~there).sum()))
    names = stage[there].to_numpy(str)
    return found.only(there), names, (gone,) if gone.count else ()


def _stages_at(crm: Workspace, at: date) -> pd.Series:
    """The stage of each customer on a day; empty where the data do not reach back so far."""
    try:
        frame = stages(crm, at=at).frame
    except NotEnoughData:
        return pd.Series(dtype=object)
    return frame.set_index("customer_id")["stage"]


def _judged(found: Offered, stage: NDArray[np.str_]) -> list[tuple[str, str]]:
    """The pairs of stage and arm with customers enough on both sides."""
    arm, every = found.frame["arm"].to_numpy(), [*found.arms, found.holdout]
    counts = pd.crosstab(stage, arm).reindex(columns=every, fill_value=0)
    orders = found.of_period(found.orders, 0, found.after)
    bought = pd.crosstab(stage, arm, orders > 0, aggfunc="sum").reindex(columns=every)
    pairs = [
        (str(one), arm)
        for one in counts.index
        for arm in found.arms
        if min(counts.loc[one, arm], counts.loc[one, found.holdout]) >= FEWEST
        and min(bought.loc[one, arm], bought.loc[one, found.holdout]) > 0
    ]
    if pairs:
        return pairs
    raise NotEnoughData(
        _(
            "No stage has {fewest} customers in an arm and in the holdout, so what an incentive "
            "brings cannot be told stage by stage."
        ).format(fewest=number(FEWEST))
    )


# --- what the offers do to the number of orders


def _effects(
    found: Offered, stage: NDArray[np.str_], pairs: list[tuple[str, str]]
) -> tuple[pd.DataFrame, pd.Series]:
    """The log ratio of orders of each stage and arm, by itself and drawn towards the arm's mean."""
    arm = found.frame["arm"].to_numpy(str)
    treated = np.column_stack([(stage == one) & (arm == other) for one, other in pairs])
    inside = treated.any(axis=1) | (
        (arm == found.holdout) & np.isin(stage, [one for one, _arm in pairs])
    )
    level = pd.get_dummies(pd.Series(stage + "|" + found.frame["campaign"].to_numpy(str)))
    history = np.log1p(found.of_period(found.orders, -found.before, -1))
    orders = found.of_period(found.orders, 0, found.after)
    told = _told(orders, level.to_numpy(float), inside)
    levels = level.to_numpy(float)[told]
    levels = levels[:, levels.any(axis=0)]
    design = np.column_stack([treated[told], levels, independent(levels, [history[told]])])
    fit = poisson(orders[told], design, clusters=found.frame["customer_id"].to_numpy()[told])
    many = len(pairs)
    table = pd.DataFrame(pairs, columns=["stage", "arm"]).assign(
        customers=treated.sum(axis=0), own=fit.coefficients[:many], own_error=fit.errors[:many]
    )
    parts = [_towards_the_mean(rows) for _arm, rows in table.groupby("arm", sort=False)]
    spread = pd.Series({str(part["arm"].iloc[0]): part["spread"].iloc[0] for part in parts})
    return pd.concat(parts).sort_index().drop(columns="spread"), spread


def _told(orders: Array, level: Array, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rows of stages and campaigns in which somebody ordered."""
    sums = (level * inside[:, None]).T @ orders
    return np.asarray(inside & (level @ sums > 0))


def _towards_the_mean(rows: pd.DataFrame) -> pd.DataFrame:
    """The arm's log ratios drawn towards their mean (DerSimonian and Laird's random effects)."""
    own, variance = rows["own"].to_numpy(), rows["own_error"].clip(lower=1e-9).to_numpy() ** 2
    between = between_variance(own, variance)
    weight = 1 / (variance + between)
    mean, error = float(weight @ own / weight.sum()), float(weight.sum() ** -0.5)
    trust = between / (between + variance)
    shared = (1 - trust) * error
    return rows.assign(
        log_ratio=trust * own + (1 - trust) * mean,
        error=np.sqrt(trust * variance + shared**2),
        shared_error=shared,
        spread=np.sqrt(between),
    )


def between_variance(values: Array, variances: Array) -> float:
    """Variance of true values of which estimates and their variances are given.

    By the method of moments of DerSimonian and Laird (1986), Controlled Clinical Trials 7, 177-188,
    equation 8; 0 where the estimates differ by no more than their errors explain.

    Examples
    --------
    >>> between_variance(np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.1, 0.1]))
    0.9
    >>> between_variance(np.array([1.0, 1.1]), np.array([0.1, 0.1]))
    0.0
    """
    if len(values) < 2:
        return 0.0
    weight = 1 / variances
    mean = weight @ values / weight.sum()
    excess = float(weight @ (values - mean) ** 2) - (len(values) - 1)
    scale = float(weight.sum() - weight @ weight / weight.sum())
    return round(max(0.0, excess / scale), 12)


# --- money


def _money(
    found: Offered, stage: NDArray[np.str_], pairs: list[tuple[str, str]], point: float
) -> pd.DataFrame:
    """List price, profit and giveaway of each pair, with their standard errors.

    Contracts differ much in their discounts, so what an offer gives away is measured against each
    customer's own share before.
    """
    last = found.after
    listed = found.of_period(found.listed, 0, last)
    points = point * found.of_period(found.points, 0, last)
    profit = found.of_period(found.margin, 0, last) - points
    arm, who = found.frame["arm"].to_numpy(str), pd.factorize(found.frame["customer_id"])[0]
    more = listed - found.of_period(found.amount, 0, last) + points - _usual(found, point) * listed
    held = arm == found.holdout
    usual, usual_error = _ratio(more[held], listed[held], who[held])
    given = {
        other: _ratio(more[arm == other], listed[arm == other], who[arm == other])
        for other in found.arms
    }
    rows = []
    for one, other in pairs:
        own = held & (stage == one)
        size, size_error = _ratio(listed[own], np.ones(own.sum()), who[own])
        margin, margin_error = _ratio(profit[own], listed[own], who[own])
        rows.append(
            {
                "stage": one,
                "arm": other,
                "listed": size,
                "listed_error": size_error,
                "margin": margin,
                "margin_error": margin_error,
                "given": max(given[other][0] - usual, 0.0),
                "given_error": float(np.hypot(usual_error, given[other][1])),
            }
        )
    return pd.DataFrame(rows)


def _usual(found: Offered, point: float) -> Array:
    """Share of the list price that each customer was given before; everybody's where not known."""
    listed = found.of_period(found.listed, -found.before, -1)
    given = listed - found.of_period(found.amount, -found.before, -1)
    given = given + point * found.of_period(found.points, -found.before, -1)
    mean = given.sum() / listed.sum() if listed.sum() > 0 else 0.0
    return np.asarray(np.divide(given, listed, out=np.full(len(listed), mean), where=listed > 0))


def _ratio(above: Array, below: Array, who: NDArray[np.intp]) -> tuple[float, float]:
    """Σ above / Σ below with its standard error over customers."""
    total = below.sum()
    if total <= 0:
        return 0.0, 0.0
    ratio = float(above.sum() / total)
    moved = np.bincount(who, above - ratio * below) / total
    many = len(np.unique(who))
    return ratio, float(np.sqrt((moved @ moved) * many / max(many - 1, 1)))


def _drawn(table: pd.DataFrame, draws: int, seed: int) -> Array:
    """The gain under parameters drawn from what their errors allow."""
    random = np.random.default_rng(seed)
    parts = []
    # What a stage orders is one figure for all arms; what an arm gives is one for all stages.
    for name, of in (("listed", "stage"), ("margin", "stage"), ("given", "arm")):
        place = pd.factorize(table[of])[0]
        noise = random.standard_normal((draws, place.max() + 1))[:, place]
        parts.append(table[name].to_numpy() + table[f"{name}_error"].to_numpy() * noise)
    # The mean that an arm's log ratios are drawn towards is one figure for all stages, too.
    place = pd.factorize(table["arm"])[0]
    common = random.standard_normal((draws, place.max() + 1))[:, place]
    noise = random.standard_normal((draws, len(table)))
    shared = table["shared_error"].to_numpy()
    single = np.sqrt(np.maximum(table["error"].to_numpy() ** 2 - shared**2, 0.0))
    log_ratio = table["log_ratio"].to_numpy() + shared * common + single * noise
    listed, margin, given = parts
    return _gain(listed, margin, given, log_ratio)
