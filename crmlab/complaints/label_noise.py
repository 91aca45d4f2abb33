"""Which recorded labels the texts speak against, and what share of labels is wrong (标签噪声)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.complaints.text_held import CUSTOMERS, Features, held_out
from crmlab.complaints.text_rules import find_rules, keyword_rules
from crmlab.complaints.text_scores import CONFIDENCE, FEWEST, FEWEST_TEXTS, widest
from crmlab.errors import NotEnoughData
from crmlab.language import _, ngettext, number, percent
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


@dataclass(frozen=True, repr=False)
class LabelNoise(Result):
    """Result of `label_noise`.

    Attributes
    ----------
    noise : Estimate
        Share of wrong labels among the texts of which rules and classifier say the same.
    doubtful : pandas.DataFrame
        A row per text whose label both contradict in the same way: complaint_id, recorded, found,
        words (of the rules).
    texts : int
        Texts with a label.
    label : str
    left_out : tuple of Exclusion
    """

    measure = "complaints.label_noise"

    noise: Estimate
    doubtful: pd.DataFrame
    texts: int
    label: str
    left_out: tuple[Exclusion, ...]

    def title(self) -> str:
        return _("About {share} of the recorded labels contradict the text").format(
            share=percent(self.noise.value)
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        table = self.table
        axes = charts.new_axes(ax, size=(7.2, max(3.0, 1.4 + 0.38 * len(table))))
        places = np.arange(len(table))[::-1]
        share = table["share"].to_numpy(float)
        whiskers = np.abs(table[["low", "high"]].to_numpy(float).T - share)
        bars = axes.barh(
            places, share, height=0.6, color=charts.BLUE, xerr=whiskers,
            error_kw={"ecolor": charts.INK, "capsize": 3, "linewidth": 1.5},
        )  # fmt: skip
        for bar, judged in zip(bars, table["judged"], strict=True):
            bar.set_alpha(1.0 if judged else 0.35)
        axes.axvline(self.noise.value, color=charts.ORANGE, linewidth=1.5, linestyle="--")
        axes.set_yticks(places, [group_name(self.label, name) for name in table[self.label]])
        axes.set_xlim(0, None)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(_("Contradicted (95% interval); dashed: all together"))
        axes.set_ylabel(_("Recorded"))
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._share(), self._ceiling(), self._list(), self._small()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        rows = [
            _("{group} {share}").format(
                group=group_name(self.label, row[self.label]), share=percent(row["share"])
            )
            for _index, row in self.table.iterrows()
        ]
        return _("Bars of the share of labels that the text contradicts. {rows}.").format(
            rows=_("; ").join(rows)
        )

    # --- the words

    def _share(self) -> str:
        return _(
            "Of {texts} texts with a label, rules and classifier say the same of {agreed}. Of "
            "these, {count} have another label in the record: {share} ({low} to {high}). "
            "{intervals}"
        ).format(
            texts=number(self.texts),
            agreed=number(int(self.table["texts"].sum())),
            count=number(len(self.doubtful)),
            intervals=intervals_in_brackets(CONFIDENCE),
            **self._written(),
        )

    def _written(self) -> dict[str, str]:
        return {
            "share": percent(self.noise.value),
            "low": percent(self.noise.low),
            "high": percent(self.noise.high),
        }

    def _ceiling(self) -> str:
        if self.doubtful.empty:
            return _("Nothing speaks against the labels of the record.")
        return _(
            "If that share of labels is wrong, a way that is always right would be measured as "
            "right on {ceiling} only: no more can be asked of rules or classifier on these labels."
        ).format(ceiling=percent(1 - self.noise.value))

    def _list(self) -> str:
        if self.doubtful.empty:
            return ""
        return ngettext(
            "{count} text is listed in .doubtful, to be read by a person: the text decides, not "
            "the count of votes.",
            "{count} texts are listed in .doubtful, to be read by a person: the text decides, not "
            "the count of votes.",
            len(self.doubtful),
        ).format(count=number(len(self.doubtful)))

    def _small(self) -> str:
        small = self.table.loc[~self.table["judged"], self.label]
        if small.empty:
            return ""
        return _(
            "Shown and not judged, because they have fewer than {texts} texts or {fewest} "
            "customers: {names}."
        ).format(
            texts=number(FEWEST_TEXTS),
            fewest=number(FEWEST),
            names=_(", ").join(group_name(self.label, name) for name in small),
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Of these, texts recorded with another label"),
            denominator=_("Texts with a label of which rules and classifier say the same"),
            period=self.context.period(),
            method=_(
                "The classifier learns from other customers, {parts} parts of them in turn; copies "
                "by other customers may be among what it learns, for here they help: many right "
                "labels show up the wrong one. It is assumed that two ways that agree are right, "
                "and that a label is wrong as often where they agree as elsewhere. 95% Wilson "
                "intervals, the wider of those with customers and with wordings as clusters."
            ).format(parts=number(CUSTOMERS)),
            source=self.context.source,
            exclusions=self.left_out,
        )


@measure(needs={"complaints": ["opened_at", "text"]})
def label_noise(
    crm: Workspace,
    *,
    label: str = "cause",
    rules: pd.DataFrame | None = None,
    features: Features = "words",
    seed: int = 0,
) -> LabelNoise:
    """What share of the recorded labels is wrong by the text, and which to look at.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at, text and the column of `label`.
    label : str
        ``"cause"``, ``"kind"``, or any other column for which there are rules.
    rules : pandas.DataFrame, optional
        As for `classify_by_rules`.
    features, seed
        As for `classify_texts`.

    Returns
    -------
    LabelNoise
        `.table` has a row per recorded label, the commonest first: the column of `label`, texts (of
        which rules and classifier say the same), contradicted, share, low, high, judged.

    Raises
    ------
    UnknownName
        If complaints, or the rules, have no such column.
    NotEnoughData
        If there are too few texts for a classifier, or rules and classifier never agree.

    Notes
    -----
    One way alone cannot tell its own mistakes from those of the record. Where two that work
    differently agree with each other and not with the record, the record is the likelier to be
    wrong. Both can still be wrong together: a rule that misleads also leads a classifier that has
    learnt from such texts.

    References
    ----------
    Brodley, C. E. and Friedl, M. A. (1999), Journal of Artificial Intelligence Research 11,
    131-167, on finding wrong labels by classifiers that agree against them.
    """
    held = held_out(crm, label, features, seed, "copies")
    table = keyword_rules() if rules is None else rules
    by_classifier = held.frame["found"]
    frame = held.frame.drop(columns="found")
    frame = frame.join(find_rules(frame["plain"], table, label))
    sure = frame[frame["found"].notna() & (frame["found"] == by_classifier)]
    if sure.empty:
        raise NotEnoughData(
            _("Rules and classifier never say the same of a text, so labels cannot be judged.")
        )
    wrong = sure["recorded"] != sure["found"]
    clusters = ["customer", "wording"]
    counts = sure["recorded"].value_counts()
    names = sorted(counts.index, key=lambda name: (-counts[name], name))
    rows = [_row(sure[sure["recorded"] == name], name) for name in names]
    return LabelNoise(
        pd.DataFrame(rows).rename(columns={"label": label}),
        Context.of(crm),
        widest(wrong, [sure[one] for one in clusters]),
        sure.loc[wrong, ["complaint_id", "recorded", "found", "words"]].reset_index(drop=True),
        len(frame),
        label,
        held.left_out,
    )


def _row(part: pd.DataFrame, name: str) -> dict[str, object]:
    wrong = part["recorded"] != part["found"]
    made = widest(wrong, [part["customer"], part["wording"]])
    judged = len(part) >= FEWEST_TEXTS and part["customer"].nunique() >= FEWEST
    return {
        "label": name,
        "texts": len(part),
        "contradicted": int(wrong.sum()),
        "share": made.value,
        "low": made.low,
        "high": made.high,
        "judged": bool(judged),
    }
