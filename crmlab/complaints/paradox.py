"""The service-recovery paradox (服务补救悖论), put to the test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.complaints.handled import CONFIDENCE, HANDLING, check_hours
from crmlab.complaints.incident_answers import (
    GROUPS,
    NONE,
    About,
    incident_answers,
)
from crmlab.complaints.paradox_words import Paradox
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.language import _, number
from crmlab.show.result import Context, measure
from crmlab.stats.matching import coarsened_exact, compared, standardised_difference

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: Classes of orders in the 90 days before: each begins at its number.
ORDERS_FROM = (1, 3, 6)
#: With fewer customers than this on either side nothing is judged.
FEWEST = 10
#: The chance with which a test should find what is there.
POWER = 0.8


@measure(
    needs={
        "surveys": ["response_id", "customer_id", "answered_at", "overall"],
        "complaints": ["opened_at", "first_response_at"],
    }
)
def paradox(
    crm: Workspace,
    *,
    well: Sequence[str] = ("quick",),
    hours: float = 4.0,
    days: int = 30,
    about: About | None = None,
    match: Sequence[str] | None = None,
) -> Paradox:
    """Whether customers whose complaint was handled well end more satisfied than those without one.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, customer_id, answered_at, overall; complaints: opened_at,
        first_response_at, and what `well` names. Orders, with what shows that they went wrong, tell
        who kept silent, and that nothing else had happened.
    well : sequence of {"quick", "compensated", "told", "first_contact", "kept"}
        What makes a complaint well recovered, all of it: by the handling, never by the answer.
    hours : float
        Within so many hours a first answer is quick.
    days : int
        7 to 365. Customers compared with had nothing go wrong in so many days before they answered.
    about : {"order", "customer"}, optional
        ``"order"``: the questionnaire is about the very order that went wrong, answered after its
        complaint was; the default where the data name the orders of both. ``"customer"``: any
        questionnaire of the customer within `days` after the incident.
    match : sequence of str, optional
        Columns of customers in which matched customers agree; by default tier, region and customer
        type, where known.

    Returns
    -------
    Paradox
        `.table` has a row per group: group (``"well"``, ``"poor"`` recovered, ``"silent"``: went
        wrong and did not complain), answers, matched (of them, with a match), mean, others_answers,
        others_mean (of customers without an incident, matched), difference, difference_low,
        difference_high (points of 1 to 5), detectable (the smallest difference that would have
        been found four times in five), pairs (answers with an earlier one of the same customer,
        before the incident, and such others to hold them against), change (of these, less that of
        the matched others), change_low, change_high.

    Raises
    ------
    CrmlabError
        If `hours` or `days` is out of range, or `about` is not one of the two.
    UnknownName
        If `well` or `match` names what there is not.
    NotEnoughData
        If no well recovered customer answered a questionnaire, or nobody without an incident did.

    Notes
    -----
    Questionnaires of the call centre are left out: who calls has chosen itself. So are those about
    a complaint of which the order shows nothing (where orders show faults at all): such incidents
    have no silent counterpart. The recovered may have had other incidents in these days too, which
    makes them rather less satisfied; those they are compared with had none. Matching is exact
    on the columns of `match`, the half-year and the orders in the 90 days before the incident (0,
    1-2, 3-5, 6 and more); finer months would leave few a match. Survey weights count: in a stratum
    the others are weighted to the sum of the treated's weights. The change within persons is that
    from the last questionnaire about which nothing had gone wrong to this one, held against the
    same change of others of the same tier and half-year (difference in differences). t intervals
    with customers as clusters; none where either side has fewer than ten customers. Detectable is
    half the interval times (1.96 + 0.84)/1.96.

    References
    ----------
    McCollough, M. A., Berry, L. L. and Yadav, M. S. (2000), Journal of Service Research 3, 121-137.
    de Matos, C. A., Henrique, J. L. and Rossi, C. A. V. (2007), Journal of Service Research 10,
    60-77. Iacus, S. M., King, G. and Porro, G. (2012), Political Analysis 20, 1-24.
    """
    _check(well, hours, days, about)
    found = incident_answers(
        crm, well=tuple(well), hours=hours, days=days, about=about, match=match
    )
    frame = found.frame
    groups = frame["group"].value_counts()
    if not groups.get("well", 0) or not groups.get(NONE, 0):
        raise NotEnoughData(
            _(
                "Answered questionnaires of {well} well recovered and {none} customers without an "
                "incident: a paradox can be neither found nor ruled out."
            ).format(well=number(groups.get("well", 0)), none=number(groups.get(NONE, 0)))
        )
    classes = _classes(frame, found.match)
    earlier = _earlier(frame)
    rows = [
        {"group": name} | _compared(frame, classes, name) | _changed(frame, earlier, classes, name)
        for name in GROUPS
        if groups.get(name, 0)
    ]
    return Paradox(
        pd.DataFrame(rows),
        Context.of(crm),
        tuple(well),
        hours,
        days,
        found.match,
        int((earlier.notna() & (frame["group"] == "well")).sum()),
        _balance(frame, classes),
        frame.loc[_pair(frame, "well"), ["group", "overall", "weight"]].join(classes),
        found,
    )


def _check(well: Sequence[str], hours: float, days: int, about: str | None) -> None:
    check_hours(hours)
    names = [name for name in HANDLING if name != "reassigned"]
    unknown = [name for name in well if name not in names]
    if isinstance(well, str) or unknown or not well:
        raise UnknownName(
            _("well names ways of handling, one or more of {names}; it is {value}.").format(
                names=_(", ").join(names), value=repr(well)
            )
        )
    if not 7 <= days <= 365:
        raise CrmlabError(_("days = {value} is not from 7 to 365.").format(value=days))
    if about not in (None, "order", "customer"):
        raise CrmlabError(
            _("about is 'order' or 'customer'; it is {value}.").format(value=repr(about))
        )


def _classes(frame: pd.DataFrame, chosen: Sequence[str]) -> pd.DataFrame:
    moment = frame["anchor"].dt
    half = moment.year * 2 + (moment.month > 6)
    orders = np.digitize(frame["orders_before"].fillna(-1), ORDERS_FROM)
    return frame[list(chosen)].assign(half_year=half, orders_class=orders)


def _weights(treated: np.ndarray, classes: pd.DataFrame, weight: np.ndarray) -> np.ndarray:
    """Weights of a matching of answers that carry weights of their own."""
    own = np.where(coarsened_exact(treated, classes) > 0, weight, 0.0)
    stratum = classes.groupby(list(classes), dropna=False).ngroup().to_numpy()
    sums = [np.bincount(stratum, own * side) for side in (treated, ~treated)]
    factor = np.divide(sums[0], sums[1], out=np.zeros(len(sums[0])), where=sums[1] > 0)
    return np.asarray(np.where(treated, own, own * factor[stratum]))


def _pair(frame: pd.DataFrame, name: str) -> np.ndarray:
    return frame["group"].isin([name, NONE]).to_numpy(bool)


def _compared(frame: pd.DataFrame, classes: pd.DataFrame, name: str) -> dict[str, Any]:
    """The level of a group against that of matched customers without an incident."""
    both = _pair(frame, name)
    part, treated = frame[both], (frame.loc[both, "group"] == name).to_numpy(bool)
    weights = _weights(treated, classes[both], part["weight"].to_numpy(float))
    row: dict[str, Any] = {"answers": int(treated.sum())}
    row["matched"] = int((weights[treated] > 0).sum())
    row["others_answers"] = int((weights[~treated] > 0).sum())
    found = _difference(part["overall"], treated, weights, part["customer_id"])
    names = ["mean", "others_mean", "difference", "difference_low", "difference_high"]
    reach = (found[4] - found[3]) / 2
    return row | dict(zip(names, found, strict=True)) | {"detectable": reach * _power()}


def _power() -> float:
    """The smallest difference found with the power wanted, in halves of an interval."""
    from scipy.stats import norm

    limit = norm.ppf((1 + CONFIDENCE) / 2)
    return float((limit + norm.ppf(POWER)) / limit)


def _difference(
    values: pd.Series, treated: np.ndarray, weights: np.ndarray, customers: pd.Series
) -> tuple[float, ...]:
    """Both means, their difference and its interval; what cannot be told is NaN."""
    used = weights > 0
    sides = [customers[used & side].nunique() for side in (treated, ~treated)]
    if not min(sides):
        return (np.nan,) * 5
    found = compared(values, treated, weights, customers, confidence=CONFIDENCE)
    limits = found.difference[1:3] if min(sides) >= FEWEST else (np.nan, np.nan)
    return (found.treated, found.others, found.difference.value, *limits)


# --- before and after, within persons


def _earlier(frame: pd.DataFrame) -> pd.Series:
    """The last answer of the same customer before the anchor about which nothing was wrong."""
    calm = frame.loc[frame["group"] == NONE, ["customer_id", "answered_at", "overall"]]
    left = frame[["customer_id", "anchor"]].assign(place=np.arange(len(frame)))
    found = pd.merge_asof(
        left.sort_values("anchor", kind="stable"),
        calm.sort_values("answered_at", kind="stable"),
        left_on="anchor", right_on="answered_at", by="customer_id", allow_exact_matches=False,
    )  # fmt: skip
    return found.sort_values("place", kind="stable")["overall"].set_axis(frame.index)


def _changed(
    frame: pd.DataFrame, earlier: pd.Series, classes: pd.DataFrame, name: str
) -> dict[str, Any]:
    """The change of a group from before the incident to after it, less that of the others."""
    both = _pair(frame, name) & earlier.notna().to_numpy()
    part, treated = frame[both], (frame.loc[both, "group"] == name).to_numpy(bool)
    coarse = [column for column in ("tier", "half_year") if column in classes]
    weights = np.zeros(len(part))
    if len(part):
        weights = _weights(treated, classes.loc[both, coarse], part["weight"].to_numpy(float))
    change = part["overall"] - earlier[both]
    found = _difference(change, treated, weights, part["customer_id"])
    names = ["change", "change_low", "change_high"]
    return {"pairs": int((weights[treated] > 0).sum())} | dict(zip(names, found[2:], strict=True))


def _balance(frame: pd.DataFrame, classes: pd.DataFrame) -> pd.DataFrame:
    """How alike the well recovered and those without an incident are, before matching and after."""
    both = _pair(frame, "well")
    part, treated = frame[both], (frame.loc[both, "group"] == "well").to_numpy(bool)
    survey = part["weight"].to_numpy(float)
    weights = _weights(treated, classes[both], survey)
    named = {name: pd.get_dummies(classes.loc[both, name]) for name in classes}
    named["orders_class"] = part[["orders_before"]]
    rows = []
    for name, columns in named.items():
        apart = [
            [standardised_difference(columns[one].astype(float), treated, each) for one in columns]
            for each in (survey, weights)
        ]
        if np.isfinite(apart).any():
            rows.append((name, *(_largest(one) for one in apart)))
    return pd.DataFrame(rows, columns=["characteristic", "before", "after"])


def _largest(apart: Sequence[float]) -> float:
    known = np.abs(apart)[~np.isnan(apart)]
    return float(known.max()) if len(known) else np.nan
