"""Ways of telling what a text is about, on the same texts: rules, classifier, and both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.complaints.text_held import Features, held_out
from crmlab.complaints.text_rules import find_rules, keyword_rules
from crmlab.complaints.text_scores import CONFIDENCE, macro_scores, widest
from crmlab.language import _, number, percent
from crmlab.show import charts
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    measure,
)
from crmlab.stats import weighted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: What is compared: way, with the other, in the order of the reading.
PAIRS = (
    ("mixed", "apart"),
    ("apart", "rules"),
    ("apart", "commonest"),
    ("rules_first", "rules"),
)


@dataclass(frozen=True, repr=False)
class TextWays(Result):
    """Result of `text_ways`.

    Attributes
    ----------
    differences : pandas.DataFrame
        A row per pair of ways: way, compared_with, difference (of the shares right), low, high,
        and differs (whether the interval, corrected for the number of pairs, leaves out 0).
    texts : int
    label : str
    with_rules : bool
        Whether the rules have labels of the record.
    left_out : tuple of Exclusion
    """

    measure = "complaints.text_ways"

    differences: pd.DataFrame
    texts: int
    label: str
    with_rules: bool
    left_out: tuple[Exclusion, ...]

    def value_labels(self) -> dict[str, dict[str, str]]:
        return {"way": self._ways(), "compared_with": self._ways()}

    @staticmethod
    def _ways() -> dict[str, str]:
        return {
            "commonest": _("Always the commonest label"),
            "rules": _("Keyword rules"),
            "apart": _("Classifier, new customers and wordings"),
            "rules_first": _("Rules first, then that classifier"),
            "mixed": _("Classifier, texts split at random"),
        }

    def main_columns(self) -> list[str]:
        return ["way", "share", "low", "high", "precision", "recall", "f1"]

    def title(self) -> str:
        row = self._pair("mixed", "apart")
        if row["differs"] and row["difference"] > 0:
            return _(
                "Near-copies on both sides of the split make the classifier look {points} "
                "percentage points better"
            ).format(points=number(100 * row["difference"], 0))
        return _(
            "Whether texts are split at random or by wording changes the share right by {points} "
            "percentage points"
        ).format(points=number(100 * row["difference"], 0))

    def plot(self, ax: Axes | None = None) -> Axes:
        axes = charts.new_axes(ax, size=(7.2, 3.6))
        places = np.arange(len(self.table))[::-1]
        share = self.table["share"].to_numpy()
        whiskers = np.abs(self.table[["low", "high"]].to_numpy().T - share)
        colours = [charts.ORANGE if way == "mixed" else charts.BLUE for way in self.table["way"]]
        axes.barh(
            places, share, height=0.6, color=colours, xerr=whiskers,
            error_kw={"ecolor": charts.INK, "capsize": 3, "linewidth": 1.5},
        )  # fmt: skip
        names = self._ways()
        axes.set_yticks(places, [charts.wrapped(names[way], 22) for way in self.table["way"]])
        axes.set_xlim(0, 1)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(_("Share of the texts that get the label of the record, 95% interval"))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._near_copies(), self._rules(), self._commonest(), self._first()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        names = self._ways()
        rows = [
            _("{group} {share} ({low} to {high})").format(
                group=names[row["way"]],
                **{name: percent(row[name]) for name in ("share", "low", "high")},
            )
            for _index, row in self.table.iterrows()
        ]
        return _("Bars of the share of texts given the label of the record. {rows}.").format(
            rows=_("; ").join(rows)
        )

    # --- the words

    def _pair(self, way: str, other: str) -> pd.Series:
        of = self.differences
        return of[(of["way"] == way) & (of["compared_with"] == other)].iloc[0]

    def _written(self, way: str, other: str) -> dict[str, str]:
        row, share = self._pair(way, other), self.table.set_index("way")["share"]
        fields = {name: number(100 * row[name], 1) for name in ("difference", "low", "high")}
        return {"one": percent(share[way]), "other": percent(share[other])} | fields

    def _near_copies(self) -> str:
        said = _(
            "With {texts} texts split at random, the classifier gives {one} the label of the "
            "record; where customers and wordings are held out as a whole, {other}. Difference: "
            "{difference} percentage points ({low} to {high}). {intervals}"
        ).format(
            texts=number(self.texts),
            intervals=_(
                "In brackets: {confidence} confidence intervals, corrected for the number of "
                "comparisons."
            ).format(confidence=percent(CONFIDENCE, 0)),
            **self._written("mixed", "apart"),
        )
        row = self._pair("mixed", "apart")
        if not row["differs"]:
            why = _("Whether near-copies flatter the classifier cannot be told from these texts.")
        elif row["difference"] > 0:
            why = _("That much of the better figure is memory of near-copies.")
        else:
            why = _("Near-copies do not make the classifier look better here.")
        return _("{said} {why}").format(said=said, why=why)

    def _rules(self) -> str:
        if not self.with_rules:
            return _(
                "The keyword rules have none of the labels of the record, so they are not among "
                "the ways."
            )
        said = _(
            "The keyword rules are right on {other} of all texts, those of which they do not tell "
            "counted as wrong; the classifier less the rules: {difference} percentage points "
            "({low} to {high})."
        ).format(**self._written("apart", "rules"))
        return _("{said} {why}").format(said=said, why=self._who("apart", "rules"))

    def _who(self, way: str, other: str) -> str:
        row = self._pair(way, other)
        if not row["differs"]:
            return _("Which of the two is better cannot be told from these texts.")
        names = self._ways()
        return _("Better beyond chance: {way}.").format(
            way=names[way] if row["difference"] > 0 else names[other]
        )

    def _commonest(self) -> str:
        said = _(
            "Who always says the commonest label is right on {other}; the classifier is "
            "{difference} percentage points ({low} to {high}) from that."
        ).format(**self._written("apart", "commonest"))
        return _("{said} {why}").format(said=said, why=self._who("apart", "commonest"))

    def _first(self) -> str:
        if not self.with_rules:
            return ""
        said = _(
            "Rules first, and the classifier only where they do not tell: right on {one}, "
            "{difference} percentage points ({low} to {high}) from the rules alone."
        ).format(**self._written("rules_first", "rules"))
        return _("{said} {why}").format(said=said, why=self._who("rules_first", "rules"))

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Texts to which a way gives the label of the record"),
            denominator=_("Complaints and suggestions with a text and a label"),
            period=self.context.period(),
            method=_(
                "All ways on the same texts. Classifier and parts as in classify_texts(); split at "
                "random, as many texts are learnt from. Intervals are the wider of those with "
                "customers and with wordings as clusters; differences are paired by text, their "
                "intervals corrected for the number of pairs (Bonferroni)."
            ),
            source=self.context.source,
            exclusions=self.left_out,
        )


@measure(needs={"complaints": ["opened_at", "text"]})
def text_ways(
    crm: Workspace,
    *,
    label: str = "kind",
    rules: pd.DataFrame | None = None,
    features: Features = "words",
    seed: int = 0,
) -> TextWays:
    """Which way of telling what a text is about agrees best with the record.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at, text and the column of `label`.
    label : str
        ``"kind"``, ``"cause"``, or any other column of complaints.
    rules : pandas.DataFrame, optional
        As for `classify_by_rules`; else `keyword_rules`.
    features, seed
        As for `classify_texts`.

    Returns
    -------
    TextWays
        `.table` has a row per way: way, share (right), low, high, and precision, recall and f1
        averaged over the labels, each with _low and _high. Without rules for these labels their
        rows are left out.

    Raises
    ------
    CrmlabError, UnknownName, NotEnoughData
        As `classify_texts`.

    Notes
    -----
    A text of which the rules do not tell counts as wrong. The rules were written by somebody who
    has read complaints; if they have read these, the rules too have seen the wordings.

    References
    ----------
    Kaufman, S., Rosset, S., Perlich, C. and Stitelman, O. (2012), ACM Transactions on Knowledge
    Discovery from Data 6(4), 15.
    """
    held = held_out(crm, label, features, seed, "apart")
    frame, recorded, apart = held.frame, held.frame["recorded"], held.frame["found"]
    found = {"commonest": pd.Series(recorded.mode()[0], frame.index)}
    table = keyword_rules() if rules is None else rules
    usable = rules is not None or label in table
    if usable:
        by_rules = find_rules(frame["plain"], table, label)["found"]
        usable = bool(by_rules.isin(recorded.unique()).any())
    if usable:
        found |= {"rules": by_rules, "rules_first": by_rules.fillna(apart)}
    mixed = held_out(crm, label, features, seed, "mixed").frame["found"]
    found |= {"apart": apart, "mixed": mixed}
    clusters = [frame["customer"], frame["wording"]]
    rows = [_row(way, recorded, said, clusters) for way, said in found.items()]
    order = {"commonest": 0, "rules": 1, "apart": 2, "rules_first": 3, "mixed": 4}
    shares = pd.DataFrame(sorted(rows, key=lambda row: order[str(row["way"])]))
    return TextWays(
        shares,
        Context.of(crm),
        _differences(found, recorded, clusters),
        len(frame),
        label,
        usable,
        held.left_out,
    )


def _row(
    way: str, recorded: pd.Series, said: pd.Series, clusters: list[pd.Series]
) -> dict[str, object]:
    right = widest(recorded == said, clusters)
    row: dict[str, object] = {
        "way": way,
        "share": right.value,
        "low": right.low,
        "high": right.high,
    }
    labels = sorted(recorded.unique())
    for name, one in macro_scores(recorded, said, labels, clusters).items():
        row |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
    return row


def _differences(
    found: dict[str, pd.Series], recorded: pd.Series, clusters: list[pd.Series]
) -> pd.DataFrame:
    pairs = [pair for pair in PAIRS if set(pair) <= set(found)]
    level = 1 - (1 - CONFIDENCE) / len(pairs)
    rows = []
    for way, other in pairs:
        apart = (found[way] == recorded).astype(float) - (found[other] == recorded)
        made = [weighted.mean(apart, clusters=one, confidence=level) for one in clusters]
        # A single customer gives no interval; the wordings then do.
        widest_ = max(made, key=lambda one: np.nan_to_num(one.high - one.low, nan=-1))
        differs = bool(widest_.low > 0 or widest_.high < 0)
        rows.append((way, other, *widest_[:3], differs))
    names = ["way", "compared_with", "difference", "low", "high", "differs"]
    return pd.DataFrame(rows, columns=names)
