"""How well labels found for texts agree with the recorded: figures, picture and words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from crmlab.language import _, number, percent
from crmlab.show import charts
from crmlab.show.groups import group_name
from crmlab.stats.clustered import NOTHING, Estimate
from crmlab.stats.weighted import share, t_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A label with fewer texts, customers or wordings is shown and not judged.
FEWEST_TEXTS = 20
FEWEST = 5
CONFIDENCE = 0.95
#: What is averaged over labels.
SCORES = ("precision", "recall", "f1")


def widest(flags: ArrayLike, clusters: Sequence[ArrayLike]) -> Estimate:
    """A share with the widest of its intervals over several kinds of cluster.

    Parameters
    ----------
    flags : array_like of bool
    clusters : sequence of array_like
        Such as the customer and the wording of each text.

    Returns
    -------
    Estimate

    Examples
    --------
    >>> found = widest([1, 1, 0, 0], [[0, 1, 2, 3], [0, 0, 1, 1]])
    >>> found.value, bool(found.high - found.low > 0.9)
    (0.5, True)
    """
    values = np.asarray(flags, float)
    if not len(values):
        return NOTHING
    made = [share(values, clusters=one, confidence=CONFIDENCE) for one in clusters]
    return max(made, key=lambda one: one.high - one.low)


def class_scores(
    recorded: pd.Series,
    found: pd.Series,
    clusters: Sequence[ArrayLike],
    *,
    besides: Sequence[str] = (),
) -> pd.DataFrame:
    """How well found labels agree with recorded ones, label by label.

    Parameters
    ----------
    recorded, found : pandas.Series
        Labels of the same texts; found may be missing.
    clusters : sequence of array_like
        Kinds of cluster; the interval is the widest of theirs.
    besides : sequence of str
        Labels that have a row though the record has none of them.

    Returns
    -------
    pandas.DataFrame
        A row per recorded label, the commonest first, then those `besides`: label, texts,
        customers (clusters of the first kind), named (texts found to have it), right, precision,
        recall and f1, each with _low and _high, and judged.

    Notes
    -----
    Precision is right/named, recall right/texts, F1 = 2·right/(texts + named), a share too: of the
    recorded and the found together, those that agree.

    References
    ----------
    van Rijsbergen, C. J. (1979), Information Retrieval, 2nd ed., chapter 7.
    """
    parts = [np.asarray(one) for one in clusters]
    counted = recorded.dropna().astype(str).value_counts()
    order = sorted(counted.index, key=lambda name: (-counted[name], name))
    order += [name for name in besides if name not in order]
    return pd.DataFrame([_scores(recorded, found, name, parts) for name in order])


def _scores(
    recorded: pd.Series, found: pd.Series, name: str, clusters: Sequence[np.ndarray]
) -> dict[str, object]:
    truth = (recorded.astype("object") == name).to_numpy()
    said = (found.astype("object") == name).to_numpy()
    right = truth & said
    both = np.concatenate([np.flatnonzero(truth), np.flatnonzero(said)])
    made = {
        "precision": widest(right[said], [one[said] for one in clusters]),
        "recall": widest(right[truth], [one[truth] for one in clusters]),
        "f1": widest(right[both], [one[both] for one in clusters]),
    }
    groups = [len(np.unique(one[truth])) for one in clusters]
    row: dict[str, object] = {
        "label": name,
        "texts": int(truth.sum()),
        "customers": groups[0],
        "named": int(said.sum()),
        "right": int(right.sum()),
        "judged": bool(truth.sum() >= FEWEST_TEXTS and min(groups) >= FEWEST),
    }
    for measured, one in made.items():
        row |= {measured: one.value, f"{measured}_low": one.low, f"{measured}_high": one.high}
    return row


def macro_scores(
    recorded: pd.Series, found: pd.Series, labels: Sequence[str], clusters: Sequence[ArrayLike]
) -> dict[str, Estimate]:
    """Precision, recall and F1 averaged over labels, each label counting the same.

    Parameters
    ----------
    recorded, found : pandas.Series
    labels : sequence of str
        The labels averaged over, at least one; one that was never found has precision 0 here.
    clusters : sequence of array_like
        Kinds of cluster; the interval is the widest of theirs.

    Returns
    -------
    dict of str to Estimate
        precision, recall, f1; empty where each kind has but one cluster.

    Notes
    -----
    The standard error is that of the jackknife that leaves out one cluster at a time, the interval
    one of t with as many degrees of freedom as clusters less one, cut at 0 and 1.

    References
    ----------
    Sokolova, M. and Lapalme, G. (2009), Information Processing and Management 45, 427-437.
    """
    truth = np.stack([(recorded == name).to_numpy() for name in labels], axis=-1).astype(float)
    said = np.stack([(found == name).to_numpy() for name in labels], axis=-1).astype(float)
    parts = np.stack([truth * said, said, truth])
    whole = _macro(parts.sum(axis=1))
    made: dict[str, Estimate] = {}
    for one in clusters:
        code = pd.factorize(np.asarray(one))[0]
        many = int(code.max()) + 1
        if many < 2:
            continue
        sums = np.zeros((3, many, len(labels)))
        for at, part in enumerate(parts):
            np.add.at(sums[at], code, part)
        without = _macro(parts.sum(axis=1)[:, np.newaxis] - sums).T
        away = without - without.mean(axis=0)
        errors = np.sqrt((many - 1) / many * (away**2).sum(axis=0))
        for name, value, error in zip(SCORES, whole, errors, strict=True):
            wide = t_interval(float(value), float(error), many - 1, confidence=CONFIDENCE)
            # A t interval knows nothing of the ends of the scale.
            found_ = wide._replace(low=max(0.0, wide.low), high=min(1.0, wide.high))
            if name not in made or found_.high - found_.low > made[name].high - made[name].low:
                made[name] = found_
    return made


def _macro(sums: np.ndarray) -> np.ndarray:
    """Mean over labels of precision, recall and F1 from the sums of right, named and recorded."""
    right, named, texts = sums
    return np.stack(
        [
            np.mean(right / np.maximum(named, 1), axis=-1),
            np.mean(right / np.maximum(texts, 1), axis=-1),
            np.mean(2 * right / np.maximum(named + texts, 1), axis=-1),
        ]
    )


def confusion_of(recorded: pd.Series, found: pd.Series) -> pd.DataFrame:
    """How many texts of each recorded label were found to have each label.

    Returns
    -------
    pandas.DataFrame
        Rows: recorded, found (None for not told), texts, share (of the texts recorded so).
    """
    some = recorded.notna()
    pairs = pd.DataFrame({"recorded": recorded[some], "found": found[some].astype("object")})
    counts = pairs.groupby(["recorded", "found"], dropna=False).size().rename("texts").reset_index()
    counts["found"] = counts["found"].astype("object").where(counts["found"].notna(), None)
    whole = counts.groupby("recorded")["texts"].transform("sum")
    return counts.assign(share=counts["texts"] / whole)


def or_dash(share: float) -> str:
    """A share without decimals; a dash where there is none.

    Examples
    --------
    >>> or_dash(0.25), or_dash(np.nan)
    ('25%', '–')
    """
    return "–" if np.isnan(share) else percent(share, 0)


def draw_precision_and_recall(axes: Axes, table: pd.DataFrame, label: str) -> None:
    """Precision and recall of each label, with their intervals, side by side."""
    places = np.arange(len(table))[::-1].astype(float)
    drawn = {
        "precision": (charts.BLUE, 0.14, _("Precision: of those named, rightly named")),
        "recall": (charts.ORANGE, -0.14, _("Recall: of those recorded, found")),
    }
    for name, (colour, shift, words) in drawn.items():
        value = table[name].to_numpy(float)
        low, high = table[f"{name}_low"].to_numpy(float), table[f"{name}_high"].to_numpy(float)
        faint = np.where(table["judged"], 1.0, 0.35)
        for at, one, left, right, strength in zip(places, value, low, high, faint, strict=True):
            axes.plot([left, right], [at + shift] * 2, color=colour, linewidth=2, alpha=strength)
            axes.plot([one], [at + shift], "o", color=colour, markersize=6, alpha=strength)
        axes.plot([], [], "o-", color=colour, label=words)
    axes.set_yticks(places, [group_name(label, name) for name in table[label]])
    axes.set_ylim(-0.6, len(table) - 0.4)
    axes.set_xlim(-0.02, 1.02)
    charts.share_axis(axes.xaxis)
    axes.set_xlabel(_("Share with 95% interval; faint: too few to judge"))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=1)


def precision_and_recall_in_words(table: pd.DataFrame, label: str) -> str:
    """The picture of precision and recall for those who cannot see it."""
    rows = [
        _("{group}: precision {precision}, recall {recall}").format(
            group=group_name(label, row[label]),
            precision=or_dash(row["precision"]),
            recall=or_dash(row["recall"]),
        )
        for _index, row in table.iterrows()
    ]
    return _("Points with intervals. {rows}.").format(rows=_("; ").join(rows))


def lowest_in_words(table: pd.DataFrame, label: str) -> str:
    """Which judged label has the lowest precision, and which the lowest recall."""
    judged = table[table["judged"]]
    if judged.empty:
        return _(
            "No label has {texts} texts of {customers} customers or more, so none is judged by "
            "itself."
        ).format(texts=number(FEWEST_TEXTS), customers=number(FEWEST))
    written = {}
    for name in ("precision", "recall"):
        known = judged[judged[name].notna()]
        if known.empty:
            written[name] = "–"
            continue
        row = known.loc[known[name].idxmin()]
        written[name] = _("{group} {share} ({low} to {high})").format(
            group=group_name(label, row[label]),
            share=percent(row[name]),
            low=percent(row[f"{name}_low"]),
            high=percent(row[f"{name}_high"]),
        )
    return _(
        "Lowest precision (of the texts given the label, those recorded so): {precision}. Lowest "
        "recall (of the texts recorded so, those found): {recall}."
    ).format(**written)
