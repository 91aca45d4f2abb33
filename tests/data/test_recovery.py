"""Every known effect is recovered, and its intervals cover as often as they say."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.miscmodels.ordinal_model import OrderedModel

sys.path.insert(0, str(Path(__file__).parents[2]))

from crmlab.data import simulate
from tests.data import recovery, soak

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recovered() -> pd.DataFrame:
    return recovery.recover(simulate.company())


def test_every_effect_has_an_estimator_or_is_structural(recovered: pd.DataFrame) -> None:
    declared = simulate.declared()
    estimated = {name for name, effect in declared.items() if not effect.structural}
    assert set(recovered.index) == estimated


def test_the_default_company_shows_every_effect_within_three_standard_errors(
    recovered: pd.DataFrame,
) -> None:
    far = recovered[recovered["z"].abs() > 3]
    assert far.empty, far.to_string()


def test_the_default_company_is_a_fair_draw(recovered: pd.DataFrame) -> None:
    covered = recovered["known"].between(recovered["low"], recovered["high"]).mean()
    assert covered > 0.85
    assert 0.7 < recovered["z"].std() < 1.3


def test_a_students_own_effects_are_recovered() -> None:
    found = recovery.recover(simulate.variant("20261234"), simulate.effects_of("20261234"))
    covered = found["known"].between(found["low"], found["high"])
    assert covered.mean() > 0.88
    assert found["z"].abs().max() < 4.5


def test_small_companies_cover_their_effects() -> None:
    results = [soak.one(seed, customers=400) for seed in (11, 12, 13)]
    covered = pd.concat(results)["covered"].mean()
    assert 0.90 < covered < 0.99


def test_the_committed_soak_covers_as_it_should() -> None:
    table = pd.read_csv(soak.TABLE, index_col="effect")
    estimated = {name for name, effect in simulate.declared().items() if not effect.structural}
    assert set(table.index) == estimated
    assert (table["seeds"] >= 300).all()
    outside = table[~table["coverage"].between(0.91, 0.98)]
    assert outside.empty, outside.to_string()


def test_naive_comparisons_mislead_where_they_should() -> None:
    """Compensation, channels, offers used or not, the call centre: the contrasts taught."""
    tables = simulate.company()
    k = tables["complaints"].dropna(subset=["satisfaction_after"])
    paid = k["compensation"] > 0
    assert k.loc[paid, "satisfaction_after"].mean() < k.loc[~paid, "satisfaction_after"].mean()
    c = tables["contacts"]
    ours = c[(c["direction"] == "outbound") & c["variant"].isna() & c["contacted_at"].notna()]
    replied = ours["responded_at"].notna().groupby(ours["channel"]).mean()
    assert replied["phone"] < replied["email"]
    checks = ours[ours["purpose"] == "delivery_check"]
    within = checks["responded_at"].notna().groupby(checks["channel"]).mean()
    assert within["phone"] > within["email"]
    s = tables["surveys"]
    mean = s.groupby("mode")["overall"].mean()
    drawn = s[(s["mode"] != "call_centre") & s["answered_at"].notna()]
    truth = np.average(drawn["overall"].astype(float), weights=drawn["weight"])
    assert mean["call_centre"] < truth - 0.2
    assert mean["sample"] > truth + 0.1


def test_the_ordered_logit_agrees_with_statsmodels() -> None:
    rng = np.random.default_rng(3)
    x = pd.DataFrame({"const": 1.0, "a": rng.normal(size=800), "b": rng.normal(size=800)})
    y = pd.Series(np.digitize(x["a"] - 0.5 * x["b"] + rng.logistic(size=800), [-1, 0.5, 2]))
    for probit, law in ((False, "logit"), (True, "probit")):
        ours = recovery.ordered(y, x, pd.Series(np.arange(800)), probit=probit)
        theirs = OrderedModel(y, x[["a", "b"]], distr=law).fit(method="bfgs", disp=False)
        assert ours("a").value == pytest.approx(theirs.params["a"], abs=1e-3)
        assert ours("b").value == pytest.approx(theirs.params["b"], abs=1e-3)
        assert ours("a").se == pytest.approx(theirs.bse["a"], rel=0.1)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("poisson", sm.families.Poisson()),
        ("logit", sm.families.Binomial()),
        ("linear", sm.families.Gaussian()),
    ],
)
def test_generalised_linear_models_agree_with_statsmodels(
    name: str, family: sm.families.Family
) -> None:
    rng = np.random.default_rng(4)
    x = pd.DataFrame({"const": 1.0, "a": rng.normal(size=600)})
    groups = pd.Series(np.repeat(np.arange(120), 5))
    y = (rng.random(600) < 1 / (1 + np.exp(-x["a"]))).astype(float)
    ours = recovery.fitted(name, y, x, groups)("a")
    model = sm.GLM(y.to_numpy(), x.to_numpy(), family=family)
    theirs = model.fit(cov_type="cluster", cov_kwds={"groups": groups.to_numpy()})
    assert ours.value == pytest.approx(theirs.params[1], abs=1e-6)
    assert ours.se == pytest.approx(theirs.bse[1], rel=0.05)  # CR3 against CR1
