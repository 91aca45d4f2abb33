import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score

from crmlab.data.model import Settings
from crmlab.data.sources import from_frames
from crmlab.errors import CrmlabError, NotEnoughData
from crmlab.tiering import clusters
from crmlab.tiering.clusters import adjusted_rand, silhouette

AS_OF = "2025-12-31"


def orders_of(days, amounts, times):
    """Each customer's purchases: the last so many days ago, the others on earlier days."""
    rows = [
        (f"{i}-{n}", f"C{i:03d}", pd.Timestamp(AS_OF) - pd.Timedelta(days=int(day) + n), amount)
        for i, (day, amount, often) in enumerate(zip(days, amounts, times, strict=True))
        for n in range(int(often))
    ]
    return pd.DataFrame(rows, columns=["order_id", "customer_id", "ordered_at", "amount"])


def workspace(frame, **tables):
    return from_frames({"orders": frame, **tables}, Settings(name="Test"), as_of=AS_OF)


def three_kinds(each=25):
    """Three kinds of customers, far apart in every criterion."""
    random = np.random.default_rng(1)
    days = [*random.integers(1, 8, each), *random.integers(60, 70, each), *[300] * each]
    amounts = np.concatenate([random.normal(centre, 3, each) for centre in (900, 90, 20)])
    times = [*random.integers(18, 22, each), *random.integers(5, 7, each), *[1] * each]
    return orders_of(days, amounts, times)


def one_cloud(size=120):
    """Customers spread evenly around one middle, without kinds."""
    random = np.random.default_rng(3)
    days = np.clip(random.normal(180, 40, size), 1, 360)
    amounts = np.clip(random.normal(500, 60, size), 10, None)
    return orders_of(days, amounts, np.clip(random.normal(12, 3, size), 1, None))


@pytest.fixture(scope="module")
def found():
    return clusters(workspace(three_kinds()), seeds=5, resamples=10)


@pytest.fixture(scope="module")
def cloudy():
    return clusters(workspace(one_cloud()), seeds=5, resamples=10)


def test_silhouette_of_three_groups_of_irises_is_the_known_one():
    """Fisher's irises, k = 3: 0.5528, as in scikit-learn's documentation and elsewhere."""
    irises = load_iris().data
    groups = KMeans(3, n_init=10, random_state=0).fit(irises).labels_
    assert silhouette(irises, groups) == pytest.approx(0.5528, abs=5e-5)


@pytest.mark.parametrize("seed", range(5))
def test_adjusted_rand_index_equals_that_of_scikit_learn(seed):
    random = np.random.default_rng(seed)
    one, other = random.integers(0, 4, 60), random.integers(0, 3, 60)
    assert adjusted_rand(one, other) == pytest.approx(adjusted_rand_score(one, other))


def test_adjusted_rand_index_of_one_group_with_itself_is_1():
    assert adjusted_rand([1, 1, 1], ["a", "a", "a"]) == 1.0


def test_kinds_that_are_far_apart_are_found(found):
    assert found.k == 3
    assert found.table["customers"].tolist() == [25, 25, 25]
    assert found.members.groupby(found.members.index.str[1:].astype(int) // 25).nunique().max() == 1
    assert found.silhouette > 0.7
    assert found.chance == pytest.approx(1 / 20)
    assert (found.table["jaccard"] > 0.95).all()
    assert found.seeds_agree == pytest.approx(1.0)
    assert "a strong structure" in found.reading()
    assert "every cluster comes back" in found.reading()
    assert "3 clusters, better separated" in found.title()


def test_a_cloud_without_kinds_is_said_to_be_one(cloudy):
    assert cloudy.chance > 0.05
    assert "no better separated than a cloud without groups" in cloudy.title()
    assert "cut up one cloud" in cloudy.reading()
    assert "strong structure" not in cloudy.reading()


def test_clusters_that_do_not_come_back_are_named(cloudy):
    assert cloudy.by_k["silhouette"].max() == pytest.approx(cloudy.silhouette)
    shaky = clusters(workspace(one_cloud()), k=8, seeds=3, resamples=10)
    assert (shaky.table["jaccard"] < 0.75).any()
    assert "do not reliably come back" in shaky.reading()
    assert not shaky.chosen
    assert "The number of clusters was given." in shaky.definition.method


def test_rows_add_up_and_are_numbered_by_revenue(found):
    table = found.table
    assert table["cluster"].tolist() == [1, 2, 3]
    assert table["share"].sum() == pytest.approx(1)
    assert table["revenue_share"].sum() == pytest.approx(1)
    assert table["revenue_share"].is_monotonic_decreasing
    assert (table["revenue_low"] <= table["revenue_share"]).all()
    assert (table["revenue_share"] <= table["revenue_high"]).all()
    assert found.crosstab.to_numpy().sum() == 75


def test_medians_are_in_the_units_of_the_customer(found):
    last = found.table.iloc[-1]
    assert (last["recency"], last["frequency"]) == (300, 1)
    assert last["monetary"] == pytest.approx(20, abs=2)


def test_names_follow_from_the_medians(found):
    names = found.names()
    assert names["1"] == "1: bought lately, often, much"
    assert names["3"] == "3: bought long ago, seldom, little"
    assert names["2"] == "2: in the middle"


def test_the_same_seed_gives_the_same_clusters(found):
    again = clusters(workspace(three_kinds()), seeds=5, resamples=10)
    pd.testing.assert_frame_equal(again.table, found.table)
    pd.testing.assert_frame_equal(again.by_k, found.by_k)


def test_clusters_that_are_the_tiers_agree_with_them(found):
    tiers = [("key", "potential", "general")[i // 25] for i in range(75)]
    listed = pd.DataFrame({"customer_id": [f"C{i:03d}" for i in range(75)], "tier": tiers})
    crm = workspace(three_kinds(), customers=listed)
    same = clusters(crm, k=3, seeds=3, resamples=5)
    assert same.agreement.tolist() == [1.0, 1.0, 1.0]
    assert "they sort customers almost alike" in same.reading()
    assert "Of the customers of the tier Key, 100.0% are in cluster 1." in same.reading()


def test_tiers_that_have_nothing_to_do_with_clusters_cannot_be_told_from_chance():
    tiers = [("key", "general")[i % 2] for i in range(75)]
    listed = pd.DataFrame({"customer_id": [f"C{i:03d}" for i in range(75)], "tier": tiers})
    result = clusters(workspace(three_kinds(), customers=listed), k=3, seeds=3, resamples=5)
    assert "not to be told from chance" in result.reading()


def test_customers_whose_revenue_nets_to_nothing_are_left_out_and_counted():
    more = pd.DataFrame(
        {
            "order_id": ["x1", "x2"],
            "customer_id": "X",
            "ordered_at": pd.to_datetime(["2025-01-01", "2025-01-02"]),
            "amount": [50.0, -50.0],
        }
    )
    crm = workspace(pd.concat([three_kinds(), more]))
    result = clusters(crm, k=3, seeds=3, resamples=5)
    assert result.table["customers"].sum() == 75
    assert "1 customer (revenue nets to zero or less)" in result.reading()


def test_a_criterion_in_which_all_are_equal_is_left_out_and_said():
    random = np.random.default_rng(5)
    frame = orders_of(random.integers(1, 300, 40), random.normal(100, 20, 40), [1] * 40)
    result = clusters(workspace(frame), k=2, seeds=3, resamples=5)
    assert result.constant == ("frequency",)
    assert "frequency" not in result.table
    assert "all customers are equal in it: Frequency" in result.reading()


def test_few_or_equal_customers_are_refused():
    with pytest.raises(NotEnoughData, match="at least 30 customers with revenue; there are 10"):
        clusters(workspace(orders_of([5] * 10, [9.0] * 10, [1] * 10)))
    with pytest.raises(NotEnoughData, match="nothing to cluster"):
        clusters(workspace(orders_of([5] * 40, [9.0] * 40, [1] * 40)))
    two = orders_of([5] * 20 + [50] * 20, [9.0] * 40, [1] * 40)
    with pytest.raises(NotEnoughData, match="3 different customers; there are 2"):
        clusters(workspace(two))


@pytest.mark.parametrize("k", [1, 0, 500, "3"])
def test_a_k_that_cannot_be_is_refused(k):
    with pytest.raises(CrmlabError, match="k is a whole number from 2 to"):
        clusters(workspace(one_cloud(40)), k=k)


def test_unknown_criteria_are_refused():
    with pytest.raises(CrmlabError, match="length, recency, frequency, monetary"):
        clusters(workspace(one_cloud(40)), criteria=["charm"])


def test_few_different_customers_do_not_warn():
    frame = orders_of([1, 50, 200] * 15, [10.0, 100.0, 400.0] * 15, [1] * 45)
    result = clusters(workspace(frame), seeds=3, resamples=5)
    assert result.by_k["k"].tolist() == [2]


def test_the_picture_shows_every_number_tried_and_the_range_of_clouds(found):
    axes = found.plot()
    assert axes.get_ylim()[0] == 0
    assert list(axes.get_lines()[0].get_xdata()) == found.by_k["k"].tolist()
    assert "3 clusters:" in found.alt()
