"""A classifier of complaint texts, tested on customers and wordings that it has never seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.complaints.text_held import CUSTOMERS, WORDINGS, Features, held_out
from crmlab.complaints.text_scores import (
    CONFIDENCE,
    FEWEST,
    FEWEST_TEXTS,
    class_scores,
    confusion_of,
    lowest_in_words,
    macro_scores,
    widest,
)
from crmlab.language import _, number, percent
from crmlab.show import charts
from crmlab.show.groups import group_name
from crmlab.show.result import (
    Context,
    Definition,
    Exclusion,
    Result,
    intervals_in_brackets,
    measure,
)
from crmlab.stats.clustered import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: The picture has room for so many labels; the rarer ones are drawn together.
ROOM = 12
#: Up to so many labels, shares are written into the picture beside the counts.
FEW = 6


@dataclass(frozen=True, repr=False)
class TextClasses(Result):
    """Result of `classify_texts`.

    Attributes
    ----------
    confusion : pandas.DataFrame
        recorded, found, texts, share (of the texts recorded so).
    texts : pandas.DataFrame
        A row per text: complaint_id, customer, wording (numbers of the groups), recorded, found.
    label, features : str
    right : Estimate
        Share of the texts to which the classifier gives the label of the record.
    macro : mapping of str to Estimate
        precision, recall and f1, averaged over the labels that are judged; empty if none is.
    left_out : tuple of Exclusion
    """

    measure = "complaints.classify_texts"

    confusion: pd.DataFrame
    texts: pd.DataFrame
    label: str
    features: Features
    right: Estimate
    macro: Mapping[str, Estimate]
    left_out: tuple[Exclusion, ...]

    def main_columns(self) -> list[str]:
        measured = [
            f"{name}{end}" for name in ("precision", "recall") for end in ("", "_low", "_high")
        ]
        some = [] if self.table["judged"].all() else ["judged"]
        return [self.label, "texts", "wordings", *measured, "f1", *some]

    def title(self) -> str:
        return _(
            "On wordings it has never seen, the classifier agrees with the record on {share} of "
            "the texts"
        ).format(share=percent(self.right.value, 0))

    def plot(self, ax: Axes | None = None) -> Axes:
        names = self.table[self.label].tolist()[:ROOM]
        counts = self._counts(names)
        size = len(counts)
        axes = charts.new_axes(ax, size=(7.2, min(7.2, 2.6 + 0.42 * size)))
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for row, column in np.ndindex(*counts.shape):
            if counts[row, column]:
                share, count = shares[row, column], number(int(counts[row, column]))
                both = _("{share} ({count})").format(share=percent(share, 0), count=count)
                axes.text(
                    column, row, both if size <= FEW else count, ha="center", va="center",
                    color="white" if share > 0.55 else charts.INK, fontsize=10,
                )  # fmt: skip
        self._name_labels(axes, names, size)
        axes.tick_params(length=0)
        axes.set_xlabel(_("Found by the classifier (the darker, the larger the share of the row)"))
        axes.set_ylabel(_("Recorded"))
        charts.set_title(axes, self.title())
        return axes

    def _name_labels(self, axes: Axes, names: list[str], size: int) -> None:
        """Names at both sides; where there are many, numbers below that stand with the names."""
        written = [group_name(self.label, name) for name in names]
        written += [_("other labels")] if size > len(names) else []
        below = [charts.wrapped(name, 18) for name in written]
        if size > FEW:
            numbered = enumerate(written, start=1)
            written = [_("{group} {number}").format(group=one, number=at) for at, one in numbered]
            below = [str(at) for at in range(1, size + 1)]
        axes.set_xticks(range(size), below)
        axes.set_yticks(range(size), [charts.wrapped(name, 24) for name in written])

    def _counts(self, names: list[str]) -> np.ndarray:
        """Texts by recorded and by found label, the rare ones of both together at the end."""
        place = {name: at for at, name in enumerate(names)}
        every = len(self.table) > len(names)
        counts = np.zeros((len(names) + every,) * 2, int)
        for row in self.confusion.itertuples():
            at = place.get(row.recorded, len(names)), place.get(row.found, len(names))
            counts[at] += row.texts
        return counts

    def reading(self) -> str:
        parts = [self._right(), self._macro(), lowest_in_words(self.table, self.label)]
        parts += [self._mixed_up(), self._small()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        rows = []
        for name in self.table[self.label]:
            part = self.confusion[self.confusion["recorded"] == name].sort_values(
                "texts", ascending=False, kind="stable"
            )
            found = _(", ").join(
                _("{group} {share}").format(
                    group=group_name(self.label, row.found), share=percent(row.share, 0)
                )
                for row in part.head(2).itertuples()
            )
            recorded = group_name(self.label, name)
            rows.append(_("{recorded} → {found}").format(recorded=recorded, found=found))
        return _("Table of recorded against found labels, shares of each row. {rows}.").format(
            rows=_("; ").join(rows)
        )

    # --- the words

    def _right(self) -> str:
        return _(
            "Trained on other customers and other wordings, the classifier gives {right} ({low} to "
            "{high}) of {texts} texts the label of the record. The texts are in {wordings} "
            "wordings: groups of near-copies, each held out as a whole. {intervals}"
        ).format(
            right=percent(self.right.value),
            low=percent(self.right.low),
            high=percent(self.right.high),
            texts=number(len(self.texts)),
            wordings=number(self.texts["wording"].nunique()),
            intervals=intervals_in_brackets(CONFIDENCE),
        )

    def _macro(self) -> str:
        if not self.macro:
            return ""
        fields = {
            f"{name}{end}": percent(value)
            for name, one in self.macro.items()
            for end, value in (("", one.value), ("_low", one.low), ("_high", one.high))
        }
        return _(
            "Averaged over the judged labels, each counting the same: precision {precision} "
            "({precision_low} to {precision_high}), recall {recall} ({recall_low} to "
            "{recall_high}), F1 {f1} ({f1_low} to {f1_high})."
        ).format(**fields)

    def _mixed_up(self) -> str:
        wrong = self.confusion[self.confusion["recorded"] != self.confusion["found"]]
        if wrong.empty:
            return _("No label was taken for another.")
        row = wrong.loc[wrong["texts"].idxmax()]
        return _(
            "The commonest mistake: recorded as {recorded}, taken for {found}, {count} texts."
        ).format(
            recorded=group_name(self.label, row["recorded"]),
            found=group_name(self.label, row["found"]),
            count=number(row["texts"]),
        )

    def _small(self) -> str:
        small = self.table.loc[~self.table["judged"], self.label]
        if small.empty:
            return ""
        return _(
            "Shown and not judged, because they have fewer than {texts} texts, or fewer than "
            "{fewest} customers or wordings: {names}."
        ).format(
            texts=number(FEWEST_TEXTS),
            fewest=number(FEWEST),
            names=_(", ").join(group_name(self.label, name) for name in small),
        )

    def _define(self) -> Definition:
        features = {
            "words": _("Words, Chinese ones as jieba cuts them,"),
            "characters": _("Pieces of one to three characters"),
        }
        return Definition(
            numerator=_("Texts to which the classifier gives the label of the record"),
            denominator=_("Complaints and suggestions with a text and a label"),
            period=self.context.period(),
            method=_(
                "{features} weighted by TF-IDF; linear support vector classifier. Customers dealt "
                "into {customers} parts, wordings (groups of near-copies) into {wordings}; each "
                "text is judged by a classifier that saw none of its part of either. 95% Wilson "
                "intervals on the effective number of texts, the wider of those with customers "
                "and with wordings as clusters; of averages, jackknife intervals."
            ).format(
                features=features[self.features],
                customers=number(CUSTOMERS),
                wordings=number(WORDINGS),
            ),
            source=self.context.source,
            exclusions=self.left_out,
        )


@measure(needs={"complaints": ["opened_at", "text"]})
def classify_texts(
    crm: Workspace, *, label: str = "kind", features: Features = "words", seed: int = 0
) -> TextClasses:
    """How well a classifier tells from the text what a complaint is about.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at, text and the column of `label`.
    label : str
        ``"kind"``, ``"cause"``, or any other column of complaints.
    features : {"words", "characters"}
        What texts are described by.
    seed : int
        For the split into parts.

    Returns
    -------
    TextClasses
        `.table` has a row per label, the commonest first: the column of `label`, texts, customers,
        wordings, named (texts found to have it), right, precision, recall and f1, each with _low
        and _high, judged.

    Raises
    ------
    CrmlabError
        If there are no such features.
    UnknownName
        If complaints have no such column.
    NotEnoughData
        If there are fewer than 50 texts with a label, or not two labels with several wordings.

    Notes
    -----
    Texts are written again and again in nearly the same words. If one copy is learnt from and
    another is tested, the test asks for memory, not for understanding; so wordings are held out as
    a whole, and customers too. That makes few independent facts: a wording is right or wrong as a
    whole, and the intervals say so. Of more than 6,000 texts as many are drawn at random; of more
    than 40 labels the commonest are learnt.

    References
    ----------
    Joachims, T. (1998), Machine Learning: ECML-98, 137-142, on support vector machines for texts.
    Kaufman, S., Rosset, S., Perlich, C. and Stitelman, O. (2012), ACM Transactions on Knowledge
    Discovery from Data 6(4), 15, on leakage.
    """
    held = held_out(crm, label, features, seed, "apart")
    frame = held.frame
    clusters = [frame["customer"], frame["wording"]]
    table = class_scores(frame["recorded"], frame["found"], clusters)
    wordings = frame.groupby("recorded")["wording"].nunique()
    table.insert(3, "wordings", table["label"].map(wordings).astype("int64"))
    judged = table.loc[table["judged"], "label"].tolist()
    return TextClasses(
        table.rename(columns={"label": label}),
        Context.of(crm),
        confusion_of(frame["recorded"], frame["found"]),
        frame[["complaint_id", "customer", "wording", "recorded", "found"]],
        label,
        features,
        widest(frame["recorded"] == frame["found"], clusters),
        macro_scores(frame["recorded"], frame["found"], judged, clusters) if judged else {},
        held.left_out,
    )
