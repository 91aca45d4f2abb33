"""The words of a text in Chinese or English, and which texts are near-copies of each other."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from rjieba import Jieba

#: Near-copies share pieces of three and four characters.
PIECES = (3, 4)
#: Two texts so alike (cosine) are near-copies.
LIKENESS = 0.5
#: Steps by which more likeness is asked for, and the most.
STEP, MOST_LIKENESS = 0.1, 0.9
#: No group of near-copies may hold more than this share of the texts.
LARGEST = 0.5
#: Rows compared with all others at a time.
BLOCK = 500
#: Words of the trade that the dictionary would cut in two.
TRADE = ("缺件", "回单", "账期", "对账", "少件", "破损", "晚到", "错发", "漏发")

_LETTERS = re.compile(r"[^\W\d_]")
_NO_LETTERS = re.compile(r"[\W\d_]+")


def normalised(text: Any) -> str:
    """A text in half-width and small letters, with single blanks; empty if there is none.

    Parameters
    ----------
    text : object
        A text; missing counts as empty.

    Examples
    --------
    >>> normalised("  ＬＡＴＥ　again，破损２件 ")
    'late again,破损2件'
    >>> normalised(None)
    ''
    """
    if not isinstance(text, str):
        return ""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@cache
def _cutter() -> Jieba:
    """Our own cutter, so that its words of the trade are in nobody else's dictionary."""
    import rjieba

    own = rjieba.Jieba()
    for word in TRADE:
        own.add_word(word, None, None)
    return own


def tokens(text: Any) -> list[str]:
    """The words of a text, Chinese ones as jieba cuts them; numbers and marks are no words.

    Parameters
    ----------
    text : object
        A text in Chinese, English or both; missing counts as empty.

    Returns
    -------
    list of str
        In small letters, in the order of the text.

    References
    ----------
    jieba, https://github.com/fxsjy/jieba: the most probable path through the words of its
    dictionary; what is not in it by a hidden Markov model.

    Examples
    --------
    >>> tokens("您好，缺件14箱，driver was LATE")
    ['您好', '缺件', '箱', 'driver', 'was', 'late']
    """
    return [word for word in _cutter().cut(normalised(text)) if _LETTERS.search(word)]


def near_copies(
    texts: Sequence[str] | pd.Series, *, likeness: float = LIKENESS
) -> NDArray[np.intp]:
    """Which texts are the same words with another number, name or opening.

    Parameters
    ----------
    texts : sequence of str
    likeness : float
        Cosine from which two texts are near-copies.

    Returns
    -------
    numpy.ndarray of int
        The group of each text, numbered from 0 in the order of their first text.

    Notes
    -----
    Digits and marks are taken out. A text is described by its pieces of three and four characters,
    (1 + log count) times the inverse document frequency, so that openings that everybody uses weigh
    little. Two texts are near-copies if the cosine is at least `likeness`; so are two that are
    near-copies of a third (single linkage). Where a chain of such texts would join more than half
    of all different texts, the likeness asked for is raised by steps of 0.1, to 0.9 at most. Texts
    of which nothing is left are in one group.

    References
    ----------
    Broder, A. Z. (1997), Proceedings of Compression and Complexity of Sequences, 21-29, on the
    resemblance of texts by the pieces they share.

    Examples
    --------
    >>> near_copies(["缺件14箱，到现在没有说法", "缺件 3箱，到现在没有说法！", "司机态度恶劣"])
    array([0, 0, 1])
    """
    bare = pd.Series(list(texts), dtype="object").map(_bare)
    code, different = pd.factorize(bare)
    if len(different) < 2:
        return np.zeros(len(code), np.intp)
    pairs = _alike(list(different), likeness)
    asked = likeness
    while True:
        group = _joined(pairs, asked, len(different))
        if np.bincount(group).max() <= max(2, LARGEST * len(different)):
            break
        if asked + STEP > MOST_LIKENESS + 1e-9:
            break
        asked += STEP
    return pd.factorize(group[code])[0]


def _bare(text: str) -> str:
    return _NO_LETTERS.sub(" ", normalised(text)).strip()


def _alike(texts: list[str], least: float) -> tuple[Any, Any, Any]:
    """Pairs of texts with a cosine of at least `least`: rows, columns, cosines."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        pieces = TfidfVectorizer(
            analyzer="char", ngram_range=PIECES, sublinear_tf=True
        ).fit_transform(texts)
    except ValueError:  # no text has three characters
        return (np.zeros(0, np.intp),) * 2 + (np.zeros(0),)
    found = []
    for start in range(0, len(texts), BLOCK):
        cosine = (pieces[start : start + BLOCK] @ pieces.T).tocoo()
        # Rounded, because the last digits of a sum differ from one processor to another.
        size = np.round(cosine.data, 9)
        kept = size >= least
        found.append((cosine.row[kept] + start, cosine.col[kept], size[kept]))
    rows, columns, sizes = (np.concatenate(part) for part in zip(*found, strict=True))
    return rows, columns, sizes


def _joined(pairs: tuple[Any, Any, Any], least: float, size: int) -> NDArray[np.intp]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, columns, cosines = pairs
    kept = cosines >= least - 1e-9
    graph = coo_array((np.ones(kept.sum()), (rows[kept], columns[kept])), shape=(size, size))
    return np.asarray(connected_components(graph.tocsr(), directed=False)[1], np.intp)
