"""What a classifier says of texts that it was not trained on, nor on any copy of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crmlab.complaints.cases import of_complaints
from crmlab.complaints.text_cases import texts_of
from crmlab.complaints.words import near_copies, tokens
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName
from crmlab.language import _, number
from crmlab.show.once import once
from crmlab.show.result import Exclusion

if TYPE_CHECKING:
    from crmlab.data.sources import Workspace

Features = Literal["words", "characters"]
Way = Literal["apart", "mixed", "copies"]
FEATURES = ("words", "characters")
#: Of more texts so many are drawn at random.
MOST = 6000
#: So many labels are learnt, the commonest; the texts of others are left out.
MOST_LABELS = 40
#: A classifier needs so many texts, and two labels with so many wordings.
LEAST = 50
#: One in so many customers, and one in so many wordings, is held out at a time.
CUSTOMERS, WORDINGS = 3, 6
#: The penalty of the linear support vector classifier, as scikit-learn has it.
PENALTY = 1.0
#: Decimals of what is compared: the last digits differ from one processor to another.
DECIMALS = 6

Codes = NDArray[np.intp]


@dataclass(frozen=True)
class Held:
    """Texts with a label, and what was said of them by a classifier that had not seen them.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per text with a label: complaint_id, customer, plain, recorded, wording (the group of
        near-copies), and found where a classifier was asked.
    left_out : tuple of Exclusion
    """

    frame: pd.DataFrame
    left_out: tuple[Exclusion, ...]


def checked(crm: Workspace, label: str, features: str) -> None:
    """Refuse a label that is not recorded, and features there are not."""
    if features not in FEATURES:
        raise CrmlabError(
            _("features is 'words' or 'characters'; it is {features}.").format(
                features=repr(features)
            )
        )
    if not crm.has("complaints", label):
        raise UnknownName(
            _(
                "A classifier learns from labels, and complaints.{label} is not there. Name the "
                "column in the mapping, or use classify_by_rules(), which needs no labels."
            ).format(label=label)
        )


@dataclass(frozen=True)
class _Wordings:
    """The number of the wording of each text."""

    numbers: Codes


@once
def _wordings(crm: Workspace, plain: pd.Series) -> _Wordings:
    """The wordings of texts of a workspace, found once for all their labels."""
    return _Wordings(near_copies(plain))


@dataclass(frozen=True)
class Counted:
    """How often each word, or piece of one to three characters, is in each text.

    Attributes
    ----------
    counts : scipy.sparse.csr_matrix
        A row per text, a column per word.
    names : numpy.ndarray of str
        The words.
    """

    counts: Any
    names: NDArray[np.object_]


@once
def labelled_texts(crm: Workspace, label: str, seed: int) -> Held:
    """The texts that have one of the commonest labels, and their wordings; nothing held out yet."""
    base = texts_of(crm, label)
    frame = base.frame[base.frame["recorded"].notna()].reset_index(drop=True)
    counts = {_("label not recorded"): len(base.frame) - len(frame)}
    sizes = frame["recorded"].value_counts()
    common = sorted(sizes.index, key=lambda name: (-sizes[name], name))[:MOST_LABELS]
    rare = ~frame["recorded"].isin(common)
    counts[_("label not among the {most} commonest").format(most=number(MOST_LABELS))] = int(
        rare.sum()
    )
    frame = frame[~rare].reset_index(drop=True)
    if len(frame) > MOST:
        chosen = np.random.default_rng(seed).choice(len(frame), MOST, replace=False)
        counts[_("beyond those drawn at random")] = len(frame) - MOST
        frame = frame.iloc[np.sort(chosen)].reset_index(drop=True)
    frame = frame.assign(wording=_wordings(crm, frame["plain"]).numbers)
    wordings = frame.groupby("recorded")["wording"].nunique()
    if len(frame) < LEAST or (wordings >= 2).sum() < 2:
        raise NotEnoughData(
            _(
                "A classifier needs {least} texts with a label, and two labels with several "
                "wordings each; there are {texts} texts and {labels} such labels."
            ).format(
                least=number(LEAST),
                texts=number(len(frame)),
                labels=number(int((wordings >= 2).sum())),
            )
        )
    more = (of_complaints(why, count) for why, count in counts.items() if count)
    return Held(frame, (*base.left_out, *more))


@once
def held_out(crm: Workspace, label: str, features: str, seed: int, way: Way) -> Held:
    """What a classifier says of the texts it did not learn from.

    Parameters
    ----------
    crm : Workspace
        With complaints: opened_at, text and the column of `label`.
    label : str
    features : {"words", "characters"}
    seed : int
        For the split.
    way : {"apart", "mixed", "copies"}
        What is held out: the customer and the wording of a text; as many texts, at random; or the
        customer alone, so that near-copies by others may be learnt from.

    Returns
    -------
    Held
        With the column found.

    Raises
    ------
    NotEnoughData
        If there are too few texts or labels.

    Notes
    -----
    Customers are dealt into three parts, wordings into six. For each of the 18 pairs the texts of
    that part of the customers and of the wordings are held out, and the classifier learns from
    those that share neither. Splitting at random is done in the same way with the texts themselves
    dealt into three parts and into six, so that as many are learnt from and the two differ only in
    what leaks.
    """
    checked(crm, label, features)
    base = labelled_texts(crm, label, seed)
    frame = base.frame
    counts = counted(crm, frame["plain"], features).counts
    names = np.sort(frame["recorded"].unique())
    truth = np.searchsorted(names, frame["recorded"].to_numpy(str))
    # Where all is written by one customer there is no other to learn from.
    alone = frame["customer"].eq(frame["customer"].iloc[0]).all()
    texts = pd.Series(frame.index)
    customers = texts if way == "mixed" or alone else frame["customer"]
    wordings = texts if way == "mixed" else frame["wording"]
    random = np.random.default_rng(seed)
    first = dealt(customers, truth, CUSTOMERS, random)
    second = dealt(wordings, truth, WORDINGS, random)
    if way == "copies":
        second = np.zeros_like(second)
    found = names[_predicted(counts, truth, first, second)]
    return Held(frame.assign(found=found), base.left_out)


@once
def counted(crm: Workspace, plain: pd.Series, features: str) -> Counted:
    """The words of texts of a workspace, counted once for all their labels."""
    counter = _vectoriser(features)
    return Counted(counter.fit_transform(plain), counter.get_feature_names_out())


def _vectoriser(features: str) -> Any:
    from sklearn.feature_extraction.text import CountVectorizer

    if features == "words":
        return CountVectorizer(analyzer=tokens)
    return CountVectorizer(analyzer="char", ngram_range=(1, 3))


def dealt(groups: Any, truth: Codes, parts: int, random: np.random.Generator) -> Codes:
    """A part, numbered from 0, for each text; whole groups, each label spread over the parts.

    The largest groups are dealt first, each to the part that has the fewest texts of the group's
    commonest label so far, and of these to the one with the fewest texts.
    """
    code = pd.factorize(np.asarray(groups))[0]
    size = np.bincount(code)
    by_label = np.zeros((len(size), truth.max() + 1), np.intp)
    np.add.at(by_label, (code, truth), 1)
    own = by_label.argmax(axis=1)
    # Shuffled first, so that equal groups fall to the parts by chance.
    order = random.permutation(len(size))
    order = order[np.argsort(-size[order], kind="stable")]
    have = np.zeros((truth.max() + 1, parts), np.intp)
    part = np.zeros(len(size), np.intp)
    for group in order:
        whole = have[own[group]] * (len(code) + 1) + have.sum(axis=0)
        part[group] = whole.argmin()
        have[:, part[group]] += by_label[group]
    return part[code]


def _predicted(counts: Any, truth: Codes, first: Codes, second: Codes) -> Codes:
    """For each text what is said by a classifier that saw neither its first part nor its second.

    Where second is the same for all, only the first is held out.
    """
    found = np.zeros(len(truth), np.intp)
    both = np.ptp(second) > 0
    for one in np.unique(first):
        for other in np.unique(second):
            test = (first == one) & (second == other)
            train = (first != one) & ((second != other) | (not both))
            if test.any():
                found[test] = learnt(counts[train], truth[train])(counts[test])
    return found


def learnt(counts: Any, truth: Codes) -> Callable[[Any], Codes]:
    """A function that gives the label of texts, learnt from these.

    Notes
    -----
    TF-IDF with (1 + log count), rows of length 1, and a linear support vector classifier, one label
    against the others, solved in the primal, which draws nothing at random.
    """
    known = np.unique(truth)
    if len(known) < 2:
        only = known[0] if len(known) else 0
        return lambda rows: np.full(rows.shape[0], only, np.intp)
    weights, model = fitted(counts, truth)

    def predicted(rows: Any) -> Codes:
        away = np.round(model.decision_function(weights.transform(rows)), DECIMALS)
        if len(known) == 2:
            return known[(away > 0).astype(np.intp)]
        return known[away.argmax(axis=1)]

    return predicted


def fitted(counts: Any, truth: Codes) -> tuple[Any, Any]:
    """The weights of the words and the linear classifier, as scikit-learn's objects."""
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.svm import LinearSVC

    weights = TfidfTransformer(sublinear_tf=True).fit(counts)
    model = LinearSVC(C=PENALTY, dual=False, random_state=0)
    return weights, model.fit(weights.transform(counts), truth)
