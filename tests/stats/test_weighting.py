"""Weights that meet the totals of the population, and what is said when they cannot."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.stats.weighting import design_effect, effective_size, post_stratify, rake

# Marital status by age, Bishop, Fienberg and Holland (1975), as in SAS/IML example 9.14.
LAST_YEAR = [
    [1306, 83, 0],
    [619, 765, 3],
    [263, 1194, 9],
    [173, 1372, 28],
    [171, 1393, 51],
    [159, 1372, 81],
    [208, 1350, 108],
    [1116, 4100, 2329],
]
AGES = [1412, 1402, 1450, 1541, 1681, 1532, 1662, 7644]
STATUS = [3988, 11702, 2634]


def cells(table):
    """A row per cell of a table: its row, its column, and its count."""
    rows = [(r, c, count) for r, row in enumerate(table) for c, count in enumerate(row)]
    return pd.DataFrame(rows, columns=["row", "column", "count"])


def margins(rows, columns):
    return {"row": dict(enumerate(rows)), "column": dict(enumerate(columns))}


def test_raked_cells_are_those_of_a_log_linear_model_with_the_same_margins():
    frame = cells(LAST_YEAR)
    raked = rake(frame, margins(AGES, STATUS), frame["count"], tolerance=1e-10)
    some = frame[frame["count"] > 0]
    independent = np.outer(AGES, STATUS).ravel()[some.index] / sum(AGES)
    target = rake(some, margins(AGES, STATUS), independent, tolerance=1e-12).weights
    design = pd.get_dummies(some[["row", "column"]].astype(str), dtype=float)
    design = sm.add_constant(design.drop(columns=["row_0", "column_0"]))
    model = sm.GLM(target, design, sm.families.Poisson(), offset=np.log(some["count"]))
    fitted = model.fit(tol=1e-12)
    np.testing.assert_allclose(raked.weights[some.index], fitted.fittedvalues, rtol=1e-5)
    assert raked.weights[2] == 0


def test_raking_keeps_the_odds_ratio_of_those_who_answered():
    frame = cells([[7, 9], [12, 7]])
    raked = rake(frame, margins([5, 15], [10, 10]), frame["count"], tolerance=1e-12)
    a, b, c, d = raked.weights
    assert a * d / (b * c) == pytest.approx(7 * 7 / (9 * 12))
    assert (a + b, a + c) == (pytest.approx(5), pytest.approx(10))


def test_a_single_margin_is_post_stratification():
    frame = pd.DataFrame({"tier": list("aaab")})
    totals = {"a": 30, "b": 70}
    alone = post_stratify(frame, "tier", totals, base=[1, 2, 3, 4])
    np.testing.assert_allclose(alone, [5, 10, 15, 70])
    np.testing.assert_allclose(rake(frame, {"tier": totals}, [1, 2, 3, 4]).weights, alone)


def test_a_category_without_an_answer_is_refused_by_name():
    frame = pd.DataFrame({"tier": ["key", "key"]})
    with pytest.raises(NotEnoughData, match="Nobody of tier general answered"):
        rake(frame, {"tier": {"key": 1, "general": 9}})


def test_an_answer_without_a_total_or_without_a_category_is_refused():
    frame = pd.DataFrame({"tier": ["key", "new", "new"]})
    with pytest.raises(CrmlabError, match="2 answers are of tier new, of which the population"):
        post_stratify(frame, "tier", {"key": 1})
    frame = pd.DataFrame({"tier": ["key", None]})
    with pytest.raises(CrmlabError, match="1 answer has no tier"):
        post_stratify(frame, "tier", {"key": 1})


def test_margins_that_count_different_numbers_are_refused():
    frame = pd.DataFrame({"tier": list("ab"), "region": list("NS")})
    with pytest.raises(CrmlabError, match=r"different totals, from 90\.0 to 100\.0"):
        rake(frame, {"tier": {"a": 50, "b": 50}, "region": {"N": 40, "S": 50}})


def test_weights_to_begin_with_must_be_numbers_from_nought_on():
    with pytest.raises(CrmlabError, match="1 of 2 are not"):
        post_stratify(pd.DataFrame({"t": ["a", "a"]}), "t", {"a": 1}, base=[1, np.nan])


def test_totals_that_contradict_the_empty_combinations_do_not_converge_and_it_is_said():
    frame = pd.DataFrame({"tier": list("ab"), "region": list("NS")})
    raked = rake(frame, {"tier": {"a": 60, "b": 40}, "region": {"N": 40, "S": 60}})
    assert not raked.converged
    assert raked.largest_gap == pytest.approx(0.2)
    assert "Some combinations of categories have nobody who answered" in raked.sentence()


def test_trimmed_weights_stay_below_the_limit_and_meet_the_totals():
    frame = pd.DataFrame({"tier": ["a"] * 4 + ["b"] * 16})
    base = [10, 1, 1, 1] + [1] * 16
    raked = rake(frame, {"tier": {"a": 10, "b": 10}}, base, trim=3)
    assert raked.converged
    assert raked.trimmed == 1
    assert raked.weights.max() == pytest.approx(3 * raked.weights.mean())
    assert raked.weights[:4].sum() == pytest.approx(10)
    assert raked.weights[1:4].tolist() == pytest.approx([7 / 3] * 3, rel=1e-4)


def test_a_limit_that_cannot_be_kept_is_said():
    frame = pd.DataFrame({"tier": ["a"] + ["b"] * 9})
    raked = rake(frame, {"tier": {"a": 50, "b": 50}}, trim=2)
    assert not raked.converged
    assert "The limit on the largest weight is too tight" in raked.sentence()
    with pytest.raises(CrmlabError, match="trim is above 1"):
        rake(frame, {"tier": {"a": 50, "b": 50}}, trim=0.5)


def test_equal_weights_cost_nothing_and_a_weight_of_nought_does_not_count():
    assert design_effect([2, 2, 2]) == pytest.approx(1)
    assert effective_size([2, 2, 2, 0]) == pytest.approx(3)
    assert np.isnan(design_effect([]))
    assert effective_size([]) == 0
