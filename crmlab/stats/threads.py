"""Linear algebra on one processor, where several only wait for each other."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def on_one_processor(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function whose matrices are small.

    The libraries of linear algebra share out their work among all processors. With the few dozen
    columns of a regression there is little to share, and most of the time is spent in waiting.

    Parameters
    ----------
    function : callable

    Returns
    -------
    callable
        The same, while no more than one processor is used for linear algebra.

    Examples
    --------
    >>> import numpy as np
    >>> @on_one_processor
    ... def solved(matrix, right):
    ...     return np.linalg.solve(matrix, right)
    >>> solved([[2.0, 0.0], [0.0, 4.0]], [1.0, 1.0]).tolist()
    [0.5, 0.25]
    """

    @functools.wraps(function)
    def alone(*args: P.args, **options: P.kwargs) -> R:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1, user_api="blas"):
            return function(*args, **options)

    return alone
