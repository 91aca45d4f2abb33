import numpy as np
import pytest

from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, MissingColumns, NotEnoughData
from crmlab.tiering import gini, layers, lorenz, top_shares


def test_gini_equals_the_mean_absolute_difference():
    values = np.random.default_rng(0).pareto(1.5, 300)
    difference = np.abs(values[:, None] - values[None, :]).sum()
    assert gini(values) == pytest.approx(difference / (2 * len(values) ** 2 * values.mean()))


def test_gini_is_zero_for_equals_and_corrected_one_for_a_single_owner():
    assert gini([5, 5, 5]) == pytest.approx(0)
    assert gini([0, 0, 9], corrected=True) == pytest.approx(1)


@pytest.mark.parametrize("values", [[-1, 2], [0, 0], [1, float("nan")]])
def test_gini_refuses_values_it_is_not_defined_for(values):
    with pytest.raises(CrmlabError, match="not negative"):
        gini(values)


def test_top_shares_allow_losses():
    assert top_shares([120, -20], [0.5])["share"].tolist() == pytest.approx([1.2])


def test_lorenz_counts_net_revenue_and_sets_aside_who_nets_to_nothing(crm):
    result = lorenz(crm, tops=(0.5,))

    assert result.values.to_dict() == {"A": 1000.0, "B": 300.0}
    assert result.table["statistic"].tolist() == ["gini", "top_share"]
    assert result.table["estimate"].tolist() == pytest.approx([0.5 - 300 / 1300, 1000 / 1300])
    excluded = {one.reason: one.count for one in result.definition.exclusions}
    assert excluded == {
        "no customer given (1 rows of the source)": 1,
        "revenue nets to zero or less": 2,
    }
    assert "3 orders of negative amount are cancellations" in result.definition.method


def test_lorenz_interval_holds_the_estimate_and_repeats(company):
    result, again = lorenz(company), lorenz(company)

    assert (result.table["low"] <= result.table["estimate"]).all()
    assert (result.table["estimate"] <= result.table["high"]).all()
    assert result.table.equals(again.table)
    assert not result.table.equals(lorenz(company, seed=1).table)


def test_lorenz_of_orders_counts_purchases(crm):
    assert lorenz(crm, value="orders", tops=(0.5,)).values.to_dict() == {"A": 2.0, "B": 1.0}


def test_lorenz_of_something_else_is_refused(crm):
    with pytest.raises(CrmlabError, match="revenue, orders, not profit"):
        lorenz(crm, value="profit")


def test_lorenz_of_one_customer_is_refused(orders):
    alone = from_frames({"orders": orders[orders["customer_id"] == "A"]}, Settings(name="One"))
    with pytest.raises(NotEnoughData, match="there are 1"):
        lorenz(alone)


def test_lorenz_without_amount_names_the_column(orders):
    bare = from_frames({"orders": orders.drop(columns="amount")}, Settings(name="Bare"))
    with pytest.raises(MissingColumns, match=r"tiering.lorenz needs orders.amount, which Bare"):
        lorenz(bare)


def test_layers_shares_add_up_and_match_the_customers_ranked_by_hand(company):
    result = layers(company)
    frame = company.orders.dropna(subset=["customer_id"])
    profit = (frame["amount"] - frame["cost"]).groupby(frame["customer_id"]).sum()
    ranked = profit.sort_values(ascending=False).to_numpy()

    assert result.table["share"].sum() == pytest.approx(1)
    assert result.table["customers"].sum() == len(ranked)
    top = round(0.05 * len(ranked), 6)
    whole = ranked[: int(top)].sum() + (top % 1) * ranked[int(top)]
    assert result.table["share"].iloc[0] == pytest.approx(whole / ranked.sum())
    assert result.losing == (ranked < 0).sum()


def test_layers_agree_only_where_the_interval_holds_the_share_taught(company):
    table = layers(company).table
    inside = (table["low"] <= table["taught"]) & (table["taught"] <= table["high"])
    assert table["agrees"].tolist() == inside.tolist()


def test_layers_of_few_customers_are_refused(crm):
    with pytest.raises(NotEnoughData, match="at least 20 customers"):
        layers(crm)
