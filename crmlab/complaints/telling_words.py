"""The words by which a classifier of complaint texts decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.complaints.text_held import (
    Features,
    checked,
    counted,
    fitted,
    labelled_texts,
)
from crmlab.complaints.text_scores import FEWEST, FEWEST_TEXTS
from crmlab.errors import CrmlabError
from crmlab.language import _, number
from crmlab.show import charts
from crmlab.show.groups import group_name
from crmlab.show.result import Context, Definition, Exclusion, Result, measure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from crmlab.data.sources import Workspace

#: So many words of a label are written into the picture, and of so many labels.
DRAWN, ROOM = 5, 12
#: A word in fewer texts is not called telling.
SEEN = 5


@dataclass(frozen=True, repr=False)
class TellingWords(Result):
    """Result of `telling_words`.

    Attributes
    ----------
    label : str
    texts : int
    small : tuple of str
        Labels with too few texts or wordings, whose words are not listed.
    left_out : tuple of Exclusion
    """

    measure = "complaints.telling_words"

    label: str
    texts: int
    small: tuple[str, ...]
    left_out: tuple[Exclusion, ...]

    def title(self) -> str:
        return _("The words that speak most for each label, the strongest first")

    def plot(self, ax: Axes | None = None) -> Axes:
        names = list(dict.fromkeys(self.table[self.label]))[:ROOM]
        axes = charts.new_axes(ax, size=(7.2, 1.3 + 0.42 * max(len(names), 2)))
        strongest = max(float(self.table["coefficient"].max()), 1e-9) if len(self.table) else 1.0
        for row in self.table.itertuples(index=False):
            name = getattr(row, self.label)
            if name in names and row.rank <= DRAWN:
                at, share = names.index(name), row.coefficient / strongest
                axes.barh(at, 0.94, left=row.rank - 1.47, height=0.84, color=charts.BLUE,
                          alpha=0.1 + 0.4 * share)  # fmt: skip
                axes.text(row.rank - 1, at, row.word, ha="center", va="center", fontsize=10.5)
        axes.set_xlim(-0.5, DRAWN - 0.5)
        axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
        axes.set_xticks(range(DRAWN), [number(at) for at in range(1, DRAWN + 1)])
        axes.set_yticks(range(len(names)), [group_name(self.label, name) for name in names])
        axes.tick_params(length=0)
        axes.set_xlabel(_("Rank of the word (the darker, the larger its coefficient)"))
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        charts.set_title(axes, self.title())
        return axes

    def reading(self) -> str:
        parts = [self._first(), self._small()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        return _("Table of words by label. {rows}.").format(rows=self._listed(DRAWN))

    # --- the words

    def _listed(self, many: int) -> str:
        part = self.table[self.table["rank"] <= many]
        rows = [
            _("{group}: {words}").format(
                group=group_name(self.label, name), words=_(", ").join(of["word"])
            )
            for name, of in part.groupby(self.label, sort=False)
        ]
        return _("; ").join(rows)

    def _first(self) -> str:
        if self.table.empty:
            return _("No label has texts enough for its words to be listed.")
        return _(
            "Of {texts} texts the classifier has learnt these words first of all: {words}. A word "
            "speaks for a label because it is commoner there than elsewhere; it need not name the "
            "cause."
        ).format(texts=number(self.texts), words=self._listed(3))

    def _small(self) -> str:
        if not self.small:
            return ""
        return _(
            "Not listed, because they have fewer than {texts} texts or {fewest} wordings: {names}."
        ).format(
            texts=number(FEWEST_TEXTS),
            fewest=number(FEWEST),
            names=_(", ").join(group_name(self.label, name) for name in self.small),
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Coefficient of a word in the linear classifier of a label"),
            denominator=_("Complaints and suggestions with a text and a label"),
            period=self.context.period(),
            method=_(
                "Linear support vector classifier on TF-IDF, one label against the others, learnt "
                "from all the texts; nothing is held out, because nothing is predicted. Words in "
                "fewer than {texts} texts are not listed. The coefficients carry no interval: they "
                "show what the classifier looks at, and prove nothing about a word."
            ).format(texts=number(SEEN)),
            source=self.context.source,
            exclusions=self.left_out,
        )


@measure(needs={"complaints": ["opened_at", "text"]})
def telling_words(
    crm: Workspace,
    *,
    label: str = "kind",
    features: Features = "words",
    words: int = 8,
    seed: int = 0,
) -> TellingWords:
    """By which words a classifier decides what a complaint is about.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at, text and the column of `label`.
    label : str
        ``"kind"``, ``"cause"``, or any other column of complaints.
    features : {"words", "characters"}
    words : int
        How many words of each label, from 1 to 50.
    seed : int
        For the draw where there are more than 6,000 texts.

    Returns
    -------
    TellingWords
        `.table` has a row per label and word, the commonest label first and in it the largest
        coefficient: the column of `label`, rank, word, coefficient, texts (of any label that hold
        it), share (of these, the share recorded with this label).

    Raises
    ------
    CrmlabError
        If `words` is not from 1 to 50, or there are no such features.
    UnknownName, NotEnoughData
        As `classify_texts`.

    Notes
    -----
    Of words that always stand together each gets a part of the coefficient. Only words that speak
    for a label are listed (coefficient above 0).
    """
    if not 1 <= words <= 50:
        raise CrmlabError(_("words = {value} is not from 1 to 50.").format(value=words))
    checked(crm, label, features)
    held = labelled_texts(crm, label, seed)
    frame = held.frame
    made = counted(crm, frame["plain"], features)
    counts, vocabulary = made.counts, made.names
    names, truth = np.unique(frame["recorded"].to_numpy(str), return_inverse=True)
    model = fitted(counts, truth)[1]
    weights = np.vstack([-model.coef_, model.coef_]) if len(names) == 2 else model.coef_
    sizes = frame.groupby("recorded").agg(
        texts=("wording", "size"), wordings=("wording", "nunique")
    )
    enough = (sizes["texts"] >= FEWEST_TEXTS) & (sizes["wordings"] >= FEWEST)
    order = sorted(names, key=lambda name: (-sizes["texts"][name], name))
    there = counts > 0
    seen = np.asarray(there.sum(axis=0)).ravel()
    parts = [
        _words_of(name, weights[at], vocabulary, seen, there[truth == at], words)
        for name in order
        if enough[name]
        for at in [int(np.searchsorted(names, name))]
    ]
    columns = ["label", "rank", "word", "coefficient", "texts", "share"]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    small = tuple(name for name in order if not enough[name])
    return TellingWords(
        table.rename(columns={"label": label}),
        Context.of(crm), label, len(frame), small, held.left_out,
    )  # fmt: skip


def _words_of(
    name: str, weights: np.ndarray, vocabulary: np.ndarray, seen: np.ndarray, own: object, many: int
) -> pd.DataFrame:
    inside = np.asarray(own.sum(axis=0)).ravel()  # type: ignore[attr-defined]
    found = pd.DataFrame(
        {
            "word": vocabulary,
            # Rounded, because the last digits differ from one processor to another.
            "coefficient": np.round(weights, 3),
            "texts": seen,
            "share": inside / np.maximum(seen, 1),
        }
    )
    kept = found[(found["coefficient"] > 0) & (found["texts"] >= SEEN)]
    kept = kept.sort_values(["coefficient", "word"], ascending=[False, True]).head(many)
    kept = kept.reset_index(drop=True)
    kept.insert(0, "rank", np.arange(1, len(kept) + 1))
    kept.insert(0, "label", name)
    return kept
