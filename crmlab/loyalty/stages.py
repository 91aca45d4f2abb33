"""The stage of each customer's life (客户关系生命周期) on a day, by rules that are data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.language import _, day, number
from crmlab.loyalty.newcomers import orders_begin
from crmlab.loyalty.purchases import Occasion, known_since, occasions
from crmlab.show.once import once

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

RULES_FILE = Path(__file__).parent / "lifecycle_rules.csv"
#: What a rule can be about.
MEASURES = (
    "age",
    "purchases",
    "last_year",
    "silence",
    "silence_ratio",
    "trend",
    "drop_chance",
)
#: The order of a life; stages of a user's own come after these.
ORDER = ("exploration", "formation", "stable", "decline", "lost")
#: The data must reach back so many days before the day on which stages are asked for.
LEAST_DAYS = 90
#: Months of the trend: the last so many, against so many before.
TREND_MONTHS = 6


def lifecycle_rules() -> pd.DataFrame:
    """The rules by which `lifecycle` puts a customer into a stage, to be changed at will.

    Returns
    -------
    pandas.DataFrame
        A row per condition: stage, way, measure, at_least, at_most (missing: no bound). A customer
        is in a stage when all conditions of one of its ways hold, and in the first such stage from
        the top. The last stage has no condition: it takes the rest. The measures are:

        - age: days since the customer was won (acquired_on), else since the first purchase;
        - purchases: all in the data so far;
        - last_year: those of the last 12 months, scaled up where the data hold less;
        - silence: days since the last purchase;
        - silence_ratio: silence over the gap to be expected, the customer's own mean gap with one
          gap of the typical customer added to it;
        - trend: purchases of the last 6 months over those of the 6 before; missing where the
          customer or the data are younger, or nothing was bought before;
        - drop_chance: probability that a customer who keeps pace with all the others buys so
          little in the last 6 months of 12: a season that all of them have is no decline.

        A measure that is missing fulfils no condition.

    Notes
    -----
    The course has four stages: exploration (考察期), formation (形成期), stable (稳定期) and
    decline (退化期). The stage lost is ours: without a contract nobody says that they leave, and
    counting those long silent as in decline would make it look as if they could all be asked why.

    Examples
    --------
    >>> rules = lifecycle_rules()
    >>> list(rules["stage"].unique())
    ['lost', 'decline', 'exploration', 'formation', 'stable']
    >>> rules.loc[rules["measure"] == "silence_ratio", ["stage", "at_least"]]
         stage  at_least
    1     lost       6.0
    3  decline       3.0
    """
    return pd.read_csv(RULES_FILE, dtype={"at_least": float, "at_most": float})


def stage_names() -> dict[str, str]:
    """Label of each stage in the current language."""
    return {
        "exploration": _("Exploration"),
        "formation": _("Formation"),
        "stable": _("Stable"),
        "decline": _("Decline"),
        "lost": _("Lost"),
    }


@dataclass(frozen=True)
class Stages:
    """The stage of each customer on a day.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per customer with a purchase until then: customer_id, since (day), the measures of
        `lifecycle_rules`, expected_gap (days), revenue (money of the last 12 months, refunds
        subtracted; missing where no amount is known), stage.
    at : datetime.date
    typical : float
        Median of the customers' mean gaps, in days; NaN where nobody bought twice.
    older : int
        Customers won before the first order of the data, whose earlier purchases are not known.
    seen : float
        Share of the 12 months before the day that the data hold.
    trend : float
        Purchases of the last 6 months over those of the 6 before, of all customers old enough.
    """

    frame: pd.DataFrame
    at: date
    typical: float
    older: int
    seen: float
    trend: float


@once
def stages(
    crm: Workspace,
    *,
    at: date | str | None = None,
    rules: pd.DataFrame | None = None,
    occasion: Occasion = "day",
) -> Stages:
    """The stage of each customer, from what was known on a day.

    Parameters
    ----------
    crm : Workspace
    at : datetime.date or str, optional
        The day; its own purchases count. The last day of the data by default.
    rules : pandas.DataFrame, optional
        In the shape of `lifecycle_rules`.
    occasion : {"day", "order"}

    Returns
    -------
    Stages

    Raises
    ------
    CrmlabError
        If the day is not one, or lies after the last of the data, or the rules cannot be read.
    NotEnoughData
        If the data reach back less than 90 days, or nobody had bought by then.
    """
    chosen = lifecycle_rules() if rules is None else rules
    check_rules(chosen)
    when = _day(crm, at)
    opening = orders_begin(crm)
    if (when - opening).days + 1 < LEAST_DAYS:
        raise NotEnoughData(
            _(
                "Stages need purchases of {least} days before the day; the data begin on "
                "{opening}, and the day is {at}."
            ).format(least=number(LEAST_DAYS), opening=day(opening), at=day(when))
        )
    history = crm.query("purchase_history", period_to=when)
    if history.empty:
        raise NotEnoughData(_("No customer is known to have bought by {at}.").format(at=day(when)))
    frame = _history(crm, history, when, occasion)
    typical = _typical(frame)
    frame["expected_gap"] = (frame["span"] + typical) / frame["purchases"]
    frame["silence_ratio"] = frame["silence"] / frame["expected_gap"].where(
        frame["expected_gap"] > 0
    )
    trend = _add_recent(crm, frame, when, opening, occasion)
    frame["stage"] = assign(frame, chosen)
    columns = ["customer_id", "since", *MEASURES, "expected_gap", "revenue", "stage"]
    older = int((frame["since"] < pd.Timestamp(opening)).sum())
    return Stages(frame[columns], when, typical, older, _seen(when, opening), trend)


def assign(frame: pd.DataFrame, rules: pd.DataFrame) -> NDArray[np.str_]:
    """The stage of each row.

    Parameters
    ----------
    frame : pandas.DataFrame
        With a column per measure that the rules name.
    rules : pandas.DataFrame
        In the shape of `lifecycle_rules`.

    Examples
    --------
    >>> rules = pd.DataFrame({"stage": ["young", "old"], "way": 1, "measure": ["age", None],
    ...     "at_least": np.nan, "at_most": [30.0, np.nan]})
    >>> assign(pd.DataFrame({"age": [30, 31, np.nan]}), rules).tolist()
    ['young', 'old', 'old']
    """
    names = [str(name) for name in rules["stage"].unique()]
    holds = []
    for name in names[:-1]:
        ways = [
            np.logical_and.reduce([_holds(frame, row) for _index, row in way.iterrows()])
            for _number, way in rules[rules["stage"] == name].groupby("way")
        ]
        holds.append(np.logical_or.reduce(ways))
    return np.select(holds, names[:-1], names[-1]) if holds else np.full(len(frame), names[-1])


def _holds(frame: pd.DataFrame, condition: pd.Series) -> NDArray[np.bool_]:
    values = frame[condition["measure"]].to_numpy(dtype=float)
    fits = np.isfinite(values)
    if pd.notna(condition["at_least"]):
        fits &= values >= condition["at_least"]
    if pd.notna(condition["at_most"]):
        fits &= values <= condition["at_most"]
    return fits


def check_rules(rules: pd.DataFrame) -> None:
    """Refuse rules that cannot be read.

    Raises
    ------
    UnknownName
        If a measure is none that is known.
    CrmlabError
        If a column or a bound is missing, or the last stage has a condition.
    """
    columns = ["stage", "way", "measure", "at_least", "at_most"]
    if not isinstance(rules, pd.DataFrame) or not set(columns) <= set(rules.columns) or rules.empty:
        raise CrmlabError(
            _(
                "Rules are a table with the columns {columns}, as lifecycle_rules() gives it."
            ).format(columns=", ".join(columns))
        )
    last = rules["stage"] == rules["stage"].iloc[-1]
    if rules.loc[last, "measure"].notna().any() or last.sum() > 1:
        raise CrmlabError(
            _(
                "The last stage takes the rest, so it has a single row and no condition; {stage} "
                "has more. Put it higher, or leave it one row without a measure."
            ).format(stage=rules["stage"].iloc[-1])
        )
    conditions = rules[~last]
    unknown = [str(one) for one in conditions["measure"] if one not in MEASURES]
    if unknown:
        raise UnknownName(
            _("There is no measure {name} to make a rule of. There are: {names}.").format(
                name=unknown[0], names=", ".join(MEASURES)
            )
        )
    if conditions[["at_least", "at_most"]].isna().all(axis=1).any():
        raise CrmlabError(_("A condition of the rules has neither at_least nor at_most."))


def _day(crm: Workspace, at: date | str | None) -> date:
    if at is None:
        return crm.as_of
    try:
        when = pd.Timestamp(at).date()
    except (TypeError, ValueError) as error:
        raise CrmlabError(
            _("at is a day, such as '2025-06-30'; it is {at}.").format(at=repr(at))
        ) from error
    if when > crm.as_of:
        raise CrmlabError(
            _("at = {at} is after the last day of the data, {last}.").format(
                at=day(when), last=day(crm.as_of)
            )
        )
    return when


def _history(crm: Workspace, history: pd.DataFrame, when: date, occasion: Occasion) -> pd.DataFrame:
    """What each customer had done by the day."""
    since = history["customer_id"].map(known_since(crm, history))
    now = pd.Timestamp(when)
    return pd.DataFrame(
        {
            "customer_id": history["customer_id"],
            "since": since,
            "age": (now - since).dt.days,
            "purchases": occasions(history, occasion),
            "silence": (now - history["last_day"]).dt.days,
            "span": (history["last_day"] - history["first_day"]).dt.days,
        }
    )


def _typical(frame: pd.DataFrame) -> float:
    again = frame[frame["purchases"] > 1]
    return float((again["span"] / (again["purchases"] - 1)).median()) if len(again) else np.nan


def _add_recent(
    crm: Workspace, frame: pd.DataFrame, when: date, opening: date, occasion: Occasion
) -> float:
    """Add last_year, revenue, trend and drop_chance; return the trend of all together."""
    from scipy.stats import binom

    year, half = (_before(when, months) for months in (2 * TREND_MONTHS, TREND_MONTHS))
    of_year = crm.query("purchase_history", period_from=year, period_to=when)
    of_half = crm.query("purchase_history", period_from=half, period_to=when)
    owner = frame["customer_id"]

    def counted(found: pd.DataFrame) -> pd.Series:
        counts = pd.Series(occasions(found, occasion).to_numpy(), found["customer_id"])
        return owner.map(counts).fillna(0).astype("int64")

    total, recent = counted(of_year), counted(of_half)
    before = total - recent
    old = (frame["since"] <= pd.Timestamp(year)) & (pd.Timestamp(opening) <= pd.Timestamp(year))
    older = frame["since"] < pd.Timestamp(opening)
    frame["last_year"] = total / np.where(older, _seen(when, opening), 1.0)
    money = (of_year["amount"] - of_year["refunded"]).to_numpy(dtype=float)
    revenue = owner.map(pd.Series(money, of_year["customer_id"]))
    # Who bought nothing brought nothing, if anything is known of money at all.
    frame["revenue"] = revenue.where(total > 0, 0.0 if np.isfinite(money).any() else np.nan)
    told = old & (before > 0)
    frame["trend"] = (recent / before.where(before > 0)).where(told)
    share = recent[old].sum() / max(1, total[old].sum())
    frame["drop_chance"] = pd.Series(binom.cdf(recent, total, share), frame.index).where(told)
    known = before[old].sum()
    return float(recent[old].sum() / known) if known else np.nan


def _before(when: date, months: int) -> date:
    """First day of so many whole months that end with the day.

    Examples
    --------
    >>> _before(date(2025, 12, 31), 6), _before(date(2024, 2, 29), 12)
    (datetime.date(2025, 7, 1), datetime.date(2023, 3, 1))
    """
    return (pd.Timestamp(when + timedelta(days=1)) - pd.DateOffset(months=months)).date()


def _seen(when: date, opening: date) -> float:
    year = _before(when, 2 * TREND_MONTHS)
    days = (when - year).days + 1
    return min(1.0, ((when - opening).days + 1) / days)
