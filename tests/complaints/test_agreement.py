import numpy as np
import pandas as pd
import pytest

from crmlab.complaints.agreement import agreement, label_agreement
from crmlab.complaints.label_noise import label_noise
from crmlab.data.simulate import texts as simulated
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData, UnknownName


def workspace(rows):
    usual = {"opened_at": "2025-03-01 09:00"}
    frame = pd.DataFrame(
        [{"complaint_id": str(at), "customer_id": f"C{at}"} | usual | row
         for at, row in enumerate(rows)]
    )  # fmt: skip
    return from_frames({"complaints": frame}, as_of="2025-03-31")


def test_kappa_takes_off_what_chance_would_bring():
    # 2 × 2: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no; p = 0.7, e = 0.5.
    first = ["y"] * 25 + ["n"] * 25
    second = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    found = agreement(first, second)
    assert (found.texts, found.agreed, found.by_chance) == (50, 0.7, 0.5)
    assert found.kappa == pytest.approx(0.4)
    assert found.low < 0.4 < found.high


def test_kappa_is_that_of_scikit_learn_and_its_interval_that_of_statsmodels():
    from sklearn.metrics import cohen_kappa_score
    from statsmodels.stats.inter_rater import cohens_kappa

    rng = np.random.default_rng(1)
    first = rng.choice(list("abc"), 200, p=[0.5, 0.3, 0.2])
    second = np.where(rng.random(200) < 0.7, first, rng.choice(list("abc"), 200))
    found = agreement(first, second)
    table = pd.crosstab(first, second).to_numpy()
    fitted = cohens_kappa(table)
    assert found.kappa == pytest.approx(cohen_kappa_score(first, second))
    assert found.low == pytest.approx(fitted.kappa_low)
    assert found.high == pytest.approx(fitted.kappa_upp)
    # Texts that are each a customer of their own: the jackknife comes close.
    alone = agreement(first, second, clusters=np.arange(200))
    assert alone.high - alone.low == pytest.approx(found.high - found.low, rel=0.05)
    # Each text ten times by the same customer: no more is known, and the interval says so.
    many = agreement(np.repeat(first, 10), np.repeat(second, 10),
                     clusters=np.repeat(np.arange(200), 10))  # fmt: skip
    assert many.high - many.low == pytest.approx(alone.high - alone.low, rel=0.02)


def test_what_is_missing_on_either_side_does_not_count():
    found = agreement(["a", None, "b", "a"], ["a", "b", "b", np.nan])
    assert (found.texts, found.agreed, found.kappa) == (2, 1.0, 1.0)


def test_one_label_leaves_nothing_beyond_chance():
    found = agreement(["a", "a"], ["a", "a"])
    assert found.agreed == 1
    assert np.isnan(found.kappa)
    assert agreement([], []).texts == 0
    assert np.isnan(agreement(["a"], [None]).kappa)
    one = agreement(["a", "b"], ["a", "b"], clusters=["C", "C"])
    assert (one.kappa, np.isnan(one.low)) == (1.0, True)
    with pytest.raises(CrmlabError, match="2 and 1 labels"):
        agreement(["a", "b"], ["a"])


def test_opposite_codings_have_a_kappa_below_zero():
    found = agreement(["a", "b"] * 10, ["b", "a"] * 10)
    assert found.kappa == pytest.approx(-1)
    assert found.low == -1


def test_record_and_rules_are_compared_on_the_texts_that_both_code():
    rows = [
        {"text": "破损", "cause": "damage"},
        {"text": "晚到", "cause": "late_delivery"},
        {"text": "晚到", "cause": "damage"},
        {"text": "没有人理我", "cause": "damage"},
        {"text": "破损"},
    ]
    result = label_agreement(workspace(rows))
    assert result.overall.texts == 3
    assert result.overall.agreed == pytest.approx(2 / 3)
    # Agreed 2/3; by chance 2/3·1/3 + 1/3·2/3 = 4/9; (6/9 − 4/9)/(5/9).
    assert result.overall.kappa == pytest.approx(0.4)
    assert result.table.set_index("label")["share"].to_dict() == pytest.approx(
        {"damage": 2 / 3, "late_delivery": 2 / 3}
    )
    assert result.definition.exclusions[0].count == 2
    assert "κ = 0.400" in result.reading()


def test_two_columns_can_be_compared():
    rows = [{"text": "x", "cause": one, "remedy": other} for one, other in ("aa", "ab", "bb", "bb")]
    result = label_agreement(workspace(rows), second="remedy")
    assert result.overall.agreed == 0.75
    assert result.overall.kappa == pytest.approx(0.5)
    with pytest.raises(UnknownName, match=r"complaints\.owner is not there"):
        label_agreement(workspace(rows), second="owner")
    with pytest.raises(NotEnoughData, match="No text has a label from both"):
        label_agreement(workspace(rows), first="cause", second="rules")


def test_codings_with_other_labels_cannot_be_compared():
    rows = [{"text": "破损", "cause": "货损"}, {"text": "晚到", "cause": "迟到"}]
    with pytest.raises(NotEnoughData, match="no label in common"):
        label_agreement(workspace(rows))
    assert agreement(["a", "b"], ["c", "d"]).kappa == 0


def test_codings_that_know_one_label_are_said_to():
    rows = [{"text": "破损", "cause": "damage"}] * 3
    result = label_agreement(workspace(rows))
    assert "κ is not defined" in result.reading()
    assert "but one label" in result.title()


def made(size, noise, seed=4):
    rng = np.random.default_rng(seed)
    names = list(simulated.MARKERS)
    cause = rng.integers(0, len(names), size)
    written = simulated.complaint_texts(rng, cause, rng.random(size) < 0.1, noise)
    return workspace(
        [{"text": text, "cause": names[code]} for text, code in zip(written, cause, strict=True)]
    )


@pytest.mark.parametrize("noise", [0.0, 0.06, 0.25])
def test_the_share_of_wrong_labels_is_found_again(noise):
    result = label_noise(made(2500, noise))
    assert result.noise.value == pytest.approx(noise, abs=0.025)
    assert result.noise.low - 0.005 <= noise <= result.noise.high
    assert len(result.doubtful) == result.table["contradicted"].sum()


def test_labels_that_nothing_speaks_against_are_said_to_be_so():
    rows = [
        {"text": f"{word} {body}", "cause": cause}
        for word, cause in (("late", "late_delivery"), ("rude", "attitude"))
        for body in (
            "one gate",
            "two roads",
            "three ships",
            "four trains",
            "old carts",
            "new bikes",
        )
        for _copy in range(6)
    ]
    result = label_noise(workspace(rows))
    assert result.noise.value == 0
    assert result.doubtful.empty
    assert "Nothing speaks against" in result.reading()


def test_the_known_noise_of_the_company_is_found(company):
    result = label_noise(company)
    assert result.noise.low < 0.06 < result.noise.high
    assert result.noise.value == pytest.approx(0.06, abs=0.012)
    # What is listed is wrong indeed: the text names another cause by a word of the simulation.
    texts = company.complaints.set_index("complaint_id")["text"]
    named = result.doubtful["complaint_id"].map(texts).map(simulated.cause_named)
    assert (named[named != ""] != result.doubtful["recorded"][named != ""]).mean() > 0.97


def test_record_and_rules_of_the_company_agree_well(company):
    result = label_agreement(company)
    assert 0.88 < result.overall.low < result.overall.high < 0.95
    assert result.table["judged"].all()
    assert result.plot().get_figure() is not None


def test_kappa_that_rests_on_one_customer_has_no_interval():
    first, second = ["n"] * 20 + ["p"] * 4, ["n"] * 19 + ["p"] + ["p"] * 4
    customers = [f"C{n}" for n in range(20)] + ["Z"] * 4
    customers[19] = "Z"
    found = agreement(first, second, clusters=customers)
    assert 0.8 < found.kappa < 1
    assert np.isnan([found.low, found.high]).all()
    assert np.isfinite(agreement(first, second, clusters=range(24)).low)


def test_texts_without_a_customer_stand_alone_in_the_interval_of_kappa():
    first, second = ["n", "p", "n", "u", "p", "u"] * 3, ["n", "p", "n", "u", "n", "p"] * 3
    alone = agreement(first, second, clusters=range(18))
    nobody = agreement(first, second, clusters=[None] * 18)
    assert (nobody.low, nobody.high) == (alone.low, alone.high)


def test_the_rules_are_no_first_coding():
    crm = workspace([{"text": "破损", "cause": "damage"}])
    with pytest.raises(UnknownName, match=r"complaints\.rules is not there"):
        label_agreement(crm, first="rules", second="rules")
