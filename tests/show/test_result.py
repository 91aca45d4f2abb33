from dataclasses import FrozenInstanceError
from datetime import date

import pandas as pd
import pytest

import crmlab
from crmlab import tiering
from crmlab.errors import CrmlabError, MissingColumns
from crmlab.show.result import Context, measure, require


class Tables:
    """A workspace that has the columns named."""

    source = "Test"

    def __init__(self, **columns):
        self.columns = columns

    def missing(self, needs):
        lacking = {
            table: tuple(name for name in names if name not in self.columns.get(table, ()))
            for table, names in needs.items()
        }
        return {table: names for table, names in lacking.items() if names}


def test_a_measure_runs_when_one_of_its_alternatives_is_there():
    @measure(needs=[{"orders": ["on_time"]}, {"orders": ["promised_at", "delivered_at"]}])
    def punctuality(crm):
        return "computed"

    assert punctuality(Tables(orders=["promised_at", "delivered_at"])) == "computed"
    assert punctuality.missing(Tables(orders=["on_time"])) == {}
    assert punctuality.missing(Tables()) == {"orders": ("on_time",)}


def test_missing_columns_are_named_with_the_measure_and_the_remedy():
    with pytest.raises(MissingColumns, match=r"orders\.cost, staff\.team.*mapping") as caught:
        require(Tables(), "tiering.layers", {"orders": ("cost",), "staff": ("team",)})
    assert caught.value.measure == "tiering.layers"
    assert caught.value.missing == {"orders": ("cost",), "staff": ("team",)}


def test_a_result_cannot_be_changed(crm_result):
    with pytest.raises(FrozenInstanceError):
        crm_result.table = pd.DataFrame()


def test_estimates_carry_their_interval(crm_result):
    assert {"low", "high"} <= set(crm_result.table.columns)


def test_the_period_is_written_in_the_language():
    context = Context("demo", "CNY", date(2024, 1, 1), date(2025, 12, 31))
    crmlab.set_language("zh_CN")
    assert context.period() == "2024年1月1日至2025年12月31日"


def test_showing_something_else_says_what_to_pass():
    with pytest.raises(CrmlabError, match="what a measure returns, not DataFrame"):
        crmlab.show(pd.DataFrame())


@pytest.fixture(scope="module")
def crm_result(company):
    return tiering.lorenz(company, resamples=99)
