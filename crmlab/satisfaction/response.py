"""Who answers: the response rate, what is known of those who do not, and asking them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crmlab.errors import NotEnoughData, UnknownName
from crmlab.language import _, ngettext, number, percent
from crmlab.satisfaction.responses import (
    CONVENIENCE,
    _answered,
    _complete,
    _part,
    clusters,
    facts,
    grouped_by,
    of_questionnaires,
)
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats import weighted
from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.ordered import ordered
from crmlab.stats.weighting import Raked, rake

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: Ways of asking again those who did not answer.
AGAIN = ("follow_up",)
#: Category of those of whom it is not known.
NOT_GIVEN = "not given"
#: With fewer customers than this a group is not judged.
FEWEST = 5
#: More groups than this are drawn as the first and the last.
DRAWN = 24


@dataclass(frozen=True)
class Asked:
    """Everyone who was asked in ways the company chose, answered or not.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per questionnaire of the first try, with all columns of ``surveys``; `weight` is 1
        where the data have no weights; `answered`.
    again : pandas.DataFrame
        The same of those who were asked again because they had not answered.
    weighted : bool
        Whether the data give weights.
    without_weight : int
        Questionnaires without a weight where others have one; they are left out.
    left_out : dict of str to int
        Questionnaires of other modes, by mode.
    part : str
        What the questionnaires are a sample of, in words; empty if they are all.
    workspace : Workspace
        The workspace that was asked about.
    """

    frame: pd.DataFrame
    again: pd.DataFrame
    weighted: bool
    without_weight: int
    left_out: dict[str, int]
    part: str
    workspace: Workspace

    @property
    def silent(self) -> int:
        """Questionnaires of the first try that did not come back."""
        return int((~self.frame["answered"]).sum())

    def answers(self) -> pd.DataFrame:
        """Those of the first try that came back."""
        return self.frame[self.frame["answered"]].reset_index(drop=True)

    def with_again(self) -> pd.DataFrame:
        """All that came back, at first or when asked again."""
        again = self.again[self.again["answered"]]
        return pd.concat([self.answers(), again], ignore_index=True)

    def exclusions(self) -> tuple[Exclusion, ...]:
        """What is left out, each with its count."""
        found = {_("without a weight"): self.without_weight}
        for mode, count in self.left_out.items():
            name = shown("mode").written(mode, "")
            found[_("asked in the mode {mode}").format(mode=name)] = count
        return tuple(of_questionnaires(reason, count) for reason, count in found.items() if count)

    def sentence(self) -> str:
        """What is left out, in a sentence."""
        parts = [one.words() for one in self.exclusions()]
        said = (
            _("Left out: {parts}.").format(parts=_("; ").join(parts))
            if parts
            else _("No questionnaire was left out.")
        )
        return f"{said} {self.part}" if self.part else said


def asked(crm: Workspace) -> Asked:
    """Everyone who was asked, answered or not.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id and answered_at.

    Returns
    -------
    Asked

    Raises
    ------
    NotEnoughData
        If nobody answered, or everybody did: then the data do not say who was asked in vain.
    """
    workspace, part = _part(crm)
    surveys = _complete(workspace.surveys)
    surveys = surveys.assign(answered=_answered(crm, surveys))
    others = set(surveys["mode"].dropna()) - {*CONVENIENCE, *AGAIN}
    usual = surveys["mode"].isna() | surveys["mode"].isin(others)
    again = surveys["mode"].isin(AGAIN)
    if not usual.any():
        usual = ~again
    kept = surveys[usual | again]
    by_weight = bool(kept["weight"].notna().any())
    lacking = kept["weight"].isna() if by_weight else pd.Series(False, kept.index)
    kept = kept[~lacking] if by_weight else kept.assign(weight=1.0)
    first = kept[usual[kept.index]].reset_index(drop=True)
    _check(first)
    left_out = surveys.loc[~usual & ~again, "mode"].value_counts()
    return Asked(
        first,
        kept[again[kept.index]].reset_index(drop=True),
        by_weight,
        int(lacking.sum()),
        {str(mode): int(count) for mode, count in sorted(left_out.items())},
        part,
        crm,
    )


def _check(first: pd.DataFrame) -> None:
    if not first["answered"].any():
        raise NotEnoughData(_("No questionnaire was answered, so nothing is known of anybody."))
    if first["answered"].all():
        raise NotEnoughData(
            _(
                "All {count} questionnaires of the data were answered, so the data do not say who "
                "was asked in vain. Keep the questionnaires that did not come back too."
            ).format(count=number(len(first)))
        )


# --- what is known of everyone


def known(about: pd.DataFrame, frame: pd.DataFrame, name: str) -> pd.Series:
    """What is known of the customer or the order of each questionnaire, as a category.

    Parameters
    ----------
    about : pandas.DataFrame
        As from `facts`.
    frame : pandas.DataFrame
        With response_id.
    name : str
        A column of `facts`; ``"region"`` is the customer's where it is known, else the order's.

    Returns
    -------
    pandas.Series
        Of text, with the index of `frame`; `NOT_GIVEN` where it is not known.

    Raises
    ------
    UnknownName
        If it is known of nobody.
    """
    own = name == "region" and about["customer_region"].notna().any()
    column = "customer_region" if own else name
    if column not in about or not about[column].notna().any():
        there = [one for one in about if about[one].notna().any()]
        raise UnknownName(
            _("Of those asked, {column} is not known. Known are: {names}.").format(
                column=name, names=_(", ").join(there) or _("none")
            )
        )
    values = frame["response_id"].map(about[column])
    return values.astype(object).where(values.notna(), NOT_GIVEN).astype(str).rename(name)


def labels_of(names: Sequence[str]) -> dict[str, str]:
    """Label of each characteristic in the current language."""
    return {
        name: _("Late order") if name == "late" else _extra().get(name) or shown(name).label
        for name in names
    }


def category_labels(names: Sequence[str]) -> dict[str, str]:
    """Label of each category of these characteristics in the current language."""
    found = {NOT_GIVEN: _("not given"), "True": _("yes"), "False": _("no")}
    for name in names:
        found |= shown(name).values
    return found


def _extra() -> dict[str, str]:
    return {
        "large": _("Revenue above the median"),
        "complained": _("Has complained"),
        "on_time": _("Order on time"),
    }


# --- response rates


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
            charts.ORANGE if verdict == "below" else charts.BLUE for verdict in self._verdicts()
        ][: len(table)]
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
        if self.asked.weighted:
            parts.append(
                _(
                    "Some customers were more likely to be asked than others; by the weights of "
                    "the sample the rate is {share}."
                ).format(share=percent(self.by_weight))
            )
        if self.by:
            parts.append(self._apart())
        if len(self.asked.again):
            parts.append(self._again())
        return "\n\n".join([*parts, self.asked.sentence()])

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
        return _(
            "Of those who had not answered, {asked} were asked again, and {answered} of these "
            "answered; they do not count in the rate."
        ).format(asked=number(len(again)), answered=number(int(again["answered"].sum())))

    def _apart(self) -> str:
        low, high = self._of("below"), self._of("above")
        groups = number(len(self.table))
        if not low and not high:
            return _(
                "No group differs from the others by more than chance would bring about among "
                "{groups} groups. That does not show that they answer alike."
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

    def _of(self, verdict: str) -> str:
        rows = zip(self._verdicts(), self.table.iterrows(), strict=True)
        return _(", ").join(self._name(row) for is_, (_index, row) in rows if is_ == verdict)

    def _verdicts(self) -> list[str]:
        if "verdict" not in self.table:
            return [""] * len(self.table)
        return self.table["verdict"].fillna("").tolist()

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
                "questionnaires within customers; each group against all the others, Holm's "
                "correction. Who was asked again does not count."
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
    weights estimates it for all customers.

    References
    ----------
    AAPOR (2023), Standard Definitions, 10th ed., response rate 1. Holm, S. (1979), Scandinavian
    Journal of Statistics 6, 65-70.
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
    group = grouped_by(found.workspace, found.frame, by)
    if by == "month":  # who did not answer has no month of answer
        group = found.frame["sent_at"].dt.to_period("M").dt.to_timestamp()
    return group.astype(object).where(group.notna(), NOT_GIVEN)


def _rates(frame: pd.DataFrame, group: pd.Series, by: str, confidence: float) -> pd.DataFrame:
    flags, own = frame["answered"].to_numpy(float), clusters(frame)
    rows, chances = [], []
    for value in sorted(group.unique(), key=str):
        of = (group == value).to_numpy()
        row = _rate(frame[of], confidence)
        apart = weighted.difference(flags, of, ~of, clusters=own, confidence=confidence)
        judged = row["customers"] >= FEWEST
        freedom = int(own.max()) - 1
        chance = weighted.probability(apart, freedom, confidence=confidence)
        chances.append(chance if judged else np.nan)
        rows.append({by: value, **row, "verdict": "below" if apart.value < 0 else "above"})
    table = pd.DataFrame(rows)
    beyond = holm(chances, 1 - confidence)
    table["verdict"] = table["verdict"].where(beyond, "alike").where(~np.isnan(chances), None)
    if by == "month":
        return table
    return table.sort_values(["share", by], key=_as_text, ignore_index=True)


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


def holm(chances: Sequence[float], level: float) -> np.ndarray:
    """Which of several differences are beyond chance, by Holm's correction.

    Parameters
    ----------
    chances : sequence of float
        Two-sided probabilities; one that is missing is not judged and does not count.
    level : float

    Returns
    -------
    numpy.ndarray of bool

    Examples
    --------
    >>> holm([0.01, 0.04, float("nan")], 0.05).tolist()
    [True, True, False]
    """
    from statsmodels.stats.multitest import multipletests

    values = np.asarray(chances, float)
    judged, found = np.isfinite(values), np.zeros(len(values), bool)
    if judged.any():
        found[judged] = multipletests(values[judged], alpha=level, method="holm")[0]
    return found


# --- what is known of those who do not answer


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
            return _("Those who answered differ from those asked by no more than chance")
        return _("Those who answered differ from those asked: {names}").format(
            names=_(", ").join(self._name(row) for row in beyond.itertuples())
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        table = self.table
        axes = charts.new_axes(ax, size=(charts.SIZE[0], max(2.4, 0.36 * len(table) + 1.5)))
        places = np.arange(len(table))[::-1]
        colours = [charts.ORANGE if apart else charts.BLUE for apart in table["apart"]]
        axes.axvline(0, color=charts.MUTED, linestyle="--", linewidth=1)
        axes.hlines(places, table["low"], table["high"], colors=colours)
        axes.scatter(table["standardised"], places, color=colours, zorder=3)
        axes.set_yticks(places, [self._name(row) for row in table.itertuples()])
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
                "In these of {comparisons} comparisons those who answered differ from all who "
                "were asked by more than chance would bring about: {parts}."
            ).format(
                comparisons=comparisons,
                parts=_("; ").join(self._words(row) for row in beyond.itertuples()),
            )
        largest = self.table.iloc[self.table["standardised"].abs().argmax()]
        second = _(
            "The largest difference is {size} standard deviations ({low} to {high}): {name}. "
            "{intervals}"
        ).format(
            size=points(largest["standardised"]),
            low=points(largest["low"]),
            high=points(largest["high"]),
            name=self._name(largest),
            intervals=intervals_in_brackets(self.confidence),
        )
        third = _(
            "What differs here can be weighted away. Whether satisfaction itself decides who "
            "answers cannot be seen here, for it is known only of those who answered."
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
                name=self._name(row),
                size=points(row.standardised),
                low=points(row.low),
                high=points(row.high),
            )
            for row in self.table.itertuples()
        ]
        return _("Points with intervals of standardised differences, zero dashed. {parts}.").format(
            parts=_("; ").join(parts)
        )

    def _name(self, row: Any) -> str:
        label = labels_of([row.characteristic])[row.characteristic]
        if row.category == "":
            return label
        codes = category_labels([row.characteristic])
        return f"{label} · {codes.get(row.category, row.category)}"

    def _words(self, row: Any) -> str:
        return _("{name}, {asked} of those asked and {answered} of those who answered").format(
            name=self._name(row),
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
        the median of those asked, and whether the customer has complained.

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
    s counts as known. Late is judged among orders whose outcome is known.

    References
    ----------
    Groves, R. M. (2006), Public Opinion Quarterly 70, 646-675. Austin, P. C. (2009), Statistics in
    Medicine 28, 3083-3107, on standardised differences.
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
    table = pd.DataFrame(rows).assign(apart=holm(chances, 1 - confidence))
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
    on_time = frame["response_id"].map(about["on_time"])
    flags: dict[str, pd.Series | None] = {"late": 1 - on_time.astype(float)}
    flags["large"] = flags["complained"] = None
    if crm.has("orders", "amount") and crm.has("orders", "customer_id"):
        spent = crm.query("customer_summary").set_index("customer_id")["amount"]
        revenue = frame["customer_id"].map(spent).fillna(0.0)
        flags["large"] = (revenue > revenue.median()).astype(float)
    if crm.has("complaints", "customer_id"):
        complained = set(crm.query("complaints_summary")["customer_id"].dropna())
        flags["complained"] = frame["customer_id"].isin(complained).astype(float)
    return flags


def _contrast(
    frame: pd.DataFrame, flags: pd.Series, own: np.ndarray, confidence: float
) -> tuple[dict[str, float], float]:
    """The standardised difference of one characteristic; nothing where all are alike in it."""
    values, weights = flags.to_numpy(float), frame["weight"].to_numpy(float)
    there, back = np.isfinite(values), frame["answered"].to_numpy()
    total = weights[there].sum()
    share = float((weights * np.where(there, values, 0.0)).sum() / total) if total else np.nan
    if not 0 < share < 1 or not (there & back).any():
        return {}, np.nan
    spread = float(np.sqrt(share * (1 - share)))
    apart = weighted.difference(
        values, back & there, there, weights=weights, clusters=own, confidence=confidence
    )
    row = {
        "asked_share": share,
        "returned_share": share + apart.value,
        "standardised": apart.value / spread,
        "low": apart.low / spread,
        "high": apart.high / spread,
    }
    freedom = len(np.unique(own[there])) - 2
    return row, weighted.probability(apart, freedom, confidence=confidence)


# --- asking again


@dataclass(frozen=True, repr=False)
class FollowUp(Result):
    """Result of `follow_up`.

    Attributes
    ----------
    apart : crmlab.stats.clustered.Estimate
        Mean satisfaction of those who answered at once less that of those reached later.
    odds : crmlab.stats.clustered.Estimate
        By how much each point of satisfaction multiplies the odds of answering at once; NaN where
        satisfaction tells the two apart without fail.
    margins : tuple of str
        What the first answers were raked to; empty where they could not be.
    not_raked : str
        Why they could not be raked; empty where they could.
    asked : Asked
    confidence : float
    """

    measure = "satisfaction.follow_up"

    apart: Estimate
    odds: Estimate
    margins: tuple[str, ...]
    not_raked: str
    asked: Asked
    confidence: float

    def formats(self) -> Mapping[str, str]:
        return {"low": "number", "high": "number"}

    def value_labels(self) -> Mapping[str, Mapping[str, str]]:
        return {"way": way_names()}

    def title(self) -> str:
        if not _beyond(self.apart):
            return _("Whether those who answer late are less satisfied cannot be told")
        size = number(abs(self.apart.value), 2)
        if self.apart.value > 0:
            return _("Who answers only when asked again is {size} points less satisfied").format(
                size=size
            )
        return _("Who answers only when asked again is {size} points more satisfied").format(
            size=size
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax, size=(charts.SIZE[0], 0.5 * len(self.table) + 1.5))
        draw_ways(axes, self.table, {"silent": charts.ORANGE}, self.confidence)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        rows = self.table.set_index("way")
        both, first = rows.loc["both"], rows.loc["first"]
        parts = [
            _(
                "Those who answered at once give {first} on average ({first_low} to {first_high}); "
                "with those reached when asked again, who stand for all who had not answered, it "
                "is {both} ({both_low} to {both_high}). {intervals}"
            ).format(
                first=number(first["satisfaction"], 2),
                first_low=number(first["low"], 2),
                first_high=number(first["high"], 2),
                both=number(both["satisfaction"], 2),
                both_low=number(both["low"], 2),
                both_high=number(both["high"], 2),
                intervals=intervals_in_brackets(self.confidence),
            ),
            _(
                "The share of answers 4 or 5 is {first} of those who answered at once, and {both} "
                "with those reached later."
            ).format(
                first=percent(first["satisfied_share"]), both=percent(both["satisfied_share"])
            ),
            self._difference(),
        ]
        if np.isfinite(self.odds.low):
            parts.append(self._odds())
        parts.append(self._raking(rows) if self.margins else self.not_raked)
        return "\n\n".join([*parts, self._reached(), self.asked.sentence()])

    def alt(self) -> str:
        return _("Points with intervals of mean satisfaction. {parts}.").format(
            parts=ways_in_words(self.table)
        )

    def _difference(self) -> str:
        bounds = {
            "low": number(min(abs(self.apart.low), abs(self.apart.high)), 2),
            "high": number(max(abs(self.apart.low), abs(self.apart.high)), 2),
            "size": number(abs(self.apart.value), 2),
        }
        if not _beyond(self.apart):
            return _(
                "Between those who answered at once and those reached later no difference can be "
                "told: {size} points ({low} to {high})."
            ).format(
                size=number(self.apart.value, 2),
                low=number(self.apart.low, 2),
                high=number(self.apart.high, 2),
            )
        if self.apart.value > 0:
            return _(
                "Those who answered at once are {size} points more satisfied ({low} to {high}) "
                "than those reached later: the first answers alone flatter the company."
            ).format(**bounds)
        return _(
            "Those who answered at once are {size} points less satisfied ({low} to {high}) than "
            "those reached later: the first answers alone make the company look worse."
        ).format(**bounds)

    def _odds(self) -> str:
        figures = {
            "odds": number(self.odds.value, 2),
            "low": number(self.odds.low, 2),
            "high": number(self.odds.high, 2),
        }
        if self.odds.low <= 1 <= self.odds.high:
            return _(
                "Each point of satisfaction multiplies the odds of answering at once by {odds} "
                "({low} to {high}); 1 would mean that satisfaction does not matter, and that is "
                "not ruled out."
            ).format(**figures)
        return _(
            "Each point of satisfaction multiplies the odds of answering at once by {odds} ({low} "
            "to {high}); 1 would mean that satisfaction does not matter."
        ).format(**figures)

    def _raking(self, rows: pd.DataFrame) -> str:
        first, raked, both = (rows.loc[way, "satisfaction"] for way in ("first", "raked", "both"))
        return _(
            "Raking the first answers ({margins}) moves the mean by {raked} points; asking again "
            "moves it by {again}."
        ).format(
            margins=_(", ").join(labels_of(self.margins).values()),
            raked=points(raked - first),
            again=points(both - first),
        )

    def _reached(self) -> str:
        sent = len(self.asked.again)
        reached = int(self.asked.again["answered"].sum())
        if reached == sent:
            return ngettext(
                "The {sent} questionnaire sent again was answered.",
                "All {sent} questionnaires sent again were answered.",
                sent,
            ).format(sent=number(sent))
        return ngettext(
            "Of {sent} questionnaires sent again {reached} was answered: of the others nothing is "
            "known, and the figure holds only as far as they are like those reached.",
            "Of {sent} questionnaires sent again {reached} were answered: of the others nothing is "
            "known, and the figure holds only as far as they are like those reached.",
            reached,
        ).format(sent=number(sent), reached=number(reached))

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Overall satisfaction, 1 to 5, times the weight of the answer"),
            denominator=_("Weight of the answers"),
            period=self.context.period(),
            method=_(
                "Double sampling: who is asked again stands for so many who had not answered as "
                "the weight says. {confidence} intervals, linearised, customers as clusters; "
                "weights count as known."
            ).format(confidence=percent(self.confidence, 0)),
            source=self.context.source,
            exclusions=self.asked.exclusions(),
        )


@measure(needs={"surveys": ["response_id", "answered_at", "mode", "weight", "overall"]})
def follow_up(
    crm: Workspace, *, margins: Sequence[str] = ("tier", "region"), confidence: float = 0.95
) -> FollowUp:
    """What those say who answer only when asked again, and what it does to the result.

    Parameters
    ----------
    crm : Workspace
        With surveys: response_id, answered_at, overall, mode (follow_up: asked again) and weight
        (that of the first try times the number of silent ones each stands for).
    margins : sequence of str
        What the first answers are raked to, as in `crmlab.satisfaction.weighting`; what is not
        known is left out.
    confidence : float

    Returns
    -------
    FollowUp
        `.table` has the rows first (answered at once), raked (the same, raked to everyone asked),
        silent (reached when asked again) and both: way, answers, satisfaction (mean), low, high,
        satisfied_share (answers 4 or 5), satisfied_low, satisfied_high, design_effect.

    Raises
    ------
    MissingColumns
        If a column is not there.
    NotEnoughData
        If nobody was asked again, or too few answered.

    Notes
    -----
    With n₁ of n answering and m of the n₂ others reached, (n₁ȳ₁ + n₂ȳ_m)/n is unbiased whatever
    makes people answer, provided that the m are drawn at random and all reached. In weights: a
    first answer counts w, one reached later w·n₂/m. Its variance is about S²/n + (n₂/m − 1)
    W₂ S₂²/n, which the linearised variance with these weights gives too. The odds are those of a
    logistic regression of answering at once on satisfaction, with weights and clusters.

    References
    ----------
    Hansen, M. H. and Hurwitz, W. N. (1946), Journal of the American Statistical Association 41,
    517-529. Cochran, W. G. (1977), Sampling Techniques, 3rd ed., section 13.6.
    """
    found = asked(crm)
    first, both = found.answers(), found.with_again()
    silent = both[len(first) :]
    if silent["overall"].notna().sum() < 2 or first["overall"].notna().sum() < 2:
        raise NotEnoughData(
            _(
                "Too few of those who had not answered at first answered when asked again "
                "({count}), so nothing is known of the silent ones."
            ).format(count=number(int(silent["overall"].notna().sum())))
        )
    weights, usable, why = _raked(found, first, margins)
    rows = [row_of("first", first, None, confidence)]
    rows += [] if weights is None else [row_of("raked", first, weights, confidence)]
    rows += [row_of("silent", silent, None, confidence), row_of("both", both, None, confidence)]
    at_once = np.arange(len(both)) < len(first)
    apart = weighted.difference(
        both["overall"].astype(float), at_once, ~at_once, weights=both["weight"],
        clusters=clusters(both), confidence=confidence,
    )  # fmt: skip
    odds = _odds(both, at_once, confidence)
    return FollowUp(
        pd.DataFrame(rows), Context.of(crm), apart, odds, usable, why, found, confidence
    )


def _odds(both: pd.DataFrame, at_once: np.ndarray, confidence: float) -> Estimate:
    """By how much a point of satisfaction multiplies the odds of answering at once."""
    said = both["overall"].notna().to_numpy()
    answers = both.loc[said, ["overall"]].astype(float).reset_index(drop=True)
    try:
        found = ordered(
            answers,
            at_once[said],
            weights=both.loc[said, "weight"],
            clusters=clusters(both)[said],
            confidence=confidence,
        )
    except NotEnoughData:
        return NOTHING
    value, low, high = np.exp(found.table[["coefficient", "low", "high"]].to_numpy()[0])
    return Estimate(float(value), float(low), float(high), np.nan)


def _raked(
    found: Asked, first: pd.DataFrame, margins: Sequence[str]
) -> tuple[np.ndarray | None, tuple[str, ...], str]:
    """Weights, what they are raked to, and why not where that cannot be."""
    names = usable(found, margins)
    if not names:
        return None, (), _("Nothing is known of everyone that the answers could be raked to.")
    try:
        return rake_to_asked(found, first, names).weights, names, ""
    except NotEnoughData as error:
        return None, (), str(error)


def usable(found: Asked, margins: Sequence[str]) -> tuple[str, ...]:
    """Those of the characteristics that are known of anybody who was asked."""
    about = facts(found.workspace)
    return tuple(name for name in margins if _is_known(about, found.frame, name))


def _is_known(about: pd.DataFrame, frame: pd.DataFrame, name: str) -> bool:
    try:
        known(about, frame, name)
    except UnknownName:
        return False
    return True


def rake_to_asked(found: Asked, answers: pd.DataFrame, margins: Sequence[str]) -> Raked:
    """Answers raked to everyone who was asked, by the weights of the sample."""
    about = facts(found.workspace)
    everyone = {name: known(about, found.frame, name) for name in margins}
    totals = {
        name: found.frame["weight"].groupby(values).sum() for name, values in everyone.items()
    }
    of = pd.DataFrame({name: known(about, answers, name) for name in margins})
    return rake(of, totals, answers["weight"])


def row_of(
    way: str, frame: pd.DataFrame, weights: np.ndarray | None, confidence: float
) -> dict[str, Any]:
    """Mean satisfaction and the share of answers 4 or 5, with intervals, as a row."""
    weight = frame["weight"].to_numpy(float) if weights is None else weights
    overall, own = frame["overall"].astype(float), clusters(frame)
    mean = weighted.mean(overall, weights=weight, clusters=own, confidence=confidence)
    flags = (overall >= 4).astype(float).where(overall.notna())
    top = weighted.share(flags, weights=weight, clusters=own, confidence=confidence)
    return {
        "way": way,
        "answers": int(overall.notna().sum()),
        "satisfaction": mean.value,
        "low": mean.low,
        "high": mean.high,
        "satisfied_share": top.value,
        "satisfied_low": top.low,
        "satisfied_high": top.high,
        "design_effect": mean.effect,
    }


def way_names() -> dict[str, str]:
    """Name of each way to make an estimate of the answers, in the current language."""
    return {
        "first": _("Answered at once"),
        "raked": _("Answered at once, raked"),
        "silent": _("Reached when asked again"),
        "both": _("All, asked again counted in"),
        "plain": _("Answered at once, unweighted"),
        "post_stratified": _("Post-stratified by tier"),
    }


def draw_ways(axes: Axes, table: pd.DataFrame, colours: Mapping[str, str], level: float) -> None:
    """Mean satisfaction of each way, a point with its interval, first row on top."""
    places = np.arange(len(table))[::-1]
    shades = [colours.get(way, charts.BLUE) for way in table["way"]]
    axes.hlines(places, table["low"], table["high"], colors=shades)
    axes.scatter(table["satisfaction"], places, color=shades, zorder=3)
    axes.set_yticks(places, [way_names()[way] for way in table["way"]])
    axes.set_ylim(-0.6, len(table) - 0.4)
    axes.set_xlabel(
        _("Mean satisfaction (1 to 5) with {confidence} interval").format(
            confidence=percent(level, 0)
        )
    )


def ways_in_words(table: pd.DataFrame) -> str:
    """The estimates of a table of ways, for those who cannot see them."""
    return _("; ").join(
        _("{name} {size} ({low} to {high})").format(
            name=way_names()[row.way],
            size=number(row.satisfaction, 2),
            low=number(row.low, 2),
            high=number(row.high, 2),
        )
        for row in table.itertuples()
    )


def points(size: float) -> str:
    """A difference with two decimals, and never a minus before nothing.

    Examples
    --------
    >>> points(-0.0013), points(-0.25)
    ('0.00', '-0.25')
    """
    return number(round(size, 2) + 0.0, 2)


def _beyond(found: Estimate) -> bool:
    """Whether the interval leaves out zero."""
    return bool(found.low > 0 or found.high < 0)
