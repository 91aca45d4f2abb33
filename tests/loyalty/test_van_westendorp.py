import numpy as np
import pandas as pd
import pytest

import crmlab
from crmlab.data.model import Item, Settings
from crmlab.data.simulate import effects_of
from crmlab.data.sources import from_frames
from crmlab.errors import NotEnoughData
from crmlab.language import set_language
from crmlab.loyalty.van_westendorp import QUESTIONS, van_westendorp

FIVE = [(10, 14, 20, 26), (11, 15, 21, 27), (12, 16, 22, 28), (13, 17, 23, 29), (20, 24, 27, 32)]


def workspace(prices, items=(), **columns):
    rows = [
        (f"Q{place}", item, "price", value)
        for place, each in enumerate(prices)
        for item, value in zip(QUESTIONS, each, strict=True)
        if value is not None
    ]
    answers = pd.DataFrame(rows, columns=["response_id", "item", "aspect", "value"])
    surveys = pd.DataFrame({"response_id": [f"Q{place}" for place in range(len(prices))]})
    return from_frames(
        {"answers": answers, "surveys": surveys.assign(**columns)}, settings=Settings(items=items)
    )


def points(result):
    return result.table.set_index("price_point")["price"].to_dict()


def test_the_points_are_medians_of_two_columns_put_together():
    found = points(van_westendorp(workspace(FIVE)))
    assert found == {
        "optimal": (20 + 26) / 2,  # 10 11 12 13 20 | 26 27 28 29 32: the curves coincide at none
        "indifference": (20 + 21) / 2,  # 14 15 16 17 20 | 21 22 23 24 27
        "marginal_cheapness": 20,  # 10 11 12 13 20 | 20 21 22 23 27
        "marginal_expensiveness": (24 + 26) / 2,  # 14 15 16 17 24 | 26 27 28 29 32
        "lower_as_first_defined": (14 + 15) / 2,  # 10 11 12 13 14 | 15 16 17 20 24
        "upper_as_first_defined": (26 + 27) / 2,  # 20 21 22 23 26 | 27 27 28 29 32
    }


def test_by_hand_with_one_median(company):
    surveys = company.surveys[company.surveys["mode"] != "call_centre"]
    prices = (
        company.answers.query("aspect == 'price'")
        .pivot_table("value", "response_id", "item")
        .join(surveys.set_index("response_id")["weight"], how="inner")
    )
    both = pd.concat([prices["too_cheap"], prices["too_expensive"]]).sort_values()
    weight = prices["weight"].reindex(both.index.unique())
    half = both.index.map(weight).to_numpy().cumsum() / weight.sum() / 2
    by_hand = both.iloc[int(np.argmax(half >= 0.5))]
    assert points(van_westendorp(company))["optimal"] == by_hand


@pytest.mark.parametrize("student", ["", "20261234", "20265678"])
def test_the_companys_optimal_price_is_found(company, student):
    crm = crmlab.load(student=student) if student else company
    truth = effects_of(student)["price_point"] if student else 18
    row = van_westendorp(crm).table.set_index("price_point").loc["optimal"]
    assert row["low"] < truth < row["high"]
    assert row["share"] < 0.1


def test_prices_out_of_order_are_left_out_and_their_weight_is_told():
    result = van_westendorp(workspace([*FIVE, (30, 20, 60, 70), (50, 60, 40, 70)]))
    assert result.inconsistent == 2
    assert len(result.answers) == 5
    row = result.table.set_index("price_point").loc["optimal"]
    assert row["price"] == 23
    assert row["with_all"] == (27 + 28) / 2
    assert "2 whose prices are out of order" in result.reading()
    [left_out] = result.definition.exclusions
    assert left_out.count == 2


def test_equal_prices_are_in_order():
    assert van_westendorp(workspace([(10, 10, 10, 10)] * 3)).inconsistent == 0


def test_few_customers_have_points_without_intervals():
    result = van_westendorp(workspace(FIVE[:3]))
    assert result.table[["low", "high"]].isna().all(axis=None)
    assert "So few customers give no interval" in result.reading()
    result.plot()
    many = van_westendorp(workspace(FIVE * 4))
    assert many.table[["low", "high"]].notna().all(axis=None)


def test_weights_count_and_so_do_ways_of_asking():
    light = workspace(FIVE, weight=[1.0, 1.0, 1.0, 1.0, 100.0])
    assert points(van_westendorp(light))["indifference"] == 24
    some = workspace(
        [*FIVE, (1, 2, 3, None), (-1, 2, 3, 4)],
        weight=[1.0, 1.0, 1.0, None, 1.0, 1.0, 1.0],
        mode=["sample"] * 4 + ["call_centre", "sample", "sample"],
        customer_id=["A", "B", "C", "D", "E", "F", "G"],
    )
    result = van_westendorp(some)
    assert len(result.answers) == 3
    assert [each.count for each in result.definition.exclusions] == [1, 1, 1, 1]


def test_a_customers_questionnaires_are_drawn_together():
    apart = van_westendorp(workspace([*FIVE, *FIVE] * 4, customer_id=list(range(40))))
    together = van_westendorp(
        workspace([*FIVE, *FIVE] * 4, customer_id=[n % 5 + 5 * (n // 20) for n in range(40)])
    )
    ours, theirs = (
        each.table.set_index("price_point").loc["marginal_cheapness"] for each in (apart, together)
    )
    assert theirs["high"] - theirs["low"] >= ours["high"] - ours["low"]
    assert together.answers["customer"].nunique() == 10


def test_the_unit_is_that_of_the_questions():
    items = tuple(
        Item(name, "price", label=f"{name} (EUR per pallet)", label_zh=f"{name}（欧元/托）")
        for name in QUESTIONS
    )
    result = van_westendorp(workspace(FIVE, items=items))
    assert "EUR per pallet" in result.reading()
    set_language("zh_CN")
    assert "欧元/托" in result.reading()
    set_language("en")
    assert van_westendorp(workspace(FIVE)).unit() == "CNY"


def test_what_is_missing_is_named():
    crm = workspace(FIVE)
    none = from_frames({"answers": crm.answers.assign(aspect="importance"), "surveys": crm.surveys})
    with pytest.raises(NotEnoughData, match="Nobody was asked for prices"):
        van_westendorp(none)
    with pytest.raises(NotEnoughData, match="1 name them out of order"):
        van_westendorp(workspace([(30, 20, 10, 5)]))


def test_prices_without_a_row_of_the_surveys_are_counted():
    crm = workspace(FIVE)
    some = from_frames({"answers": crm.answers, "surveys": crm.surveys.iloc[:3]})
    result = van_westendorp(some)
    assert len(result.answers) == 3
    assert [(one.count, one.reason) for one in result.others] == [(2, "not among the surveys")]
    assert "2 questionnaires (not among the surveys)" in result.reading()


def test_where_no_prices_count_the_message_says_why():
    crm = workspace(FIVE, mode="call_centre")
    with pytest.raises(NotEnoughData, match=r"counts\. Left out: 5 questionnaires \(asked when"):
        van_westendorp(crm)
