"""How those who answered differ from all who were asked, in what is known of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData, UnknownName
from crmlab.language import _, number, percent
from crmlab.satisfaction.asked import (
    Asked,
    asked,
    category_labels,
    category_name,
    known,
    labels_of,
    points,
)
from crmlab.satisfaction.responses import clusters, facts
from crmlab.show import charts
from crmlab.show.result import Context, Definition, Result, intervals_in_brackets, measure
from crmlab.stats import weighted
from crmlab.stats.multiplicity import holm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace


@dataclass(frozen=True, repr=False)
class NonresponseBias(Result):
    """Result of `nonresponse_bias`.

    Attributes
    ----------
    asked : Asked
    unknown : tuple of str
        Characteristics that the data do not have.
    confidence : float
    """

    measure = "satisfaction.nonresponse_bias"

    asked: Asked
    unknown: tuple[str, ...]
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return {"low": "number", "high": "number"}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        names = self.table["characteristic"].unique().tolist()
        return {"characteristic": labels_of(names), "category": category_labels(names)}

    def title(self) -> str:
        beyond = self.table[self.table["apart"]]
        if beyond.empty:
            return _("No difference between those who answered and those asked is beyond chance")
        return _("Those who answered differ from those asked: {names}").format(
            names=_(", ").join(category_name(row) for row in beyond.itertuples())
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        table = self.table
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(2.4, 0.36 * len(table) + 1.5)))
        places = np.arange(len(table))[::-1]
        colours = [charts.ORANGE if apart else charts.BLUE for apart in table["apart"]]
        axes.axvline(0, color=charts.MUTED, linestyle="--", linewidth=1)
        axes.hlines(places, table["low"], table["high"], colors=colours)
        axes.scatter(table["standardised"], places, color=colours, zorder=3)
        axes.set_yticks(places, [category_name(row) for row in table.itertuples()])
        axes.set_ylim(-0.7, len(table) - 0.3)
        axes.set_xlabel(
            _("Answered less asked, in standard deviations, with {confidence} interval").format(
                confidence=percent(self.confidence, 0)
            )
        )
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        beyond = self.table[self.table["apart"]]
        comparisons = number(len(self.table))
        if beyond.empty:
            first = _(
                "In none of {comparisons} comparisons do those who answered differ from all who "
                "were asked by more than chance would bring about."
            ).format(comparisons=comparisons)
        else:
            first = _(
                "By more than chance would bring about among {comparisons} comparisons, those who "
                "answered differ from all who were asked in: {parts}."
            ).format(
                comparisons=comparisons,
                parts=_("; ").join(self._words(row) for row in beyond.itertuples()),
            )
        largest = self.table.iloc[self.table["standardised"].abs().argmax()]
        second = _(
            "The largest difference is {size} standard deviations ({low} to {high}): {name}. "
            "{intervals} The decision allows for all {comparisons} comparisons (Holm); each "
            "interval stands for its own alone."
        ).format(
            size=points(largest["standardised"]),
            low=points(largest["low"]),
            high=points(largest["high"]),
            name=category_name(largest),
            comparisons=comparisons,
            intervals=intervals_in_brackets(self.confidence),
        )
        third = _(
            "What is compared here can be put right by weights. Whether satisfaction itself "
            "decides who answers cannot be seen: it is known only of those who answered."
        )
        parts = [first, second, third]
        if self.unknown:
            parts.append(
                _("Not compared, as the data do not have it: {names}.").format(
                    names=_(", ").join(labels_of(self.unknown).values())
                )
            )
        return "\n\n".join([*parts, self.asked.sentence()])

    def alt(self) -> str:
        parts = [
            _("{name} {size} ({low} to {high})").format(
                name=category_name(row),
                size=points(row.standardised),
                low=points(row.low),
                high=points(row.high),
            )
            for row in self.table.itertuples()
        ]
        return _("Points with intervals of standardised differences, zero dashed. {parts}.").format(
            parts=_("; ").join(parts)
        )

    def _words(self, row: Any) -> str:
        return _("{name}, {asked} of those asked and {answered} of those who answered").format(
            name=category_name(row),
            asked=percent(row.asked_share),
            answered=percent(row.returned_share),
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_(
                "Share among those who answered less share among all who were asked, by the "
                "weights of the sample"
            ),
            denominator=_("Standard deviation among all who were asked"),
            period=self.context.period(),
            method=_(
                "Standardised differences with {confidence} intervals, linearised, customers as "
                "clusters; Holm's correction over all comparisons. Late: the order asked about. "
                "Revenue and complaints: of the customer over the whole period."
            ).format(confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=self.asked.exclusions(),
        )


@measure(
    needs=[
        {"surveys": ["response_id", "customer_id", "answered_at"], "customers": ["tier"]},
        {"surveys": ["response_id", "customer_id", "answered_at"], "customers": ["region"]},
        {"surveys": ["response_id", "order_id", "answered_at"], "orders": ["order_id"]},
    ]
)
def nonresponse_bias(
    crm: Workspace, *, margins: Sequence[str] = ("tier", "region"), confidence: float = 0.95
) -> NonresponseBias:
    """How those who answered differ from all who were asked, in what is known of both.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, customer_id, answered_at, and customers or orders.
    margins : sequence of str
        Characteristics in categories, of the customer or the order.
    confidence : float

    Returns
    -------
    NonresponseBias
        `.table` has a row per characteristic and category, largest difference first:
        characteristic, category (empty where it is yes or no), asked_share, returned_share,
        standardised (the difference in standard deviations), low, high, apart (beyond chance).
        Beside the margins: whether the order was late, whether the customer's revenue lies above
        the median of those asked (by weight), and whether the customer has complained.

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData
        If nobody answered or everybody did, or if nothing is known of those asked.

    Notes
    -----
    With the weights w of the sample, d = (Σ_A w·x/Σ_A w − Σw·x/Σw)/s, where A are those who
    answered, x is 1 in the category and s = √(p(1 − p)) with p the share among all asked. Its
    error is that of the difference of the two means, which are made of the same customers in part;
    s counts as known. Late is judged among orders whose outcome is known, revenue and complaints
    among questionnaires that name their customer.

    References
    ----------
    Groves, R. M. (2006), Public Opinion Quarterly 70, 646-675. Austin, P. C. (2009), Statistics in
    Medicine 28, 3083-3107, on standardised differences.

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> who = [str(i) for i in range(40)]
    >>> customers = pd.DataFrame({"customer_id": who, "tier": ["key"] * 20 + ["general"] * 20})
    >>> surveys = pd.DataFrame({"response_id": who, "customer_id": who, "overall": 4})
    >>> back = ["2025-03-02"] * 15 + [None] * 20 + ["2025-03-02"] * 5
    >>> surveys = surveys.assign(answered_at=pd.to_datetime(back))
    >>> crm = from_frames({"surveys": surveys, "customers": customers})
    >>> found = nonresponse_bias(crm, margins=("tier",)).table
    >>> found[["category", "asked_share", "returned_share", "standardised", "apart"]]
      category  asked_share  returned_share  standardised  apart
    0  general          0.5            0.25          -0.5   True
    1      key          0.5            0.75           0.5   True
    """
    found = asked(crm)
    compared, unknown = _compared(found, margins)
    own, rows, chances = clusters(found.frame), [], []
    for (characteristic, category), flags in compared.items():
        row, chance = _contrast(found.frame, flags, own, confidence)
        if row:
            rows.append({"characteristic": characteristic, "category": category, **row})
            chances.append(chance)
    if not rows:
        raise NotEnoughData(
            _(
                "Nothing is known of those who were asked in which they could differ from those "
                "who answered."
            )
        )
    table = pd.DataFrame(rows).assign(apart=holm(chances, 1 - confidence)[0])
    order = table["standardised"].abs().sort_values(ascending=False, kind="stable").index
    table = table.loc[order].reset_index(drop=True)
    return NonresponseBias(table, Context.of(crm), found, tuple(unknown), confidence)


def _compared(
    found: Asked, margins: Sequence[str]
) -> tuple[dict[tuple[str, str], pd.Series], list[str]]:
    """Yes or no (missing where not known) of each questionnaire, by characteristic and category."""
    about, frame = facts(found.workspace), found.frame
    flags: dict[tuple[str, str], pd.Series] = {}
    unknown = []
    for name in margins:
        try:
            group = known(about, frame, name)
        except UnknownName:
            unknown.append(name)
            continue
        values = sorted(group.unique())
        flags |= {(name, value): (group == value).astype(float) for value in values}
    for name, yes in _yes_or_no(found, about).items():
        if yes is None or not yes.notna().any():
            unknown.append(name)
        else:
            flags[name, ""] = yes
    return flags, unknown


def _yes_or_no(found: Asked, about: pd.DataFrame) -> dict[str, pd.Series | None]:
    crm, frame = found.workspace, found.frame
    on_time, named = frame["response_id"].map(about["on_time"]), frame["customer_id"].notna()
    flags: dict[str, pd.Series | None] = {"late": 1 - on_time.astype(float)}
    flags["large"] = flags["complained"] = None
    if not named.any():
        return flags
    if crm.has("orders", "amount") and crm.has("orders", "customer_id"):
        spent = crm.query("customer_summary").set_index("customer_id")["amount"]
        revenue = frame["customer_id"].map(spent).fillna(0.0)[named]
        large = revenue > _median(revenue, frame["weight"][named])
        flags["large"] = large.astype(float).reindex(frame.index)
    if crm.has("complaints", "customer_id"):
        complained = set(crm.query("complaints_summary")["customer_id"].dropna())
        flags["complained"] = frame["customer_id"].isin(complained).astype(float).where(named)
    return flags


def _median(values: pd.Series, weights: pd.Series) -> float:
    """The value up to which half of the weight lies."""
    order = values.argsort(kind="stable")
    reached = weights.iloc[order].cumsum() / weights.sum()
    return float(values.iloc[order].iloc[int((reached < 0.5).sum())])


def _contrast(
    frame: pd.DataFrame, flags: pd.Series, own: np.ndarray, confidence: float
) -> tuple[dict[str, float], float]:
    """The standardised difference of one characteristic; nothing where all are alike in it."""
    values, weights = flags.to_numpy(float), frame["weight"].to_numpy(float)
    there, back = np.isfinite(values), frame["answered"].to_numpy()
    total = weights[there].sum()
    share = float((weights * np.where(there, values, 0.0)).sum() / total) if total else np.nan
    if not 0 < share < 1 or not weights[there & back].any():
        return {}, np.nan
    spread = float(np.sqrt(share * (1 - share)))
    found = weighted.contrast(values, back & there, there, weights=weights, clusters=own)
    apart = found.estimate(confidence)
    row = {
        "asked_share": share,
        "returned_share": share + apart.value,
        "standardised": apart.value / spread,
        "low": apart.low / spread,
        "high": apart.high / spread,
    }
    return row, found.chance
