"""Cox's model, against published figures, statsmodels and its likelihood written out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.duration.hazard_regression import PHReg

from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.stats.cox import cox, kaplan_meier_clock, proportional
from tests.stats.lives import random_cases


@pytest.fixture(scope="module")
def rossi():
    """Rossi, Berk and Lenihan (1980): 432 released prisoners, weeks to the next arrest."""
    return pd.read_csv(Path(__file__).parent / "rossi.csv")


ROSSI = ["fin", "age", "race", "wexp", "mar", "paro", "prio"]


def test_cox_of_rossis_prisoners_is_the_published_one_and_efrons(rossi):
    # Allison (2010), Survival Analysis Using SAS; Fox (2002), R's coxph.
    found = cox(rossi[ROSSI], rossi["week"], rossi["arrest"])
    published = [-0.3794, -0.0574, 0.3139, -0.1498, -0.4337, -0.0849, 0.0915]
    errors = [0.1914, 0.0220, 0.3080, 0.2122, 0.3819, 0.1958, 0.0286]
    np.testing.assert_allclose(found.table["coefficient"], published, atol=5.1e-5)
    np.testing.assert_allclose(found.table["error"], errors, atol=5.1e-5)
    assert found.log_likelihood == pytest.approx(-658.748, abs=5e-4)  # Breslow's: -659.121
    assert 2 * (found.log_likelihood - found.null_log_likelihood) == pytest.approx(33.27, abs=5e-3)
    assert (found.cases, found.events) == (432, 114)
    np.testing.assert_allclose(found.table.loc["fin", ["low", "high"]], [0.4702, 0.9957], atol=5e-5)


def test_the_check_of_proportional_hazards_is_that_of_r(rossi):
    # Fox (2002), Cox Proportional-Hazards Regression for Survival Data, cox.zph(mod.allison.4).
    found = cox(rossi[["fin", "age", "prio"]], rossi["week"], rossi["arrest"])
    test = proportional(found, kaplan_meier_clock(rossi["week"], rossi["arrest"]))
    expected = [0.00507, 6.54147, 0.77288, 7.13046]
    np.testing.assert_allclose(test["statistic"], expected, atol=5e-6)
    np.testing.assert_allclose(test["chance"], [0.9433, 0.0105, 0.3793, 0.0679], atol=5e-5)


def test_columns_of_one_term_are_tested_together(rossi):
    found = cox(rossi[["fin", "age", "prio"]], rossi["week"], rossi["arrest"])
    clock = kaplan_meier_clock(rossi["week"], rossi["arrest"])
    test = proportional(found, clock, terms={"both": ["fin", "age"], "prio": ["prio"]})
    assert test["freedom"].tolist() == [2, 1, 3]
    whole = proportional(found, clock, terms={"everything": ["fin", "age", "prio"]})
    assert whole.loc["everything", "statistic"] == pytest.approx(whole.loc["all", "statistic"])


def test_schoenfeld_residuals_have_the_coefficients_as_their_mean(rossi):
    found = cox(rossi[ROSSI], rossi["week"], rossi["arrest"])
    np.testing.assert_allclose(found.residuals[ROSSI].mean(), found.table["coefficient"], atol=1e-8)
    assert found.residuals["time"].is_monotonic_increasing


def test_cox_with_late_entry_maximises_efrons_likelihood_written_out():
    time, event, entry, group = random_cases(10, 120)
    x = (group == 2).astype(float)

    def log_likelihood(beta):
        total = 0.0
        for u in np.unique(time[event]):
            risk = np.exp(beta * x[(entry < u) & (time >= u)]).sum()
            tied = x[(time == u) & event]
            for rank in range(len(tied)):
                total -= np.log(risk - rank / len(tied) * np.exp(beta * tied).sum())
            total += beta * tied.sum()
        return total

    found = cox(pd.DataFrame({"x": x}), time, event, entry=entry)
    best = found.table.loc["x", "coefficient"]
    assert found.log_likelihood == pytest.approx(log_likelihood(best))
    assert log_likelihood(best) > max(log_likelihood(best - 0.01), log_likelihood(best + 0.01))
    bend = log_likelihood(best - 0.01) - 2 * log_likelihood(best) + log_likelihood(best + 0.01)
    assert found.table.loc["x", "error"] == pytest.approx(0.01 / np.sqrt(-bend), rel=1e-4)


def test_cox_agrees_with_statsmodels_where_nobody_enters_at_an_event():
    time, event, entry, group = random_cases(11)
    entry = np.where(entry > 0, entry - 0.5, 0)
    x = np.column_stack([group == 1, group == 2]).astype(float)
    found = cox(pd.DataFrame(x, columns=["one", "two"]), time, event, entry=entry)
    fit = PHReg(time, x, status=event * 1.0, entry=entry, ties="efron").fit()
    np.testing.assert_allclose(found.table["coefficient"], fit.params, atol=1e-6)
    np.testing.assert_allclose(found.table["error"], fit.bse, atol=1e-6)


def test_a_ratio_that_changes_over_time_is_found():
    random = np.random.default_rng(12)
    x = np.repeat([0.0, 1.0], 600)
    # The rate of x = 1 is 3 until time 0.5 and 1/3 after it; otherwise 1.
    draw = random.exponential(1, 1200)
    time = np.where(x == 0, draw, np.where(draw < 1.5, draw / 3, 0.5 + 3 * (draw - 1.5)))
    found = cox(pd.DataFrame({"x": x}), np.minimum(time, 3), time < 3)
    assert proportional(found, found.residuals["time"]).loc["x", "chance"] < 1e-6


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ({"x": [1, 1, 1, 1]}, "alike in x"),
        ({"x": [1, 0, 1, 0], "y": [0, 1, 0, 1]}, "follow from the others"),
        ({"x": [0, 0, 1, 1]}, "cannot be told for x"),
    ],
)
def test_what_cox_cannot_tell_is_said(x, words):
    with pytest.raises(NotEnoughData, match=words):
        cox(pd.DataFrame(x), [1, 2, 3, 4], [1, 1, 0, 0])


def test_cox_needs_an_event_and_known_values():
    design = pd.DataFrame({"x": [1.0, 0.0]})
    with pytest.raises(NotEnoughData, match="needs an event"):
        cox(design, [1, 2], [0, 0])
    with pytest.raises(CrmlabError, match="no missing values"):
        cox(pd.DataFrame({"x": [1.0, np.nan]}), [1, 2], [1, 0])
