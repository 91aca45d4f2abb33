"""The filters of a mapping: which rows of a file are kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from crmlab.data.mapping import Filter
from crmlab.data.values import as_text

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


class SourceFilters:
    """The filters that look at the source's columns; remembers rows for ``drop_duplicates``.

    Parameters
    ----------
    filters : iterable of Filter
    missing : tuple of str
        Values of the source that mean that there is none.
    """

    def __init__(self, filters: Iterable[Filter], missing: tuple[str, ...] = ("",)) -> None:
        self.filters = [rule for rule in filters if rule.kind != "column"]
        self.missing = missing
        self._seen: dict[int, set[tuple[int, int]]] = {}

    def keep(self, position: int, cells: pa.Table) -> np.ndarray:
        """Which rows the filter at a position keeps."""
        rule = self.filters[position]
        columns = rule.columns or tuple(cells.column_names)
        texts = [as_text(cells.column(name)) for name in columns]
        if rule.kind == "complete":
            return _complete(texts, self.missing)
        if rule.kind == "drop_duplicates":
            return self._first(position, texts)
        return _compare(texts[0], rule)

    def _first(self, position: int, texts: list[pa.Array]) -> np.ndarray:
        """Rows that no earlier row of the table equals."""
        import numpy as np

        seen = self._seen.setdefault(position, set())
        keep = np.empty(len(texts[0]), dtype=bool)
        for row, digest in enumerate(_digests(texts)):
            keep[row] = digest not in seen
            seen.add(digest)
        return keep


def keep_values(rule: Filter, values: pa.Array) -> np.ndarray:
    """Which rows a filter of a column of the model keeps.

    Examples
    --------
    >>> import pyarrow as pa
    >>> rule = Filter("column", ("amount",), "not", (0,))
    >>> keep_values(rule, pa.array([1.5, 0.0, None])).tolist()
    [True, False, True]
    """
    return _compare(values, rule)


def _digests(texts: list[pa.Array]) -> list[tuple[int, int]]:
    """128 bits for each row, in two halves, so that different rows cannot be taken for equal."""
    import pandas as pd

    frame = pd.DataFrame({str(i): text.to_pandas() for i, text in enumerate(texts)})
    halves = [
        pd.util.hash_pandas_object(frame, index=False, hash_key=key).to_numpy().tolist()
        for key in ("crmlab-crmlab-01", "crmlab-crmlab-02")
    ]
    return list(zip(*halves, strict=True))


def _complete(texts: list[pa.Array], missing: tuple[str, ...]) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    absent = pa.array(list(missing), pa.string())
    keep = None
    for text in texts:
        there = pc.and_(pc.is_valid(text), pc.invert(pc.is_in(text, value_set=absent)))
        keep = there if keep is None else pc.and_(keep, there)
    return _array(keep)


def _compare(values: pa.Array, rule: Filter) -> np.ndarray:
    """Rows that meet a comparison; a missing value meets only a negative one."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    name = rule.comparison
    if name in ("at_least", "at_most"):
        bound = _scalar(rule.values[0], values.type)
        test = pc.greater_equal if name == "at_least" else pc.less_equal
        return _array(test(values, bound))
    if name in ("starts_with", "not_starts_with"):
        texts = as_text(values)
        found = np.zeros(len(texts), dtype=bool)
        for start in rule.values:
            found |= _array(pc.starts_with(texts, str(start)))
        return found if name == "starts_with" else ~found
    wanted = pa.array([_scalar(value, values.type).as_py() for value in rule.values], values.type)
    found = _array(pc.is_in(values, value_set=wanted))
    return found if name in ("equals", "in") else ~found


def _scalar(value: Any, kind: pa.DataType) -> pa.Scalar:
    import pyarrow as pa

    if pa.types.is_string(kind):
        return pa.scalar(str(value), kind)
    return pa.scalar(value).cast(kind)


def _array(mask: Any) -> np.ndarray:
    import numpy as np
    import pyarrow.compute as pc

    return np.asarray(pc.fill_null(mask, False).to_numpy(zero_copy_only=False), dtype=bool)
