"""What a complaint is about, by rules: words that name it (关键词规则)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crmlab.complaints.cases import of_complaints
from crmlab.complaints.text_cases import texts_of
from crmlab.complaints.text_scores import (
    CONFIDENCE,
    FEWEST,
    FEWEST_TEXTS,
    class_scores,
    confusion_of,
    draw_precision_and_recall,
    lowest_in_words,
    or_dash,
    precision_and_recall_in_words,
    widest,
)
from crmlab.complaints.words import normalised
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
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

#: What takes back a word that can be denied, if it stands right before it.
DENIED = re.compile(
    r"(?:没有|没|未|并未|并无|无|不是|没有任何|无任何|没有发现|未见)$"
    r"|(?:\b|(?<=[^\x00-\x7f]))(?:no|not|never|without|nothing|isn't|wasn't|weren't|aren't)"
    r"(?: (?:been|be|any|a|the))? $"
)
#: How many characters before a word a denial can begin.
BEFORE = 16


@cache
def _rules() -> pd.DataFrame:
    path = Path(__file__).parent / "keyword_rules.csv"
    return pd.read_csv(path, encoding="utf-8", dtype={"word": str})


def keyword_rules() -> pd.DataFrame:
    """The keyword rules that come with the book: a table to copy and edit.

    Returns
    -------
    pandas.DataFrame
        A row per rule: language (``"zh"`` or ``"en"``; for the reader), word, cause and kind (what
        a text with that word is about), weight (1 for a clear word, 0.5 for a hint) and deniable
        (whether "no" or "not" right before the word takes it back: "not damaged").

    Notes
    -----
    The list is made by reading complaints, as a call centre would. A star at the end of an English
    word stands for any ending. Columns of labels of your own can be added.

    Examples
    --------
    >>> keyword_rules().groupby("language").size().index.tolist()
    ['en', 'zh']
    """
    return _rules().copy()


def _pattern(word: str) -> re.Pattern[str]:
    """Where a word stands: a Chinese one anywhere, an English one between other letters' edges.

    Chinese and English stand together without a blank, so an edge is one of Latin letters and
    digits, not of words.
    """
    plain = normalised(word)
    stem = plain.rstrip("*")
    before = r"(?<![a-z0-9])" if re.match(r"[a-z0-9]", stem) else ""
    after = r"(?![a-z0-9])" if re.search(r"[a-z0-9]$", plain) else ""
    return re.compile(before + re.escape(stem) + after)


def find_rules(plain: pd.Series, rules: pd.DataFrame, label: str) -> pd.DataFrame:
    """What each text is about by the rules.

    Parameters
    ----------
    plain : pandas.Series of str
        Normalised texts.
    rules : pandas.DataFrame
        As `keyword_rules` gives them.
    label : str
        Column of the rules.

    Returns
    -------
    pandas.DataFrame
        Index of `plain`: found (the label; None where no word was found), labels (how many were
        named) and words (those found, in the order of the text).

    Notes
    -----
    The label with the largest sum of weights of the different words found; of equals the one whose
    word stands first in the text, then the longer word, then the earlier rule.

    Examples
    --------
    >>> texts = pd.Series(["外箱没有破损,但是晚到了", "the latest news", "late, boxes damaged"])
    >>> find_rules(texts, keyword_rules(), "cause")["found"].fillna("none").tolist()
    ['late_delivery', 'none', 'late_delivery']
    """
    different = pd.Series(plain.unique(), dtype="object")
    known = _checked(rules, label)
    hits: list[list[tuple[int, int, int]]] = [[] for _text in different]
    words = known["word"].tolist()
    # One long text, a line each, because to search that is quick.
    whole = "\n".join(different)
    starts = np.cumsum([0, *(len(text) + 1 for text in different)])
    for order, (word, deniable) in enumerate(zip(words, known["deniable"], strict=True)):
        places = np.array(_places(word, whole), np.intp)
        lines = np.searchsorted(starts, places, "right") - 1
        found: set[int] = set()
        for begin, at in zip(places.tolist(), lines.tolist(), strict=True):
            before = whole[max(int(starts[at]), begin - BEFORE) : begin]
            if at not in found and not (deniable and DENIED.search(before)):
                hits[at].append((begin, -len(word), order))
                found.add(at)
    names, weights = known[label].tolist(), known["weight"].tolist()
    orders = [[order for _begin, _length, order in sorted(found)] for found in hits]
    rows = [
        (*_decided([(names[order], weights[order]) for order in one]), _listed(one, words))
        for one in orders
    ]
    made = pd.DataFrame(rows, columns=["found", "labels", "words"], index=different.to_numpy())
    return made.astype({"found": "object"}).reindex(plain).set_axis(plain.index)


def _places(word: str, whole: str) -> list[int]:
    """Where a word stands; most places of its letters are found without the pattern."""
    pattern, stem = _pattern(word), normalised(word).rstrip("*")
    places, at = [], whole.find(stem)
    while at >= 0:
        inside = pattern.match(whole, at)
        if inside:
            places.append(at)
        at = whole.find(stem, inside.end() if inside else at + 1)
    return places


def _listed(orders: list[int], words: list[str]) -> str:
    return " ".join(words[order] for order in orders)


def _decided(hits: list[tuple[str, float]]) -> tuple[str | None, int]:
    """The label with the largest weight, and how many are named; hits in the text's order."""
    total: dict[str, float] = {}
    for name, weight in hits:
        total[name] = round(total.get(name, 0.0) + weight, 9)
    # The first of equals stands first in the text, because the hits are in its order.
    return (max(total, key=lambda name: total[name]) if total else None), len(total)


def _checked(rules: pd.DataFrame, label: str) -> pd.DataFrame:
    """The rules as they are used; an error that names what is wrong with them."""
    lacking = [name for name in ("word", label) if name not in rules]
    if lacking:
        raise UnknownName(
            _(
                "The keyword rules have no column {column}. Give rules with the columns word and "
                "{label}: a copy of keyword_rules(), with a column of your own."
            ).format(column=lacking[0], label=label)
        )
    # A rule without this label is one for another label.
    known = rules.dropna(subset=[label]).reset_index(drop=True)
    if known.empty:
        raise CrmlabError(
            _(
                "The table of keyword rules has no row with a {label}; a rule needs a word and a "
                "{label}."
            ).format(label=label)
        )
    words = known["word"].astype("object").where(known["word"].notna(), "").astype(str)
    known = known.assign(word=words, **{label: known[label].astype(str)})
    empty = known["word"].map(normalised).str.strip("* ") == ""
    if empty.any():
        raise CrmlabError(
            _("A keyword rule needs a word; {count} of {rules} rules have none.").format(
                count=number(int(empty.sum())), rules=number(len(known))
            )
        )
    if "weight" not in known:
        known["weight"] = 1.0
    weight = pd.to_numeric(known["weight"], errors="coerce").fillna(-1.0)
    if (weight <= 0).any():
        raise CrmlabError(
            _("The weight of a keyword rule is above 0; that of {word} is {weight}.").format(
                word=known.loc[weight <= 0, "word"].iloc[0],
                weight=known.loc[weight <= 0, "weight"].iloc[0],
            )
        )
    deniable = known["deniable"] if "deniable" in known else pd.Series(False, known.index)
    return known.assign(weight=weight, deniable=deniable.fillna(False).astype(bool))


@dataclass(frozen=True, repr=False)
class TextRules(Result):
    """Result of `classify_by_rules`.

    Attributes
    ----------
    texts : pandas.DataFrame
        A row per complaint with a text: complaint_id, recorded (missing where not given), found
        (None where the rules do not tell), labels (how many were named), words.
    confusion : pandas.DataFrame
        Where labels are recorded: recorded, found (None for not told), texts, share (of the texts
        recorded so).
    label : str
    told, agreed : Estimate
        Share of texts of which the rules tell something; of those that also have a label in the
        record, the share on which both agree (NaN where there are none).
    comparable : bool
        Whether the record has labels of which at least one is also one of the rules'.
    given : bool
        Whether the record has labels.
    left_out : tuple of Exclusion
    """

    measure = "complaints.classify_by_rules"

    texts: pd.DataFrame
    confusion: pd.DataFrame
    label: str
    told: Estimate
    agreed: Estimate
    comparable: bool
    given: bool
    left_out: tuple[Exclusion, ...]

    def main_columns(self) -> list[str]:
        if not self.comparable:
            return [self.label, "named", "share", "low", "high"]
        measured = ["precision", "precision_low", "precision_high"]
        measured += ["recall", "recall_low", "recall_high"]
        some = [] if self.table["judged"].all() else ["judged"]
        return [self.label, "texts", "named", "right", *measured, *some]

    def title(self) -> str:
        told = percent(self.told.value, 0)
        if not self.comparable:
            return _("Keyword rules say what {told} of the complaints are about").format(told=told)
        return _(
            "Keyword rules speak of {told} of the complaints, and agree with the record on "
            "{agreed} of these"
        ).format(told=told, agreed=or_dash(self.agreed.value))

    def plot(self, ax: Axes | None = None) -> Axes:
        rows = len(self.table)
        axes = charts.new_axes(ax, size=(7.2, max(3.2, 1.4 + 0.38 * rows)))
        if self.comparable:
            draw_precision_and_recall(axes, self.table, self.label)
        else:
            self._draw_shares(axes)
        charts.set_title(axes, self.title())
        return axes

    def _draw_shares(self, axes: Axes) -> None:
        places = np.arange(len(self.table))[::-1]
        share = self.table["share"].to_numpy()
        whiskers = np.abs(self.table[["low", "high"]].to_numpy().T - share)
        axes.barh(
            places, share, height=0.6, color=charts.BLUE, xerr=whiskers,
            error_kw={"ecolor": charts.INK, "capsize": 3, "linewidth": 1.5},
        )  # fmt: skip
        axes.set_yticks(places, [group_name(self.label, name) for name in self.table[self.label]])
        axes.set_xlim(0, None)
        charts.share_axis(axes.xaxis)
        axes.set_xlabel(_("Share of the texts, with 95% interval"))

    def reading(self) -> str:
        parts = [self._told(), self._agreed(), self._classes(), self._unknown_labels()]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        if self.table.empty:
            return _("A picture without bars: the rules find nothing in any of the texts.")
        if not self.comparable:
            rows = [
                _("{group} {share}").format(
                    group=group_name(self.label, row[self.label]), share=percent(row["share"])
                )
                for _index, row in self.table.iterrows()
            ]
            return _("Bars of the share of texts by what the rules find. {rows}.").format(
                rows=_("; ").join(rows)
            )
        return precision_and_recall_in_words(self.table, self.label)

    # --- the words

    def _told(self) -> str:
        labels = self.texts["labels"]
        return _("{told} {several} {intervals}").format(
            told=_(
                "The rules say what {told} ({low} to {high}) of {texts} texts are about; of the "
                "others, {none}, they do not tell, because these hold none of the words."
            ).format(
                told=percent(self.told.value),
                low=percent(self.told.low),
                high=percent(self.told.high),
                texts=number(len(labels)),
                none=percent((labels == 0).mean()),
            ),
            several=self._several(int((labels > 1).sum())),
            intervals=intervals_in_brackets(CONFIDENCE),
        )

    @staticmethod
    def _several(count: int) -> str:
        if not count:
            return _("No text holds words of more than one label.")
        return ngettext(
            "{count} text holds words of more than one label; the larger sum of weights decides, "
            "then the word that stands first.",
            "{count} texts hold words of more than one label; the larger sum of weights decides, "
            "then the word that stands first.",
            count,
        ).format(count=number(count))

    def _agreed(self) -> str:
        if not self.given:
            return _(
                "No label is recorded with the texts ({column}), so how often the rules are right "
                "cannot be told from these data."
            ).format(column=f"complaints.{self.label}")
        if not self.comparable:
            return _(
                "None of the labels in the record is one of the rules', so the two cannot be "
                "compared: write rules for the labels of the record."
            )
        if np.isnan(self.agreed.value):
            return _("No text of which the rules tell something has a label in the record.")
        return _(
            "Where the rules speak and a label is recorded, the two agree on {share} ({low} to "
            "{high}). Where they differ, the rule may be wrong, or the record."
        ).format(
            share=percent(self.agreed.value),
            low=percent(self.agreed.low),
            high=percent(self.agreed.high),
        )

    def _classes(self) -> str:
        return lowest_in_words(self.table, self.label) if self.comparable else ""

    def _unknown_labels(self) -> str:
        if not self.comparable:
            return ""
        without = self.table.loc[~self.table["has_rules"], self.label]
        if without.empty:
            return ""
        return _("Labels of the record for which there is no rule: {names}.").format(
            names=_(", ").join(group_name(self.label, name) for name in without)
        )

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Texts that hold a word of the rules which is not denied"),
            denominator=_("Complaints and suggestions with a text"),
            period=self.context.period(),
            method=_(
                "Texts and words in half-width and small letters. A Chinese word counts anywhere "
                "in the text, an English one only as a whole word unless it ends with a star. No "
                "or not right before a deniable word takes it back. Precision: of the texts the "
                "rules give a label, the share recorded so; recall: of the texts recorded so, the "
                "share the rules find. 95% Wilson intervals, texts of one customer as a cluster. "
                "A label with fewer than {texts} texts or {customers} customers is not judged."
            ).format(texts=number(FEWEST_TEXTS), customers=number(FEWEST)),
            source=self.context.source,
            exclusions=self.left_out,
        )


@measure(needs={"complaints": ["opened_at", "text"]})
def classify_by_rules(
    crm: Workspace, *, rules: pd.DataFrame | None = None, label: str = "cause"
) -> TextRules:
    """What complaints are about by the words in their texts, and how often the record agrees.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at, text; with the column of `label` the two are compared.
    rules : pandas.DataFrame, optional
        A table with the columns word and `label`, and if wanted weight and deniable; else
        `keyword_rules`.
    label : str
        ``"cause"``, ``"kind"``, or any other column of the rules.

    Returns
    -------
    TextRules
        `.table` has a row per label, the commonest first: the column of `label`, named (texts the
        rules give it), share (of all texts), low, high, has_rules; where the record has labels
        too: texts (recorded so), customers, right, precision (of the texts named that have a label
        in the record), recall and f1 with _low and _high, judged.

    Raises
    ------
    UnknownName
        If the rules have no column of that label.
    CrmlabError
        If a rule has no word, or a weight that is not above 0.
    NotEnoughData
        If no complaint has a text.

    Notes
    -----
    A text may name several causes; it gets one. Rules work on texts that nobody has labelled, say
    in words why they decided as they did, and can be corrected by whoever reads the texts.

    References
    ----------
    van Rijsbergen, C. J. (1979), Information Retrieval, 2nd ed., chapter 7, on precision and
    recall.
    """
    known = _checked(keyword_rules() if rules is None else rules, label)
    base = texts_of(crm, label)
    frame = base.frame
    if frame.empty:
        raise NotEnoughData(_("No complaint has a text, so nothing can be said."))
    frame = frame.join(find_rules(frame["plain"], known, label))
    recorded, found = frame["recorded"], frame["found"]
    own = known[label].unique()
    comparable = base.labelled and bool(recorded.isin(own).any())
    both = recorded.notna() & found.notna()
    agreed = widest((recorded == found)[both], [frame.loc[both, "customer"]])
    return TextRules(
        _table(frame, label, comparable).assign(has_rules=lambda row: row[label].isin(own)),
        Context.of(crm),
        frame[["complaint_id", "recorded", "found", "labels", "words"]],
        confusion_of(recorded, found),
        label,
        widest(found.notna(), [frame["customer"]]),
        agreed,
        comparable,
        base.labelled,
        _with_unlabelled(base.left_out, recorded, comparable),
    )


def _with_unlabelled(
    left_out: tuple[Exclusion, ...], recorded: pd.Series, comparable: bool
) -> tuple[Exclusion, ...]:
    without = int(recorded.isna().sum()) if comparable else 0
    if not without:
        return left_out
    return (*left_out, of_complaints(_("label not recorded, from the comparison"), without))


def _table(frame: pd.DataFrame, label: str, comparable: bool) -> pd.DataFrame:
    """What the rules find, the commonest first; where comparable beside what is recorded."""
    counted = frame["found"].dropna().value_counts()
    names = sorted(counted.index, key=lambda name: (-counted[name], name))
    if not comparable:
        return _shares(frame, names).rename(columns={"label": label})
    kept = frame[frame["recorded"].notna()]
    scores = class_scores(kept["recorded"], kept["found"], [kept["customer"]], besides=names)
    shares = _shares(frame, scores["label"].tolist())
    scores["named"] = shares["named"]
    return scores.join(shares[["share", "low", "high"]]).rename(columns={"label": label})


def _shares(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """How many of all texts, and what share of them, the rules give each label."""
    rows = []
    for name in names:
        made = widest(frame["found"] == name, [frame["customer"]])
        rows.append((name, int((frame["found"] == name).sum()), made.value, made.low, made.high))
    return pd.DataFrame(rows, columns=["label", "named", "share", "low", "high"])
