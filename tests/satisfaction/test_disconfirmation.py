"""Satisfaction of customers below, at and above what they expected."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from crmlab.data import model
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData
from crmlab.satisfaction.disconfirmation import disconfirmation

ITEMS = (model.Item("rel1", "reliability", "On time", "准时", 1, 7),)


def workspace(expected, perceived, overall, **columns):
    ids = [f"Q{row:03d}" for row in range(len(expected))]
    surveys = pd.DataFrame({"response_id": ids, "overall": overall} | columns)
    answers = pd.concat(
        pd.DataFrame({"response_id": ids, "item": "rel1", "aspect": aspect, "value": values})
        for aspect, values in (("expectation", expected), ("perception", perceived))
    )
    frames = {"surveys": surveys, "answers": answers}
    return from_frames(frames, settings=model.Settings(items=ITEMS))


def made(of_expectation, of_perception, seed=2, size=300):
    """Satisfaction that follows expectation and perception by so much a point."""
    random = np.random.default_rng(seed)
    expected, perceived = random.integers(3, 6, (2, size)).astype(float)
    overall = 3 + of_expectation * (expected - 4) + of_perception * (perceived - 4)
    return workspace(expected, perceived, np.round(overall + random.normal(0, 0.4, size)))


def test_groups_are_cut_at_so_many_points_and_the_edge_counts_as_met():
    expected = [5.0] * 12 + [4.0] * 2
    perceived = [4.0] * 4 + [4.5] * 4 + [5.5] * 2 + [6.0] * 4
    overall = [1, 2] * 2 + [3] * 6 + [5] * 4
    crm = workspace(expected, perceived, overall)
    table = disconfirmation(crm).table
    assert table["disconfirmation"].tolist() == ["below", "met", "above"]
    assert table["questionnaires"].tolist() == [4, 6, 4]
    assert table["satisfaction"].tolist() == pytest.approx([1.5, 3, 5])
    assert table["share"].tolist() == pytest.approx([4 / 14, 6 / 14, 4 / 14])
    assert disconfirmation(crm, met=0).table["questionnaires"].tolist() == [8, 6]


def test_where_only_the_difference_counts_nothing_speaks_against_it():
    result = disconfirmation(made(-0.5, 0.5))
    assert result.tests["apart"].tolist() == [True, False, False]
    assert "does not speak against that" in result.reading()
    assert "is the more satisfied" in result.reading()


def test_where_perception_alone_counts_the_difference_is_refused():
    result = disconfirmation(made(0.0, 0.5))
    assert result.tests.loc["difference", "apart"]
    assert "throws away what perception says" in result.reading()


def test_where_expectation_alone_counts_that_is_said():
    said = disconfirmation(made(-0.5, 0.0)).reading()
    assert "throws away what expectation says" in said


def test_satisfaction_that_follows_nothing_is_not_told():
    said = disconfirmation(made(0.0, 0.0)).reading()
    assert "Whether satisfaction goes with the difference" in said
    assert said.count("those whose expectations were met cannot be told") == 2


def test_a_curved_surface_is_found():
    random = np.random.default_rng(4)
    expected, perceived = random.integers(1, 8, (2, 300)).astype(float)
    overall = np.where(np.abs(perceived - expected) < 2, 5, random.integers(1, 4, 300))
    result = disconfirmation(workspace(expected, perceived, overall))
    assert result.tests.loc["curved", "apart"]
    assert "not the same everywhere" in result.reading()


def test_coefficients_are_those_of_a_clustered_regression():
    random = np.random.default_rng(6)
    frame = pd.DataFrame(random.integers(1, 6, (90, 3)), columns=["e", "p", "s"]).astype(float)
    who, weight = np.arange(90) // 2, random.integers(1, 4, 90).astype(float)
    names = [f"C{number}" for number in who]
    crm = workspace(frame["e"], frame["p"], frame["s"], customer_id=names, weight=weight)
    fit = smf.wls("s ~ e + p", frame, weights=weight).fit(
        cov_type="cluster", cov_kwds={"groups": who}, use_t=True
    )
    found = disconfirmation(crm).coefficients.set_index("term")
    expected = [fit.params["p"], *fit.conf_int().loc["p"]]
    assert found.loc["perception", ["value", "low", "high"]].tolist() == pytest.approx(expected)
    test = fit.t_test("e + p = 0")
    assert found.loc["sum", "value"] == pytest.approx(float(test.effect[0]))
    assert found.loc["sum", ["low", "high"]].tolist() == pytest.approx(test.conf_int()[0].tolist())


def test_a_group_of_few_customers_is_shown_and_not_judged():
    expected = [5.0, 6.0] * 20
    perceived = [4.0, 5.0] * 18 + [5.0, 6.0] + [7.0, 7.0]
    result = disconfirmation(workspace(expected, perceived, [3, 4] * 20))
    assert result.table["questionnaires"].tolist() == [36, 2, 2]
    assert result.differences.empty
    assert "there are only 2 customers" in result.reading()


def test_a_group_that_nobody_falls_into_is_named():
    perceived = [4.0, 6.0, 5.0] * 6
    result = disconfirmation(workspace([5.0, 7.0, 7.0] * 6, perceived, [3, 4, 5] * 6))
    assert "No questionnaire falls into the group “above expectations”." in result.reading()


def test_questionnaires_without_overall_satisfaction_are_counted():
    expected, perceived = [5.0, 6, 7] * 6, [4.0, 6, 5] * 6
    crm = workspace(expected, perceived, [3, 4, None] + [3, 4, 5] * 5)
    result = disconfirmation(crm)
    assert result.table["questionnaires"].sum() == 17
    assert "Left out besides: 1 questionnaire (no overall" in result.reading()


def test_what_cannot_be_done_is_said():
    with pytest.raises(NotEnoughData, match="all alike"):
        disconfirmation(workspace([5] * 12, [4] * 12, [3, 4] * 6))
    with pytest.raises(NotEnoughData, match="gave the same overall satisfaction"):
        disconfirmation(workspace([5, 6, 7] * 6, [4, 6, 5] * 6, [4] * 18))
    with pytest.raises(NotEnoughData, match=r"from 10 customers at least; there are 3\."):
        disconfirmation(workspace([5, 6] * 6, [4, 6] * 6, [3, 4, 5] + [None] * 9))
    with pytest.raises(CrmlabError, match="0 or more; it is -1"):
        disconfirmation(made(0, 0.5), met=-1)
    crm = workspace([5] * 12, [4] * 12, [3] * 12)
    frames = {"surveys": crm.surveys[["response_id"]], "answers": crm.answers}
    with pytest.raises(MissingColumns, match=r"surveys\.overall"):
        disconfirmation(from_frames(frames))


def test_in_the_company_perceptions_carry_satisfaction_and_expectations_do_not(company):
    result = disconfirmation(company)
    terms = result.coefficients.set_index("term")
    assert terms.loc["perception", "low"] > 0
    assert terms.loc["expectation_alone", "low"] < 0 < terms.loc["expectation_alone", "high"]
    assert result.tests.loc["difference", "apart"]
    axes = result.plot()
    assert len(axes.get_yticklabels()) == len(result.table)


def test_a_single_customer_is_drawn_hollow_and_left_out_of_the_words():
    expected, perceived = [5.0, 6.0] * 10 + [5.0], [4.0, 5.0] * 10 + [7.0]
    result = disconfirmation(workspace(expected, perceived, [3, 4] * 10 + [5]))
    assert result.title() == "Overall satisfaction: below expectations 3.50"
    assert "NaN" not in result.reading() + result.alt()
    assert "hollow: too few" in result.plot().get_xlabel()


def test_no_group_of_enough_customers_is_said():
    expected, perceived = [5.0, 5.0, 4.0] * 4, [4.0, 5.0, 6.0] * 4
    result = disconfirmation(workspace(expected, perceived, [3, 4, 5] * 4))
    assert result.title() == "No group has enough customers to speak of its satisfaction"
    assert "Overall satisfaction:" not in result.reading()
    assert result.alt().endswith("No group has enough customers to speak of its satisfaction.")
