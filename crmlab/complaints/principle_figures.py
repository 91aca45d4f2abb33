"""The figures of the five principles for any group of complaints."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.complaints.clusters import clusters
from crmlab.complaints.principle_values import PRINCIPLES, Judged, Values
from crmlab.complaints.promises import KEPT
from crmlab.stats import clustered, weighted
from crmlab.stats.intervals import intraclass_correlation
from crmlab.stats.survival import kaplan_meier, quantile

Member = NDArray[np.bool_]


class Figures:
    """What the complaints say of each principle, with their customers as clusters.

    Parameters
    ----------
    frame : pandas.DataFrame
        As of `crmlab.complaints.cases.cases`.
    known : Judged
    waiting : pandas.DataFrame, optional
        As of `crmlab.complaints.waits.waits`, to the first answer.
    fewest : int
        A group of fewer customers is not judged.
    confidence : float
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        known: Judged,
        waiting: pd.DataFrame | None,
        fewest: int,
        confidence: float,
    ) -> None:
        self.known = known
        self.fewest = fewest
        self.confidence = confidence
        self.cluster = clusters(frame["customer_id"])
        self.alike = {name: self._alike(each) for name, each in known.values.items()}
        kept = (known.promises == KEPT) & frame["reopened_at"].isna()
        self.kept_for_good = kept.to_numpy(float)
        self.handovers = frame["reassignments"].astype(float).to_numpy()
        self.asked = known.record.required > 0
        self.full = known.record.required == known.record.filled
        self.hours, self.ended = self._waits(frame, waiting)

    def _alike(self, each: Values) -> float:
        hits, trials = (np.bincount(self.cluster, part) for part in (each.hits, each.trials))
        return intraclass_correlation(hits, trials, np.zeros(len(trials), int))

    @staticmethod
    def _waits(frame: pd.DataFrame, waiting: pd.DataFrame | None) -> tuple[Any, Any]:
        if waiting is None:
            return np.full(len(frame), np.nan), np.zeros(len(frame), bool)
        of_each = waiting.set_index("complaint_id").reindex(frame["complaint_id"])
        ended = of_each["ended"].astype("boolean").fillna(False)
        return of_each["hours"].to_numpy(float), ended.to_numpy(bool)

    def shares(self, member: Member) -> list[dict[str, Any]]:
        """A row per principle: complaints judged, the share in which it was kept, and not judged.

        Parameters
        ----------
        member : numpy.ndarray of bool, shape (complaints,)
            The complaints of the group.
        """
        own = np.unique(self.cluster[member], return_inverse=True)[1]
        rows = []
        for name in PRINCIPLES:
            each = self.known.values[name]
            trials = each.trials[member]
            found = clustered.share(
                np.bincount(own, each.hits[member]),
                np.bincount(own, trials),
                correlation=self.alike[name],
                confidence=self.confidence,
            )
            if len(np.unique(own[trials > 0])) < 2:  # one customer alone has no interval
                found = found._replace(low=np.nan, high=np.nan)
            judged = int((trials > 0).sum())
            rows.append(
                {
                    "principle": name,
                    "complaints": judged,
                    "share": found.value,
                    "low": found.low,
                    "high": found.high,
                    "left_out": len(trials) - judged,
                }
            )
        return rows

    def chance(self, name: str, member: Member) -> float:
        """Probability by chance of a group's difference from all others; NaN if not judged.

        Parameters
        ----------
        name : str
            The principle.
        member : numpy.ndarray of bool, shape (complaints,)
        """
        each = self.known.values[name]
        used = each.trials > 0
        sides = (used & member, used & ~member)
        if min(len(np.unique(self.cluster[side])) for side in sides) < self.fewest:
            return float("nan")
        with np.errstate(divide="ignore", invalid="ignore"):
            share = each.hits / each.trials
        return weighted.contrast(share, *sides, weights=each.trials, clusters=self.cluster).chance

    def beside(self, member: Member) -> dict[str, float]:
        """What goes with the five shares, as counts, ratios and hours.

        Parameters
        ----------
        member : numpy.ndarray of bool, shape (complaints,)
        """
        again = self.known.repeats
        expected = float(again.expected[member].sum())
        came_back = int(again.again[member].sum())
        due = self.known.values["timeliness"].trials[member].sum()
        times = self.handovers[member]
        times = times[np.isfinite(times)]
        full = self.full[member & self.asked]
        return {
            "repeats": came_back,
            "expected_repeats": expected,
            "ratio": came_back / expected if expected else np.nan,
            "complete_records": float(full.mean()) if len(full) else np.nan,
            "handovers": float(times.mean()) if len(times) else np.nan,
            "kept_for_good": float(self.kept_for_good[member].sum() / due) if due else np.nan,
            "median_hours": self._median(member),
        }

    def _median(self, member: Member) -> float:
        known = member & np.isfinite(self.hours)
        if not known.any():
            return float("nan")
        hours, ended = self.hours[known], self.ended[known]
        if ended.all():
            return float(np.quantile(hours, 0.5, method="inverted_cdf"))
        return quantile(kaplan_meier(hours, ended)).value
