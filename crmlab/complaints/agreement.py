"""Two codings of the same texts: how far they agree beyond chance, and which labels to check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from crmlab.complaints.cases import of_complaints
from crmlab.complaints.clusters import clusters as numbered
from crmlab.complaints.text_cases import texts_of
from crmlab.complaints.text_rules import find_rules, keyword_rules
from crmlab.complaints.text_scores import CONFIDENCE, FEWEST, FEWEST_TEXTS, widest
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.language import _, number, percent, with_interval
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.groups import group_name
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats.weighted import t_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: In place of a column: what the keyword rules find.
RULES = "rules"


class Agreement(NamedTuple):
    """Two codings compared.

    Attributes
    ----------
    texts : int
        Texts with both labels.
    agreed : float
        Share of them on which both agree.
    by_chance : float
        Share on which two codings with these frequencies would agree by chance.
    kappa, low, high : float
    """

    texts: int
    agreed: float
    by_chance: float
    kappa: float
    low: float
    high: float


def agreement(
    first: Sequence[object] | pd.Series,
    second: Sequence[object] | pd.Series,
    *,
    clusters: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Agreement:
    """How far two codings of the same things agree, beyond chance: Cohen's κ.

    Parameters
    ----------
    first, second : sequence
        A label each for the same things; where either is missing the thing does not count.
    clusters : array_like, optional
        What things belong together, such as the customer of each text.
    confidence : float

    Returns
    -------
    Agreement
        κ is NaN where both codings know but one label, the same: then chance alone agrees on all.

    Raises
    ------
    CrmlabError
        If the two are not of the same length.

    Notes
    -----
    κ = (p − e)/(1 − e) with p the share agreed on and e = Σ(share of a label in the first × in the
    second). Without clusters the interval is that of Fleiss, Cohen and Everitt, by statsmodels;
    with clusters one of t on the jackknife that leaves out one cluster at a time. The ends are kept
    within -1 and 1.

    References
    ----------
    Cohen, J. (1960), Educational and Psychological Measurement 20, 37-46. Fleiss, J. L., Cohen, J.
    and Everitt, B. S. (1969), Psychological Bulletin 72, 323-327.

    Examples
    --------
    >>> found = agreement(["n", "p", "n", "u", "p"], ["n", "p", "n", "u", "n"])
    >>> found.texts, found.agreed, round(found.kappa, 4)
    (5, 0.8, 0.6875)
    """
    from statsmodels.stats.inter_rater import cohens_kappa

    one, other = pd.Series(list(first), dtype="object"), pd.Series(list(second), dtype="object")
    if len(one) != len(other):
        raise CrmlabError(
            _("The two codings have {first} and {second} labels; they must be of the same things.")
            .format(first=number(len(one)), second=number(len(other)))
        )  # fmt: skip
    both = (one.notna() & other.notna()).to_numpy()
    code, names = pd.factorize(pd.concat([one[both], other[both]]).astype(str), sort=True)
    size, many = int(both.sum()), len(names)
    if not size:
        return Agreement(0, *[np.nan] * 5)
    table = np.zeros((many, many))
    np.add.at(table, (code[:size], code[size:]), 1)
    agreed, chance = _shares(table)
    if chance > 1 - 1e-12:
        return Agreement(size, float(agreed), float(chance), *[np.nan] * 3)
    with np.errstate(invalid="ignore", divide="ignore"):  # its test is not needed here
        fitted = cohens_kappa(table)
    kappa = float(fitted.kappa)
    if clusters is None:
        from scipy.stats import norm

        reach = float(norm.ppf((1 + confidence) / 2) * np.sqrt(max(0.0, fitted.var_kappa)))
        low, high = kappa - reach, kappa + reach
    else:
        groups = numbered(pd.Series(np.asarray(clusters, dtype="object"))[both])
        low, high = _jackknifed(code[:size], code[size:], groups, table, kappa, confidence)
    ends = (float(np.clip(one, -1, 1)) for one in (low, high))
    return Agreement(size, float(agreed), float(chance), kappa, *ends)


def _shares(tables: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share agreed on, and by chance, of a table or of several."""
    whole = tables.sum(axis=(-2, -1))
    agreed = np.trace(tables, axis1=-2, axis2=-1) / whole
    chance = (tables.sum(axis=-1) * tables.sum(axis=-2)).sum(axis=-1) / whole**2
    return agreed, chance


def _jackknifed(
    first: np.ndarray,
    second: np.ndarray,
    groups: np.ndarray,
    table: np.ndarray,
    kappa: float,
    confidence: float,
) -> tuple[float, float]:
    many = int(groups.max()) + 1
    if many < 2:
        return np.nan, np.nan
    own = np.zeros((many, *table.shape))
    np.add.at(own, (groups, first, second), 1)
    agreed, chance = _shares(table - own)
    # Where one customer alone has a second label, what κ would be without them is not known.
    if not (chance < 1 - 1e-12).all():
        return np.nan, np.nan
    without = (agreed - chance) / (1 - chance)
    error = float(np.sqrt((many - 1) / many * np.sum((without - without.mean()) ** 2)))
    made = t_interval(kappa, error, many - 1, confidence=confidence)
    return made.low, made.high


@dataclass(frozen=True, repr=False)
class LabelAgreement(Result):
    """Result of `label_agreement`.

    Attributes
    ----------
    overall : Agreement
    first, second : str
        Columns of complaints, or ``"rules"``.
    label : str
        The column whose labels are compared.
    left_out : tuple of Exclusion
    """

    measure = "complaints.label_agreement"

    overall: Agreement
    first: str
    second: str
    label: str
    left_out: tuple[Exclusion, ...]

    def value_labels(self) -> dict[str, dict[str, str]]:
        return {"label": {name: group_name(self.label, name) for name in self.table["label"]}}

    def title(self) -> str:
        if np.isnan(self.overall.kappa):
            return _("The two codings know but one label")
        return _("{first} and {second} agree on {agreed} of the texts: κ = {kappa}").format(
            first=self._name(self.first),
            second=self._name(self.second),
            agreed=percent(self.overall.agreed, 0),
            kappa=number(self.overall.kappa, 2),
        )

    @staticmethod
    def _name(column: str) -> str:
        return _("Keyword rules") if column == RULES else shown(column).label

    def plot(self, ax: Axes | None = None) -> Axes:
        table = self.table
        axes = charts.new_axes(ax, size=(7.2, max(3.0, 1.4 + 0.36 * len(table))))
        places = np.arange(len(table))[::-1].astype(float)
        for at, row in zip(places, table.itertuples(), strict=True):
            faint = 1.0 if row.judged else 0.35
            axes.plot([row.low, row.high], [at, at], color=charts.BLUE, alpha=faint)
            axes.plot([row.share], [at], "o", color=charts.BLUE, markersize=7, alpha=faint)
        axes.set_yticks(places, [group_name(self.label, name) for name in table["label"]])
        axes.set_ylim(-0.6, len(table) - 0.4)
        axes.set_xlim(-0.02, 1.02)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(_("Of the labels given by either, those agreed on; faint: too few"))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._kappa(), self._weakest()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        rows = [
            _("{group} {share}").format(
                group=group_name(self.label, row.label), share=percent(row.share)
            )
            for row in self.table.itertuples()
        ]
        return _("Points: share agreed on, by label. {rows}.").format(rows=_("; ").join(rows))

    # --- the words

    def _kappa(self) -> str:
        said = _(
            "Of {texts} texts with both labels, {agreed} have the same from both ({first}; "
            "{second}). Two codings with these frequencies would agree on {chance} by chance "
            "alone."
        ).format(
            texts=number(self.overall.texts),
            agreed=percent(self.overall.agreed),
            chance=percent(self.overall.by_chance),
            first=self._name(self.first),
            second=self._name(self.second),
        )
        if np.isnan(self.overall.kappa):
            return _("{said} {why}").format(
                said=said, why=_("So κ is not defined: there is nothing to tell apart.")
            )
        why = _("Beyond chance: κ = {kappa}; 1 is full agreement, 0 is chance. {intervals}").format(
            kappa=with_interval(
                self.overall.kappa, self.overall.low, self.overall.high, lambda one: number(one, 3)
            ),
            intervals=intervals_in_brackets(CONFIDENCE)
            if np.isfinite(self.overall.low)
            else _("It has no interval, as it rests on one customer."),
        )
        return _("{said} {why}").format(said=said, why=why)

    def _weakest(self) -> str:
        judged = self.table[self.table["judged"]]
        if len(judged) < 2:
            return ""
        row = judged.loc[judged["share"].idxmin()]
        return _("Least agreed on: {group}, {share} ({low} to {high}).").format(
            group=group_name(self.label, row["label"]),
            **{name: percent(row[name]) for name in ("share", "low", "high")},
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Texts to which both codings give the same label"),
            denominator=_("Complaints and suggestions with a text and a label from both"),
            period=self.context.period(),
            method=_(
                "Cohen's κ = (agreed − by chance)/(1 − by chance), interval by the jackknife over "
                "customers. By label: twice the texts agreed on, over the texts to which the first "
                "and to which the second gives the label; 95% Wilson intervals, texts of one "
                "customer as a cluster."
            ),
            source=self.context.source,
            exclusions=self.left_out,
        )


@measure(needs={"complaints": ["opened_at", "text"]})
def label_agreement(
    crm: Workspace,
    *,
    first: str = "cause",
    second: str = RULES,
    rules: pd.DataFrame | None = None,
) -> LabelAgreement:
    """How far two codings of the complaint texts agree beyond chance.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at, text, and the columns compared.
    first : str
        A column of complaints, such as ``"cause"``.
    second : str
        Another column of complaints with the same labels, such as a second reader's, or
        ``"rules"``: what the keyword rules find for the first.
    rules : pandas.DataFrame, optional
        As for `classify_by_rules`.

    Returns
    -------
    LabelAgreement
        `.table` has a row per label, the commonest first: label, by_first (texts given it by the
        first), by_second, texts (by both), share (specific agreement), low, high, judged.

    Raises
    ------
    UnknownName
        If complaints have no such column.
    NotEnoughData
        If no text has a label from both, or the two have no label in common.

    Notes
    -----
    A text of which the rules do not tell does not count: it was not coded. Specific agreement of a
    label is 2·both/(first + second). κ depends on how common the labels are, so κ of two companies
    cannot be compared like percentages.

    References
    ----------
    Cohen, J. (1960), Educational and Psychological Measurement 20, 37-46. Cicchetti, D. V. and
    Feinstein, A. R. (1990), Journal of Clinical Epidemiology 43, 551-558.
    """
    frame, exclusions = _coded(crm, first, second, rules)
    both = frame.dropna(subset=["first", "second"]).reset_index(drop=True)
    if both.empty:
        raise NotEnoughData(_("No text has a label from both codings, so they cannot be compared."))
    if not set(both["first"]) & set(both["second"]):
        raise NotEnoughData(
            _("The two codings have no label in common, so they cannot be compared.")
        )
    uncoded = len(frame) - len(both)
    if uncoded:
        why = _("without a label from both codings")
        exclusions = (*exclusions, of_complaints(why, uncoded))
    return LabelAgreement(
        _by_label(both),
        Context.of(crm),
        agreement(both["first"], both["second"], clusters=both["customer"]),
        first,
        second,
        first,
        exclusions,
    )


def _coded(
    crm: Workspace, first: str, second: str, rules: pd.DataFrame | None
) -> tuple[pd.DataFrame, tuple[Exclusion, ...]]:
    """The texts with a label each from two codings."""
    for name in (first, *([] if second == RULES else [second])):
        if not crm.has("complaints", name):
            raise UnknownName(
                _(
                    "complaints.{column} is not there, so it cannot be compared. Name the column "
                    "in the mapping."
                ).format(column=name)
            )
    base = texts_of(crm, first)
    if second == RULES:
        table = keyword_rules() if rules is None else rules
        other = find_rules(base.frame["plain"], table, first)["found"]
    else:
        other = texts_of(crm, second).frame["recorded"]
    return base.frame.assign(first=base.frame["recorded"], second=other), base.left_out


def _by_label(both: pd.DataFrame) -> pd.DataFrame:
    counts = pd.concat([both["first"], both["second"]]).value_counts()
    rows = []
    for name in sorted(counts.index, key=lambda one: (-counts[one], one)):
        one, other = both["first"] == name, both["second"] == name
        given = np.concatenate([np.flatnonzero(one), np.flatnonzero(other)])
        customers = both["customer"].to_numpy()[given]
        made = widest((one & other).to_numpy()[given], [customers])
        judged = min(one.sum(), other.sum()) >= FEWEST_TEXTS and len(set(customers)) >= FEWEST
        rows.append(
            (name, one.sum(), other.sum(), (one & other).sum(), made.value, made.low, made.high,
             bool(judged))
        )  # fmt: skip
    columns = ["label", "by_first", "by_second", "texts", "share", "low", "high", "judged"]
    return pd.DataFrame(rows, columns=columns)
