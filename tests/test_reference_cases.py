"""Every estimator against a published figure or one worked out by hand: reference_cases.json."""

import importlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

TESTS = Path(__file__).parent
CASES = json.loads((TESTS / "reference_cases.json").read_text(encoding="utf-8"))


def _input(value):
    """A frame, a column of a file (of the rows where another is above zero), or as it stands."""
    if not isinstance(value, dict):
        return value
    if "file" not in value:
        return pd.DataFrame(value)
    frame = pd.read_csv(TESTS / value["file"])
    return frame.loc[frame[value.get("above_zero", "customers")] > 0, value["column"]]


def _inputs(case):
    return {name: _input(value) for name, value in case["inputs"].items()}


def _part(result, of):
    """What is looked at of a fitted model: an attribute, or a method and what it is given."""
    if isinstance(of, str):
        return getattr(result, of)
    method, given = of
    return getattr(result, method)(*given)


def _columns(result, names):
    """The frame of a result that has the columns asked for."""
    frames = result if isinstance(result, tuple) else (result,)
    return next(frame[list(names)] for frame in frames if set(names) <= set(frame.columns))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_estimator_gives_the_reference_value(case):
    module, _dot, function = case["call"].rpartition(".")
    result = getattr(importlib.import_module(module), function)(**_inputs(case))
    result = _part(result, case["of"]) if "of" in case else result
    expected = case["expected"]
    if isinstance(expected, dict):
        result = _columns(result, expected).to_numpy()
        expected = pd.DataFrame(expected).to_numpy()
    result = getattr(result, "weights", result)  # what raking finds
    if isinstance(result, tuple):
        result = np.hstack(result)  # its figures one after the other
    np.testing.assert_allclose(
        np.asarray(result, float), np.asarray(expected, float), rtol=0, atol=case["tolerance"]
    )


def test_every_case_says_where_its_value_comes_from():
    assert len({case["id"] for case in CASES}) == len(CASES)
    for case in CASES:
        assert set(case) - {"of"} == {"id", "source", "call", "inputs", "expected", "tolerance"}
        assert len(case["source"]) > 10
