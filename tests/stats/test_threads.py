"""Small matrices are computed on one processor."""

import numpy as np
from threadpoolctl import threadpool_info

from crmlab.stats.threads import on_one_processor


def threads_of_blas() -> set[int]:
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def test_inside_one_processor_is_used_and_afterwards_as_many_as_before() -> None:
    before = threads_of_blas()

    @on_one_processor
    def inside(matrix: np.ndarray) -> tuple[set[int], np.ndarray]:
        return threads_of_blas(), matrix @ matrix

    threads, square = inside(np.eye(3))

    assert threads == {1}
    assert square.tolist() == np.eye(3).tolist()
    assert threads_of_blas() == before
