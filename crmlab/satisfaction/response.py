"""What share of the questionnaires comes back, and from whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.language import _, ngettext, number, percent
from crmlab.satisfaction.asked import NOT_GIVEN, Asked, asked
from crmlab.satisfaction.responses import clusters, grouped_by
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.result import Context, Definition, Result, intervals_in_brackets, measure
from crmlab.stats import weighted
from crmlab.stats.clustered import Estimate
from crmlab.stats.multiplicity import holm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: With fewer customers than this a group is not judged.
FEWEST = 5
#: More groups than this are drawn as the first and the last.
DRAWN = 24
#: So many groups that are not judged are named in a reading.
NAMED = 6


@dataclass(frozen=True, repr=False)
class ResponseRates(Result):
    """Result of `response_rates`.

    Attributes
    ----------
    by : str
        Column of the groups; empty for all together.
    overall : crmlab.stats.clustered.Estimate
        The rate of all together.
    by_weight : float
        Share of the population that would answer: the rate by the weights; NaN without weights.
    asked : Asked
    confidence : float
    """

    measure = "satisfaction.response_rates"

    by: str
    overall: Estimate
    by_weight: float
    asked: Asked
    confidence: float

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        verdicts = {"below": _("lower"), "above": _("higher"), "alike": _("cannot be told")}
        if not self.by:
            return {"verdict": verdicts}
        return {"verdict": verdicts, self.by: self._codes()}

    def title(self) -> str:
        low, high = self._of("below"), self._of("above")
        if low and high:
            return _("Fewer answers from {low}, more from {high}").format(low=low, high=high)
        if low:
            return _("Fewer answers than from the others: {low}").format(low=low)
        if high:
            return _("More answers than from the others: {high}").format(high=high)
        return _("{share} of the questionnaires came back").format(share=percent(self.overall[0]))

    def plot(self, ax: Axes | None = None) -> Axes:
        table = self._drawn()
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(2.4, 0.34 * len(table) + 1.6)))
        places = np.arange(len(table))[::-1]
        axes.axvline(self.overall.value, color=charts.MUTED, linestyle="--", linewidth=1)
        colours = [
            charts.ORANGE if verdict == "below" else charts.BLUE
            for verdict in self._verdicts(table)
        ]
        axes.hlines(places, table["low"], table["high"], colors=colours)
        axes.scatter(table["share"], places, color=colours, zorder=3)
        axes.set_yticks(places, [self._name(row) for _index, row in table.iterrows()])
        axes.set_ylim(-0.7, len(table) - 0.3)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(
            _("Share answered with {confidence} interval; dashed: all").format(
                confidence=percent(self.confidence, 0)
            )
        )
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        sent, back = len(self.asked.frame), len(self.asked.frame) - self.asked.silent
        rate = _(
            "Of {sent} questionnaires {answered} came back: {share} ({low} to {high}), {period}. "
            "{intervals}"
        ).format(
            sent=number(sent),
            answered=number(back),
            share=percent(self.overall.value),
            low=percent(self.overall.low),
            high=percent(self.overall.high),
            period=self.context.period(),
            intervals=intervals_in_brackets(self.confidence),
        )
        parts = [rate]
        if np.ptp(self.asked.frame["weight"]) > 0:
            parts.append(
                _(
                    "Some customers were more likely to be asked than others; by the weights of "
                    "the sample the rate is {share}."
                ).format(share=percent(self.by_weight))
            )
        if self.by:
            parts += [self._apart(), self._not_judged()]
        if len(self.asked.again):
            parts.append(self._again())
        return "\n\n".join([*(part for part in parts if part), self.asked.sentence()])

    def alt(self) -> str:
        groups = [
            _("{group} {share} ({low} to {high})").format(
                group=self._name(row),
                share=percent(row["share"]),
                low=percent(row["low"]),
                high=percent(row["high"]),
            )
            for _index, row in self._drawn().iterrows()
        ]
        return _("Points with intervals of the share answered. {groups}.").format(
            groups=_("; ").join(groups)
        )

    def _again(self) -> str:
        again = self.asked.again
        if again["answered"].all():
            return _(
                "Of those who had not answered, {asked} were asked again, and all answered; they "
                "do not count in the rate."
            ).format(asked=number(len(again)))
        return _(
            "Of those who had not answered, {asked} were asked again, and {answered} of these "
            "answered; they do not count in the rate."
        ).format(asked=number(len(again)), answered=number(int(again["answered"].sum())))

    def _apart(self) -> str:
        low, high = self._of("below"), self._of("above")
        judged = self.table["verdict"].notna()
        groups = number(int(judged.sum()))
        if not judged.any():
            return ""
        if not low and not high:
            return _(
                "No group differs from the others by more than chance would bring about among "
                "{groups} groups. That does not show that their rates are the same."
            ).format(groups=groups)
        if low and high:
            said = _(
                "Compared with the others, a smaller share came back from {low} and a larger one "
                "from {high}, by more than chance would bring about."
            )
        elif low:
            said = _(
                "Compared with the others, a smaller share came back from {low}, by more than "
                "chance would bring about."
            )
        else:
            said = _(
                "Compared with the others, a larger share came back from {high}, by more than "
                "chance would bring about."
            )
        return said.format(low=low, high=high)

    def _not_judged(self) -> str:
        table = self.table[self.table["customers"] < FEWEST]
        if table.empty:
            return ""
        names = [self._name(row) for _index, row in table.head(NAMED).iterrows()]
        more = len(table) - len(names)
        if more:
            said = ngettext("{count} more in the table", "{count} more in the table", more)
            names.append(said.format(count=number(more)))
        return _("Not judged, because they are fewer than {fewest} customers: {names}.").format(
            fewest=number(FEWEST), names=_("; ").join(names)
        )

    def _of(self, verdict: str) -> str:
        rows = zip(self._verdicts(self.table), self.table.iterrows(), strict=True)
        return _(", ").join(self._name(row) for is_, (_index, row) in rows if is_ == verdict)

    @staticmethod
    def _verdicts(table: pd.DataFrame) -> list[str]:
        if "verdict" not in table:
            return [""] * len(table)
        return table["verdict"].fillna("").tolist()

    def _drawn(self) -> pd.DataFrame:
        if len(self.table) <= DRAWN:
            return self.table
        return pd.concat([self.table.head(DRAWN // 2), self.table.tail(DRAWN // 2)])

    def _name(self, row: pd.Series) -> str:
        if not self.by:
            return _("All who were asked")
        value = row[self.by]
        if isinstance(value, pd.Timestamp):
            return value.strftime("%Y-%m")
        name = self._codes().get(str(value), str(value))
        if isinstance(value, bool | np.bool_):
            return _("{column}: {value}").format(column=shown(self.by).label, value=name)
        return name

    def _codes(self) -> dict[str, str]:
        # A stratum is often a tier, and then it is called as the tier is.
        own = shown(self.by).values or (shown("tier").values if self.by == "stratum" else {})
        return {NOT_GIVEN: _("not given"), "True": _("yes"), "False": _("no"), **own}

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Questionnaires that came back"),
            denominator=_("Questionnaires sent in modes where the company chooses whom it asks"),
            period=self.context.period(),
            method=_(
                "{confidence} Wilson intervals, the number divided by the design effect of "
                "questionnaires within customers; each group of five customers or more against all "
                "the others, Holm's correction. Who was asked again does not count."
            ).format(confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=self.asked.exclusions(),
        )


@measure(needs={"surveys": ["response_id", "answered_at"]})
def response_rates(
    crm: Workspace, *, by: str | None = None, confidence: float = 0.95
) -> ResponseRates:
    """What share of the questionnaires comes back, and from whom.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, answered_at.
    by : str, optional
        A column of surveys, of the customer or of the order (``"tier"``, ``"region"``,
        ``"on_time"`` …) or ``"month"``. By default the stratum, where the data give one; an empty
        text for all together.
    confidence : float

    Returns
    -------
    ResponseRates
        `.table` has a row per group, lowest rate first (months in their order): the column of `by`,
        customers, sent, returned, share, low, high, design_effect; with groups also verdict:
        whether the rate lies below or above that of the others, missing where it has fewer than
        five customers.

    Raises
    ------
    MissingColumns
        If a column is not there.
    UnknownName
        If there is no such column to group by.
    NotEnoughData
        If nobody answered, or everybody did.

    Notes
    -----
    Who called the call centre has chosen itself and is not counted; who was asked again because
    nothing came back is not counted twice. The rate counts questionnaires, each once; the one by
    weights estimates it for all customers. A questionnaire that is answered in part counts as
    returned. A group is compared with all the others by `crmlab.stats.weighted.contrast`; where all
    or none of one side answered, by Fisher's exact test on the effective numbers.

    References
    ----------
    AAPOR (2023), Standard Definitions, 10th ed., response rate 2. Holm, S. (1979), Scandinavian
    Journal of Statistics 6, 65-70.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> who = [str(i) for i in range(40)]
    >>> customers = pd.DataFrame({"customer_id": who, "tier": ["key"] * 20 + ["general"] * 20})
    >>> surveys = pd.DataFrame({"response_id": who, "customer_id": who, "overall": 4})
    >>> back = ["2025-03-02"] * 15 + [None] * 20 + ["2025-03-02"] * 5
    >>> surveys = surveys.assign(answered_at=pd.to_datetime(back))
    >>> crm = from_frames({"surveys": surveys, "customers": customers})
    >>> response_rates(crm, by="tier").table[["tier", "sent", "returned", "share", "verdict"]]
          tier  sent  returned  share verdict
    0  general    20         5   0.25   below
    1      key    20        15   0.75   above
    """
    found = asked(crm)
    frame = found.frame
    if by is None:
        by = "stratum" if frame["stratum"].notna().any() else ""
    flags, own = frame["answered"].to_numpy(), clusters(frame)
    rate = weighted.share(flags, clusters=own, confidence=confidence)
    by_weight = weighted.share(flags, weights=frame["weight"]).value if found.weighted else np.nan
    table = pd.DataFrame([_rate(frame, confidence)])
    if by:
        group = _grouped(found, by)
        table = _rates(frame, group, by, confidence)
    return ResponseRates(table, Context.of(crm), by, rate, by_weight, found, confidence)


def _grouped(found: Asked, by: str) -> pd.Series:
    if by == "month":  # who did not answer has no month of answer
        group = found.frame["sent_at"].dt.to_period("M").dt.to_timestamp()
    else:
        group = grouped_by(found.workspace, found.frame, by)
    return group.astype(object).where(group.notna(), NOT_GIVEN)


def _rates(frame: pd.DataFrame, group: pd.Series, by: str, confidence: float) -> pd.DataFrame:
    flags, own = frame["answered"].to_numpy(float), clusters(frame)
    rows, chances = [], []
    for value in sorted(group.unique(), key=str):
        of = (group == value).to_numpy()
        row = _rate(frame[of], confidence)
        apart, chance = _contrast(flags, of, own)
        chances.append(chance if row["customers"] >= FEWEST else np.nan)
        rows.append({by: value, **row, "verdict": "below" if apart < 0 else "above"})
    table = pd.DataFrame(rows)
    beyond = holm(chances, 1 - confidence)[0]
    table["verdict"] = table["verdict"].where(beyond, "alike").where(~np.isnan(chances), None)
    if by == "month":
        return table
    return table.sort_values(["share", by], key=_as_text, ignore_index=True)


def _contrast(flags: np.ndarray, of: np.ndarray, own: np.ndarray) -> tuple[float, float]:
    """Rate of a group less that of the others, and the probability of that by chance."""
    found = weighted.contrast(flags, of, ~of, clusters=own)
    if of.all() or (np.ptp(flags[of]) > 0 and np.ptp(flags[~of]) > 0):
        return found.value, found.chance
    # All or none of one side answered, so its variance cannot be seen: an exact test instead.
    from scipy.stats import fisher_exact

    counts = []
    for side in (of, ~of):
        rate = weighted.share(flags[side], clusters=own[side])
        effective = side.sum() / rate.effect
        hits = round(rate.value * effective)
        counts.append([hits, max(round(effective), hits) - hits])
    return found.value, float(fisher_exact(counts)[1])


def _as_text(column: pd.Series) -> pd.Series:
    return column.astype(str) if column.dtype == object else column


def _rate(frame: pd.DataFrame, confidence: float) -> dict[str, Any]:
    own = clusters(frame)
    found = weighted.share(frame["answered"], clusters=own, confidence=confidence)
    return {
        "customers": int(own.max()) + 1,
        "sent": len(frame),
        "returned": int(frame["answered"].sum()),
        "share": found.value,
        "low": found.low,
        "high": found.high,
        "design_effect": found.effect,
    }
