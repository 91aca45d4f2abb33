"""Every estimator against a published figure or one worked out by hand: reference_cases.json."""

import importlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

CASES = json.loads((Path(__file__).parent / "reference_cases.json").read_text(encoding="utf-8"))


def _inputs(case):
    return {
        name: pd.DataFrame(value) if isinstance(value, dict) else value
        for name, value in case["inputs"].items()
    }


def _columns(result, names):
    """The frame of a result that has the columns asked for."""
    frames = result if isinstance(result, tuple) else (result,)
    return next(frame[list(names)] for frame in frames if set(names) <= set(frame.columns))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_estimator_gives_the_reference_value(case):
    module, _dot, function = case["call"].rpartition(".")
    result = getattr(importlib.import_module(module), function)(**_inputs(case))
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
        assert set(case) == {"id", "source", "call", "inputs", "expected", "tolerance"}
        assert len(case["source"]) > 10
