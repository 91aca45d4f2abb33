"""Times of the stages as tables: by way of the case and by group, medians, means and shares."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.complaints.steps import AFTERWARDS, CONFIDENCE, waiting_times
from crmlab.errors import NotEnoughData
from crmlab.language import _
from crmlab.show.columns import shown
from crmlab.stats import clustered, weighted
from crmlab.stats.multiplicity import holding
from crmlab.stats.survival import kaplan_meier, quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crmlab.data.sources import Workspace

#: A group of fewer customers is shown and not judged.
FEWEST = 5
_NO_MEANS = dict.fromkeys(("mean_hours", "share", "low", "high"), np.nan)


def slowest(usual: pd.DataFrame) -> Any:
    """The stage with the largest share; where no share is known, with the largest median."""
    before = usual.drop(index=AFTERWARDS, errors="ignore")
    by = before["share"] if before["share"].notna().any() else before["median"].fillna(-1.0)
    return by.idxmax()


def ways_of(crm: Workspace, frame: pd.DataFrame) -> NDArray[np.str_]:
    """Which way each case went: usual, first_contact, or back."""
    back = frame["complaint_id"].isin(sent_back(crm))
    first = frame["first_contact_resolution"].fillna(False).astype(bool)
    return np.where(first, "first_contact", np.where(back, "back", "usual"))


def sent_back(crm: Workspace) -> pd.Index:
    """The complaints that were in investigation more than once."""
    if not crm.has("complaint_events", "complaint_id", "stage"):
        return pd.Index([], dtype="str")
    events = crm.complaint_events
    times = events.loc[events["stage"] == "investigate", "complaint_id"].value_counts()
    return times.index[times > 1]


def stage_table(
    lasted: dict[str, pd.DataFrame], ways: NDArray[np.str_], customers: NDArray[np.int64]
) -> tuple[pd.DataFrame, int, float]:
    """A row per way and stage; how many cases the means are of, and their mean time in all."""
    rows, found = [], {}
    for way in ("usual", "first_contact"):
        own = ways == way
        if not own.any():
            continue
        parts = {stage: span[own] for stage, span in lasted.items()}
        means, found[way] = _means(parts, customers[own])
        for stage, span in parts.items():
            row: dict[str, Any] = {"way": way, "stage": stage}
            rows.append(row | _times(span, customers[own]) | means.get(stage, _NO_MEANS))
    return pd.DataFrame(rows), *found["usual"]


def _times(span: pd.DataFrame, customers: NDArray[np.int64]) -> dict[str, float]:
    there = span["hours"].notna().to_numpy()
    median, late = waiting_times(span["hours"][there], span["ended"][there], customers[there])
    return {
        "cases": int(there.sum()),
        "still_open": int(span["still_open"].sum()),
        "median": median.value,
        "median_low": median.low,
        "median_high": median.high,
        "p90": late,
    }


def _means(
    parts: dict[str, pd.DataFrame], customers: NDArray[np.int64]
) -> tuple[dict[str, dict[str, float]], tuple[int, float]]:
    """Mean hours and share of each stage, of cases whose times are all known."""
    before = {stage: span for stage, span in parts.items() if stage != AFTERWARDS}
    known = np.logical_and.reduce([span["ended"].to_numpy() for span in before.values()])
    if not known.any():
        return {}, (0, np.nan)
    place = np.unique(customers[known], return_inverse=True)[1]
    hours = {stage: span["hours"].to_numpy()[known] for stage, span in before.items()}
    total = np.sum(list(hours.values()), axis=0)
    in_all = np.bincount(place, total)
    rows = {}
    for stage, one in hours.items():
        share = clustered.mean(np.bincount(place, one), in_all, confidence=CONFIDENCE)
        low, high = np.clip([share.low, share.high], 0, 1)
        rows[stage] = {"mean_hours": one.mean(), "share": share.value, "low": low, "high": high}
    return rows, (int(known.sum()), float(total.mean()))


def mixed_medians(lasted: dict[str, pd.DataFrame], ways: NDArray[np.str_]) -> pd.Series:
    """Median hours of each stage over all cases but those sent back; empty if of one way."""
    if not (ways == "first_contact").any():
        return pd.Series(dtype=float)
    own = ways != "back"
    medians = {}
    for stage, span in lasted.items():
        there = own & span["hours"].notna().to_numpy()
        curve = kaplan_meier(span["hours"][there], span["ended"][there]) if there.any() else None
        medians[stage] = np.nan if curve is None else quantile(curve).value
    return pd.Series(medians)


def by_group(
    frame: pd.DataFrame,
    by: str,
    span: pd.DataFrame,
    ways: NDArray[np.str_],
    customers: NDArray[np.int64],
) -> pd.DataFrame:
    """A row per group: its times in one stage, and whether it differs from the others."""
    own = (ways == "usual") & span["hours"].notna().to_numpy()
    span, customers, group = span[own], customers[own], frame.loc[own, by]
    if group.isna().all():
        raise NotEnoughData(
            _("Of no case in this stage is {column} known.").format(column=shown(by).label)
        )
    middle = _times(span, customers)["median"]
    # Whether a case still open will take longer is known only once it has.
    longer = (span["hours"] > middle).where(span["ended"] | (span["hours"] > middle)).astype(float)
    codes, names = pd.factorize(group, sort=True, use_na_sentinel=False)
    rows, chances = [], []
    for code, name in enumerate(names):
        inside = codes == code
        rows.append({by: name} | _times(span[inside], customers[inside]))
        few = len(np.unique(customers[inside])) < FEWEST or np.isnan(middle)
        chances.append(np.nan if few else _chance(longer, inside, customers))
    table = pd.DataFrame(rows).assign(stands_out=holding(chances, 1 - CONFIDENCE))
    # A median not reached is the longest.
    return table.sort_values(
        "median", ascending=False, kind="stable", na_position="first", ignore_index=True
    )


def _chance(longer: pd.Series, inside: NDArray[np.bool_], customers: NDArray[np.int64]) -> float:
    """Probability by chance that so many more, or fewer, of a group took longer than usual."""
    apart = weighted.contrast(longer, inside, ~inside, clusters=customers)
    if apart.error > 0 or np.isnan(apart.error):
        return apart.chance
    # No customer differs from its side: alike, or apart as one of all ways to deal them out.
    own, others = (len(np.unique(customers[side])) for side in (inside, ~inside))
    return 1.0 if apart.value == 0 else min(1.0, 2 / math.comb(own + others, own))


def faults_of(lasted: dict[str, pd.DataFrame]) -> pd.Series:
    """Spans by fault, and how many there are."""
    every = pd.concat(lasted.values())
    return pd.Series(
        {
            "impossible": int(every["impossible"].sum()),
            "untimed": int(every["untimed"].sum()),
            "whole_days": int((every["whole_days"] & every["ended"]).sum()),
            "spans": int(every["ended"].sum()),
        }
    )
