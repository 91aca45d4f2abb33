"""Whether compensation (赔偿) satisfies: with the confounding by severity shown, and taken out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.complaints.compensation_words import Compensation
from crmlab.complaints.handled import (
    CONFIDENCE,
    FEWEST,
    SEVERITIES,
    Adjusted,
    adjusted,
    handled,
)
from crmlab.errors import NotEnoughData, UnknownName
from crmlab.language import _, number
from crmlab.show.result import Context, measure
from crmlab.stats import weighted
from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.confounding import fieller
from crmlab.stats.matching import coarsened_exact, compared, standardised_difference
from crmlab.stats.weighted import from_influence, influence

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

#: Intervals shorter than this are what rounding leaves.
ROUNDING = 1e-9
#: Columns by which complaints may be told apart.
STRATA = ("severity", "cause", "kind", "channel", "tier")
#: What the two sides of a match agree in, as far as it is known; the first of cause and kind.
MATCHED = ("severity", "cause", "tier", "quick")
#: What is looked at after matching, although it is not matched on.
LOOKED_AT = ("told", "first_contact", "kept", "reassigned")
SHARES = [
    "satisfied_share", "satisfied_low", "satisfied_high",
    "others_satisfied", "others_low", "others_high",
]  # fmt: skip
APART = ["difference", "difference_low", "difference_high"]


@measure(needs={"complaints": ["opened_at", "satisfaction_after", "compensation"]})
def compensation(crm: Workspace, *, by: str = "severity") -> Compensation:
    """Whether customers who were compensated are more satisfied, complaints being alike.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at, satisfaction_after, compensation; as far as they are there also
        remedy, severity, cause or kind, first_response_at and the customer's tier.
    by : {"severity", "cause", "kind", "channel", "tier"}
        Within what the two sides are compared.

    Returns
    -------
    Compensation
        `.table` has a row per comparison: comparison (``"naive"``: all as they stand; ``"within"``:
        within a value of `by`; ``"standardised"``; ``"matched"``), the column of `by`, answers,
        satisfied_share, satisfied_low, satisfied_high of the compensated; others_answers,
        others_satisfied, others_low, others_high of the others; difference, difference_low,
        difference_high. Where either side has fewer than five customers nothing is judged.

    Raises
    ------
    UnknownName
        If `by` is none of these.
    NotEnoughData
        If either nobody or everybody who answered was compensated.

    Notes
    -----
    Direct standardisation: with p₁ₛ and p₀ₛ the shares satisfied in stratum s of the compensated
    and the others, and Nₛ all complaints of the stratum, answered or not, of the strata that have
    both sides, the figures are ΣNₛp₁ₛ/ΣNₛ and ΣNₛp₀ₛ/ΣNₛ: what would be expected if all, or none,
    of these complaints were compensated and nothing but `by` set the two sides apart. Intervals by
    linearisation over customers, the Nₛ taken as known; on a side of a stratum with m customers
    squares count m/(m − 1) times, and a single customer is held against the mean of the side in
    all strata, since alone it would seem to have no error. Matching is exact on severity, cause
    (else kind), tier and quick answer, and compares the compensated who have a match. The money per
    customer more who is satisfied is the mean compensation of these over their difference in
    shares, with Fieller's interval.

    References
    ----------
    Simpson, E. H. (1951), Journal of the Royal Statistical Society B 13, 238-241. Iacus, S. M.,
    King, G. and Porro, G. (2012), Political Analysis 20, 1-24. VanderWeele, T. J. and Ding, P.
    (2017), Annals of Internal Medicine 167, 268-274. Fieller, E. C. (1954), Journal of the Royal
    Statistical Society B 16, 175-185.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> rows = [("low", 0, 5), ("low", 0, 4), ("low", 0, 2), ("low", 9, 5), ("high", 0, 1),
    ...     ("high", 9, 2), ("high", 9, 1), ("high", 9, 4)]
    >>> complaints = pd.DataFrame(rows, columns=["severity", "compensation", "satisfaction_after"])
    >>> complaints["complaint_id"] = complaints.index.astype(str)
    >>> complaints["opened_at"] = "2025-03-01 09:00"
    >>> found = compensation(from_frames({"complaints": complaints}))
    >>> found.table.set_index("comparison")["difference"].round(3).tolist()
    [0.0, 0.333, 0.333, 0.333, 0.333]
    """
    if by not in STRATA:
        raise UnknownName(
            _("by = {value} is none of {names}.").format(value=by, names=_(", ").join(STRATA))
        )
    found = handled(crm)
    every = found.frame[found.frame["compensated"].notna()].reset_index(drop=True)
    answers = every[every["satisfied"].notna()].reset_index(drop=True)
    paid = answers["compensated"].to_numpy(bool)
    if not paid.any() or paid.all():
        raise NotEnoughData(
            _(
                "Of {answers} complaints with a known satisfaction afterwards, {paid} were "
                "compensated: one of the two sides is empty."
            ).format(answers=number(len(answers)), paid=number(int(paid.sum())))
        )
    known = by if answers[by].notna().any() else ""
    strata = _within(answers, known)
    standard, ratio, left = _standardised(every, answers, known)
    matched, facts = _matched(answers)
    naive = {"comparison": "naive"} | _sides(answers, paid, np.ones(len(answers)))
    rows = [naive, *strata, *standard, *matched]
    return Compensation(
        table=_table(rows, by),
        context=Context.of(crm),
        by=known,
        without_pair=left,
        ratio=ratio,
        yardstick=_yardstick(answers, known),
        **_odds(adjusted(crm)),
        **facts,
        kept=found,
    )


def _table(rows: Sequence[Mapping[str, Any]], by: str) -> pd.DataFrame:
    names = ["comparison", by, "answers", *SHARES[:3], "others_answers", *SHARES[3:], *APART]
    table = pd.DataFrame(list(rows), columns=names)
    return table.astype({"answers": "int64", "others_answers": "int64", by: "object"})


def _sides(part: pd.DataFrame, paid: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
    """The share satisfied on either side, and the difference, of answers with weights."""
    sides = [(weights > 0) & side for side in (paid, ~paid)]
    shares: list[float] = []
    for side in sides:
        own = part[side]
        found = weighted.share(own["satisfied"], weights=weights[side], clusters=own["cluster"])
        shares += found[:3]
    if min(int(side.sum()) for side in sides):
        apart = compared(part["satisfied"], paid, weights, part["cluster"]).difference
    else:
        apart = NOTHING
    enough = min(part.loc[side, "cluster"].nunique() for side in sides) >= FEWEST
    limits = apart[1:3] if enough else (np.nan, np.nan)
    counts = {"answers": int(sides[0].sum()), "others_answers": int(sides[1].sum())}
    return counts | dict(zip([*SHARES, *APART], [*shares, apart.value, *limits], strict=True))


def _strata(frame: pd.DataFrame, by: str) -> pd.Series:
    """The stratum of each complaint; those of which it is not given are one."""
    return frame[by].astype("object").where(frame[by].notna(), "")


def _within(answers: pd.DataFrame, by: str) -> list[dict[str, Any]]:
    if not by:
        return []
    stratum = _strata(answers, by)
    counts = stratum.value_counts()
    steps = {code: place for place, code in enumerate(SEVERITIES)} if by == "severity" else {}
    order = sorted(counts.index, key=lambda code: (steps.get(code, 9), -counts[code], str(code)))
    rows = []
    for code in order:
        part = answers[stratum == code].reset_index(drop=True)
        sides = _sides(part, part["compensated"].to_numpy(bool), np.ones(len(part)))
        rows.append({"comparison": "within", by: code or None} | sides)
    return rows


def _standardised(
    every: pd.DataFrame, answers: pd.DataFrame, by: str
) -> tuple[list[dict[str, Any]], Estimate, int]:
    """The standardised shares, their ratio, and the answers of strata without both sides."""
    if not by:
        return [], NOTHING, 0
    stratum, paid = _strata(answers, by), answers["compensated"].to_numpy(bool)
    sizes = _strata(every, by).value_counts()
    both = [code for code in sizes.index if len(set(paid[stratum == code])) == 2]
    if not both:
        return [], NOTHING, len(answers)
    used = stratum.isin(both).to_numpy()
    values, cluster = answers["satisfied"].to_numpy(float), answers["cluster"].to_numpy()
    shares, moved = np.zeros(2), np.zeros((2, len(answers)))
    for code in both:
        part = sizes[code] / sizes[both].sum()
        for place, side in enumerate((paid, ~paid)):
            own = ((stratum == code).to_numpy() & side).astype(float)
            shares[place] += part * np.average(values, weights=own)
            usual = values[side & used].mean()
            moved[place] += part * _moved(values, own, cluster, usual)
    cluster, moved = cluster[used], moved[:, used]
    each = [from_influence(share, one, cluster) for share, one in zip(shares, moved, strict=True)]
    apart = from_influence(shares[0] - shares[1], moved[0] - moved[1], cluster)
    counts = [int((side & used).sum()) for side in (paid, ~paid)]
    figures = [*each[0][:3], *each[1][:3], *apart[:3]]
    row = {"comparison": "standardised", "answers": counts[0], "others_answers": counts[1]}
    row |= dict(zip([*SHARES, *APART], figures, strict=True))
    few = min(answers.loc[used & side, "cluster"].nunique() for side in (paid, ~paid)) < FEWEST
    # Where nothing varies at all the error is not known to be 0.
    if few or not apart.high - apart.low > ROUNDING:
        row |= {"difference_low": np.nan, "difference_high": np.nan}
        return [row], NOTHING, int((~used).sum())
    return [row], _ratio(shares, moved, cluster), int((~used).sum())


def _moved(values: np.ndarray, own: np.ndarray, cluster: np.ndarray, usual: float) -> np.ndarray:
    """How far each answer moves the mean of one side of a stratum.

    As few customers differ less from their own mean than from the true one, their squares count
    m/(m - 1) times; how far a single customer does is told only by the usual mean of the side.
    """
    customers = len(np.unique(cluster[own > 0]))
    if customers < 2:
        return np.asarray(own * (values - usual) / own.sum())
    return np.sqrt(customers / (customers - 1)) * influence(values, own)


def _ratio(shares: np.ndarray, moved: np.ndarray, cluster: np.ndarray) -> Estimate:
    if not shares.min() > 0:
        return NOTHING
    apart = moved[0] / shares[0] - moved[1] / shares[1]
    found = from_influence(float(np.log(shares[0] / shares[1])), apart, cluster)
    value, low, high = np.exp(found[:3])
    return Estimate(float(value), float(low), float(high), np.nan)


def _yardstick(answers: pd.DataFrame, by: str) -> pd.Series:
    """The stratum that sets the two sides apart most while it moves the answer most."""
    if not by:
        return pd.Series(dtype=object)
    stratum, paid = _strata(answers, by), answers["compensated"].to_numpy(bool)
    satisfied = answers["satisfied"].to_numpy(float)
    best, found = 1.0, pd.Series(dtype=object)
    for code in sorted(set(stratum), key=str):
        there = (stratum == code).to_numpy()
        if not (there & ~paid).any() or not (~there & ~paid).any():
            continue
        shares = there[paid].mean(), there[~paid].mean()
        moods = satisfied[there & ~paid].mean(), satisfied[~there & ~paid].mean()
        if min(*shares, *moods) <= 0:
            continue
        strength = min(max(one / other, other / one) for one, other in (shares, moods))
        if strength > best:
            names = ["among_compensated", "among_others", "satisfied_there", "satisfied_elsewhere"]
            best = strength
            found = pd.Series({"stratum": code} | dict(zip(names, [*shares, *moods], strict=True)))
    return found


def _odds(found: Adjusted) -> dict[str, Any]:
    row = found.table[found.table["term"] == "compensated"]
    if row.empty:
        return {"odds": NOTHING, "adjusted_for": ""}
    value, low, high = np.exp(row[["coefficient", "low", "high"]].to_numpy(float)[0])
    return {
        "odds": Estimate(float(value), float(low), float(high), np.nan),
        "adjusted_for": found.named(),
    }


# --- matching


def _matched(answers: pd.DataFrame) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The row of the matched, and what else is said of them."""
    paid = answers["compensated"].to_numpy(bool)
    names = [
        "kind" if name == "cause" and not answers["cause"].notna().any() else name
        for name in MATCHED
    ]
    names = [name for name in names if answers[name].notna().any()]
    weights = coarsened_exact(paid, answers[names]) if names else np.zeros(len(answers))
    facts: dict[str, Any] = {
        "matched_on": tuple(names),
        "unmatched": int((paid & (weights == 0)).sum()),
        "unlike": _unlike(answers, paid, weights),
        "paid": np.nan,
        "price": NOTHING,
    }
    if not weights.any():
        return [], facts
    row = {"comparison": "matched"} | _sides(answers, paid, weights)
    facts["paid"], facts["price"] = _price(answers, paid, weights, row["difference"])
    if np.isnan(row["difference_low"]):
        facts["price"] = NOTHING
    return [row], facts


def _unlike(answers: pd.DataFrame, paid: np.ndarray, weights: np.ndarray) -> pd.Series:
    found = {}
    for name in LOOKED_AT:
        known = answers[name].notna().to_numpy() & (weights > 0)
        if known.any():
            found[name] = standardised_difference(
                answers.loc[known, name].astype(float), paid[known], weights[known]
            )
    return pd.Series(found, dtype=float).dropna()


def _price(
    answers: pd.DataFrame, paid: np.ndarray, weights: np.ndarray, gain: float
) -> tuple[float, Estimate]:
    """What was paid on average, and how much that is per customer more who is satisfied."""
    money = answers["compensation"].to_numpy(float)
    costly = paid & (weights > 0) & np.isfinite(money)
    if not costly.any():
        return np.nan, NOTHING
    cost = float(money[costly].mean())
    satisfied = answers["satisfied"].to_numpy(float)
    of_gain = influence(satisfied, weights * paid) - influence(satisfied, weights * ~paid)
    of_cost = influence(np.where(costly, money, 0.0), costly.astype(float))
    used = weights > 0
    cluster = np.unique(answers["cluster"].to_numpy()[used], return_inverse=True)[1]
    sums = np.stack([np.bincount(cluster, one[used]) for one in (of_cost, of_gain)])
    many = sums.shape[1]
    covariance = many / max(many - 1, 1) * sums @ sums.T
    sides = [answers.loc[used & side, "cluster"].nunique() for side in (paid, ~paid)]
    return cost, fieller([cost, gain], covariance, min(sides) - 1, confidence=CONFIDENCE)
