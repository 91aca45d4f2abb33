"""Control charts of complaints (投诉控制图): what changed, and what varies as it always does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from crmlab.complaints.control_words import ControlChart, Dispersion
from crmlab.complaints.promises import kept
from crmlab.complaints.series import Choice, Gathered, check_one, gather
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.language import _
from crmlab.show.result import Context, measure, require
from crmlab.stats.clustered import poisson
from crmlab.stats.control_charts import (
    NELSON,
    WESTERN_ELECTRIC,
    Chart,
    Limits,
    c_chart,
    ewma,
    individuals,
    moving_range_sigma,
    p_chart,
    u_chart,
)
from crmlab.stats.false_alarms import false_alarms
from crmlab.stats.intervals import wilson

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

CHARTS = ("u", "p", "c", "individuals", "ewma")
SHARES = ("in_time", "first_contact")
#: Rules by a single name.
SETS = {"western": WESTERN_ELECTRIC, "nelson": NELSON}


@measure(needs={"complaints": ["opened_at"]})
def control(
    crm: Workspace,
    *,
    chart: Literal["u", "p", "c", "individuals", "ewma"] = "u",
    share: Literal["in_time", "first_contact"] | None = None,
    of: Choice = None,
    where: Choice = None,
    every: Literal["week", "month"] = "week",
    dated: Literal["opened", "ordered"] = "opened",
    until: str | date | None = None,
    since: str | date | None = None,
    limits: Limits | str | Path | None = None,
    laney: bool = False,
    smoothing: float = 0.2,
    rules: str | Sequence[str] = "western",
    seed: int = 0,
) -> ControlChart:
    """When complaints changed, and when a week only differs as weeks do.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at; for rates also orders: ordered_at.
    chart : {"u", "p", "c", "individuals", "ewma"}
        Complaints per 1,000 orders with Poisson limits that follow the number of orders (u); a
        share of the complaints (p); complaints as such (c); the rate with limits from neighbouring
        points (individuals); or its exponentially weighted moving average.
    share : {"in_time", "first_contact"}, optional
        Resolved (for the first time) by the time promised, of complaints due by the last day
        (`crmlab.complaints.promises`), or at first contact. For the charts p (by default in_time),
        individuals and ewma.
    of : mapping, optional
        Which complaints: a column of complaints and its value, as in ``{"cause": "damage"}``.
    where : mapping, optional
        At which place: a column of orders or customers, as in ``{"route": "R03"}``.
    every : {"week", "month"}
    dated : {"opened", "ordered"}
        Whether a complaint counts when it was opened, or when its order was placed, so that
        complaints and orders of a period belong together.
    until : str or date, optional
        Last day of phase I; by default that of the first half of the periods.
    since : str or date, optional
        First day that is charted.
    limits : Limits or path, optional
        Held limits, or the file they were saved to, instead of a phase I.
    laney : bool
        Limits widened by Laney's σz, where points vary more than their law says.
    smoothing : float
        Weight of the newest point in a moving average.
    rules : str or sequence of str
        ``"western"``, ``"nelson"``, the name of a rule such as ``"western_1"``, or several names
        (`crmlab.stats.control_charts`). A moving average has the limits alone.
    seed : int
        Of the charts that are drawn to count false signals.

    Returns
    -------
    ControlChart
        `.table` has a row per period: begins_on, complaints, orders (or cases, of which the share
        is known), per_1000 (or share), low, high (95 % interval of the point itself; missing for a
        moving average), centre, lower, upper (limits), z (standard errors from the centre), phase,
        signal, rule (names of the rules broken).

    Raises
    ------
    UnknownName
        If an option names what there is not.
    NotEnoughData
        If phase I has fewer than two points, or no complaint.

    Notes
    -----
    An order counts when it was placed, some days before a complaint of it is opened: after a week
    with few orders the rate is too high, after one with many too low. Dated by the order it is
    not, but the latest periods must be left out, as complaints of their orders are yet to come.
    Periods that are not whole are left out. Suggestions do not count.

    References
    ----------
    Montgomery, D. C. (2013), Introduction to Statistical Quality Control, 7th ed., chapters 5 to 7
    and 9. Laney, D. B. (2002), Quality Engineering 14, 531-537.
    """
    shared = _checked_share(chart, share, laney)
    named = _rule_names(chart, rules)
    if not shared and chart != "c":
        require(crm, "complaints.control", crm.missing({"orders": ["ordered_at"]}))
    gathered = gather(crm, of=of, where=where, every=every, dated=dated)
    every_row = _rows(crm, gathered, shared, rated=chart != "c")
    if shared and not every_row["size"].any():
        raise NotEnoughData(_("Of no complaint is it known whether it was resolved so."))
    before = every_row["begins_on"] < pd.Timestamp(since or "1900-01-01")
    charted = every_row[~before]
    gone = {"before": int(every_row.loc[before, "told"].sum())} | _uncounted(charted, shared)
    gathered = replace(gathered, left_out={**gathered.left_out, **gone})
    rows = charted[charted["size"] > 0].reset_index(drop=True)
    if len(rows) < 1:
        raise NotEnoughData(_("There is no period to chart."))
    held = Limits.load(limits) if isinstance(limits, str | Path) else limits
    inside = None if held else _first_phase(rows, gathered, until)
    control_chart = _charted(rows, chart, shared, inside, held, laney, smoothing, named)
    table = _table(rows, control_chart, chart, shared)
    return ControlChart(
        table,
        Context.of(crm),
        chart,
        every,
        shared,
        of,
        where,
        laney,
        named,
        control_chart,
        gathered,
        _dispersion(rows, chart, shared, inside, laney, smoothing, named),
        _alarms(control_chart, named, seed),
        _excess(gathered, rows, control_chart, chart, of),
        len(charted) - len(rows),
        held is not None,
    )


def _checked_share(chart: str, share: str | None, laney: bool) -> str:
    check_one("chart", chart, CHARTS)
    if share is not None:
        check_one("share", share, SHARES)
    if share and chart in ("u", "c"):
        raise CrmlabError(
            _('A share goes with the charts "p", "individuals" and "ewma", not with "{chart}".')
            .format(chart=chart)
        )  # fmt: skip
    if laney and chart in ("c", "individuals"):
        raise CrmlabError(
            _('laney = True goes with the charts "u", "p" and "ewma", not with "{chart}".')
            .format(chart=chart)
        )  # fmt: skip
    return share or ("in_time" if chart == "p" else "")


def _rule_names(chart: str, rules: str | Sequence[str]) -> tuple[str, ...]:
    if chart == "ewma":
        return ("western_1",)
    return tuple(SETS.get(rules, (rules,))) if isinstance(rules, str) else tuple(rules)


def _rows(crm: Workspace, gathered: Gathered, share: str, *, rated: bool) -> pd.DataFrame:
    """Of each period: all complaints told, the count, and what it is divided by."""
    count = len(gathered.starts)
    frame = gathered.complaints
    if share:
        outcome = _outcome(crm, frame, share)
        known = outcome.notna().to_numpy()
        size = np.bincount(frame["place"][known], minlength=count).astype(float)
        hit = outcome.fillna(False).astype(bool).to_numpy()
        events = np.bincount(frame["place"][hit], minlength=count)
    else:
        events = np.bincount(frame["place"], minlength=count)
        size = np.ones(count)
        if rated and gathered.orders is not None:
            inside = gathered.orders[gathered.orders["place"] >= 0]
            size = np.bincount(inside["place"], inside["orders"], minlength=count) / 1000
    told = np.bincount(frame["place"], minlength=count)
    return pd.DataFrame(
        {"begins_on": gathered.starts, "told": told, "events": events, "size": size}
    )


def _uncounted(rows: pd.DataFrame, share: str) -> dict[str, int]:
    """Complaints of the periods that are in no point, by the reason."""
    if share:
        return {"no_outcome": int((rows["told"] - rows["size"]).sum())}
    return {"nothing_to_divide_by": int(rows.loc[rows["size"] <= 0, "told"].sum())}


def _outcome(crm: Workspace, frame: pd.DataFrame, share: str) -> pd.Series:
    """Whether each complaint went well, missing where that is not known, or not known yet."""
    if share == "first_contact":
        return frame["first_contact_resolution"].astype("boolean")
    return kept(crm, frame)


def _first_phase(rows: pd.DataFrame, gathered: Gathered, until: str | date | None) -> np.ndarray:
    last = pd.Series(gathered.last_days(), gathered.starts)
    ends = rows["begins_on"].map(last)
    if until is None:
        return np.arange(len(rows)) < max(2, len(rows) // 2)
    inside = (ends <= pd.Timestamp(until)).to_numpy()
    if inside.sum() < 2:
        raise NotEnoughData(
            _("Limits need at least 2 points in phase I; there are {count}.").format(
                count=int(inside.sum())
            )
        )
    return np.asarray(inside)


def _charted(
    rows: pd.DataFrame,
    chart: str,
    share: str,
    inside: np.ndarray | None,
    held: Limits | None,
    laney: bool,
    smoothing: float,
    rules: Sequence[str],
) -> Chart:
    events, size = rows["events"].to_numpy(float), rows["size"].to_numpy(float)
    common: dict[str, Any] = {"points": rows["begins_on"].tolist(), "phase": inside}
    if chart == "ewma":
        if held is None:
            law = (p_chart if share else u_chart)(events, size, phase=inside, laney=laney).limits
            middle = law.centre
            spread = np.sqrt(middle * (1 - middle) if share else middle) * law.sigma
            common |= {"centre": middle, "sigma": float(spread), "smoothing": smoothing}
        return ewma(events / size, size, limits=held, **common)
    common |= {"limits": held, "rules": rules}
    if chart == "individuals":
        return individuals(events / size, **common)
    if chart == "c":
        return c_chart(events, **common)
    return (p_chart if chart == "p" else u_chart)(events, size, laney=laney, **common)


def _table(rows: pd.DataFrame, control_chart: Chart, chart: str, share: str) -> pd.DataFrame:
    frame = control_chart.frame
    events, size = rows["events"], rows["size"]
    table = pd.DataFrame({"begins_on": rows["begins_on"], "complaints": events})
    if share:
        table["cases"] = size.astype("int64")
        low, high = wilson(events.to_numpy(float), size.to_numpy(float))
    else:
        if chart != "c":
            table["orders"] = (size * 1000).round().astype("int64")
        low, high = poisson(events.to_numpy(float), size.to_numpy(float))
    if chart != "c":
        table["share" if share else "per_1000"] = frame["value"]
    nothing = np.full(len(rows), np.nan)
    return table.assign(
        low=nothing if chart == "ewma" else low,
        high=nothing if chart == "ewma" else high,
        centre=frame["centre"],
        lower=frame["lower"],
        upper=frame["upper"],
        z=frame["z"],
        phase=frame["phase"],
        signal=frame["rules"].map(len) > 0,
        rule=frame["rules"].map(", ".join),
    )


def _dispersion(
    rows: pd.DataFrame,
    chart: str,
    share: str,
    inside: np.ndarray | None,
    laney: bool,
    smoothing: float,
    rules: Sequence[str],
) -> Dispersion | None:
    from scipy.stats import chi2

    if inside is None or chart == "individuals":
        return None
    events, size = rows["events"].to_numpy(float), rows["size"].to_numpy(float)
    z = (p_chart if share else u_chart)(events, size, phase=inside).frame["z"].to_numpy()
    freedom = int(inside.sum()) - 1
    square = float(np.sum(z[inside] ** 2))
    try:
        sigma = moving_range_sigma(z, inside)
    except NotEnoughData:
        return None
    other = -1
    if chart != "c" and sigma > 0:
        turned = _charted(rows, chart, share, inside, None, not laney, smoothing, rules)
        other = len(turned.signals)
    return Dispersion(square / freedom, float(chi2.sf(square, freedom)), sigma, other)


def _alarms(control_chart: Chart, rules: Sequence[str], seed: int) -> pd.DataFrame:
    frame = control_chart.frame
    seen = [frame["rules"].map(lambda names, rule=rule: rule in names).sum() for rule in rules]
    drawn = false_alarms(frame, control_chart.limits, rules=rules, seed=seed)
    drawn.insert(1, "signals", [*map(int, seen), len(control_chart.signals)])
    return drawn


def _excess(
    gathered: Gathered, rows: pd.DataFrame, control_chart: Chart, chart: str, of: Choice
) -> pd.DataFrame:
    """Of which causes the complaints at signals above the centre are more than expected."""
    nothing = pd.DataFrame(
        {"cause": pd.Series([], dtype=object), "more": pd.Series([], dtype=float)}
    )
    frame, cause = control_chart.frame, gathered.complaints["cause"]
    first = frame["phase"].to_numpy() == 1
    high = (frame["rules"].map(len) > 0).to_numpy() & (frame["z"] > 0).to_numpy()
    if chart not in ("u", "c") or "cause" in (of or {}) or not (first.any() and high.any()):
        return nothing
    if cause.isna().all():
        return nothing
    begins = gathered.starts[gathered.complaints["place"]]
    parts = [
        cause[np.isin(begins, rows.loc[flags, "begins_on"])].value_counts()
        for flags in (high, first)
    ]
    size = rows["size"].to_numpy(float)
    # A point of phase I may itself be a signal; it stands on both sides.
    more = parts[0].sub(parts[1] * (size[high].sum() / size[first].sum()), fill_value=0)
    found = more.rename_axis("cause").reset_index(name="more").sort_values("cause", kind="stable")
    return found.sort_values("more", ascending=False, kind="stable", ignore_index=True)
