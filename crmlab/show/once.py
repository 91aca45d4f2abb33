"""What is asked again of the same workspace is not computed again."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from crmlab.language import current_language

#: Answers kept for one workspace; those not asked for the longest go first.
KEPT = 50
#: An answer with a longer table than this is not kept.
LONGEST = 100_000

P = ParamSpec("P")
R = TypeVar("R")


def once(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function of a workspace that gives the same for the same arguments.

    Data stand still while a workspace is open, so what was computed is kept with it, in its
    `answered`, and handed out again in a copy: who changes a table they were given changes nobody
    else's. A chapter asks the same in several places, to check it by hand, to show it and to decide
    by it.

    Parameters
    ----------
    function : callable
        Its first argument is the workspace, and what it returns is a dataclass.

    Returns
    -------
    callable

    Examples
    --------
    >>> from crmlab.data.sources import from_frames
    >>> from crmlab.tiering import lorenz
    >>> orders = pd.DataFrame({"order_id": ["1", "2"], "customer_id": ["A", "B"],
    ...     "ordered_at": ["2025-01-01", "2025-01-20"], "amount": [9.0, 1.0]})
    >>> crm = from_frames({"orders": orders})
    >>> first = lorenz(crm, tops=(0.5,))
    >>> first.table["share"] = 0.0
    >>> lorenz(crm, tops=(0.5,)).table["share"].tolist()
    [0.9]
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def answered(*args: P.args, **options: P.kwargs) -> R:
        answers = getattr(args[0], "answered", None)
        if answers is None:
            return function(*args, **options)
        try:
            named = signature.bind(*args, **options)
            named.apply_defaults()
            given = list(named.arguments.items())[1:]
            asked = (function, *(_asked(part) for part in (given, *_around(args[0]))))
            hash(asked)
        except TypeError:
            return function(*args, **options)
        if asked not in answers:
            answer = function(*args, **options)
            if _longest(answer) > LONGEST:
                return answer
            answers[asked] = answer
            if len(answers) > KEPT:
                del answers[next(iter(answers))]
        # The last of the dictionary is the one asked for last.
        answers[asked] = answers.pop(asked)
        return copied(answers[asked])

    return answered


def copied(answer: R) -> R:
    """A copy of an answer whose frames and arrays can be changed without changing the original's.

    pandas copies a frame only when it is changed, so this costs next to nothing; arrays are small.
    """
    if isinstance(answer, pd.DataFrame | pd.Series):
        return answer.copy(deep=False)
    if isinstance(answer, np.ndarray):
        return answer.copy()
    if isinstance(answer, dict):
        return {name: copied(one) for name, one in answer.items()}  # type: ignore[return-value]
    if isinstance(answer, tuple):
        parts = [copied(one) for one in answer]
        return type(answer)(*parts) if hasattr(answer, "_fields") else type(answer)(parts)
    if not is_dataclass(answer) or isinstance(answer, type):
        return answer
    twin = copy.copy(answer)
    for one in fields(answer):
        object.__setattr__(twin, one.name, copied(getattr(answer, one.name)))
    return twin


def _around(crm: Any) -> tuple[Any, ...]:
    return repr(getattr(crm, "settings", None)), current_language()


def _asked(value: Any) -> Hashable:
    """What tells arguments apart; frames by what they hold."""
    if isinstance(value, pd.DataFrame | pd.Series):
        frame = pd.DataFrame(value)
        rows = pd.util.hash_pandas_object(frame).to_numpy().tobytes()
        return tuple(map(str, frame.columns)), tuple(map(str, frame.dtypes)), rows
    if isinstance(value, Mapping):
        return tuple((name, _asked(one)) for name, one in value.items())
    if isinstance(value, list | tuple):
        return tuple(_asked(one) for one in value)
    # 1, 1.0 and True are equal and not the same.
    return type(value), value


def _longest(answer: Any) -> int:
    if isinstance(answer, pd.DataFrame | pd.Series):
        return len(answer)
    if not is_dataclass(answer) or isinstance(answer, type):
        return 0
    return max((_longest(getattr(answer, one.name)) for one in fields(answer)), default=0)
