"""Wide questionnaires: a row of the file is a respondent, a column a question.

Each cell becomes a row of ``answers``. The account counts cells, so that its numbers add up: those
read are those kept, those not answered, and those left out by a filter or as not valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from crmlab.data import files, values
from crmlab.data.mapping import Question, TableMap, asked
from crmlab.data.staging import Conversion
from crmlab.errors import Fault
from crmlab.language import _, ngettext, number

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from crmlab.data.mapping import Filter
    from crmlab.data.staging import Staged, Stager

Examples = list[tuple[int, str]]


class WideConversion(Conversion):
    """The conversion of one wide file, chunk by chunk."""

    def __init__(self, stager: Stager, staged: Staged, file: str, there: Sequence[str]) -> None:
        self.questions: tuple[Question, ...] = ()
        super().__init__(stager, staged, file, there)
        self.unanswered = 0
        self.off_scale: dict[str, tuple[int, Examples]] = {}

    def _with_columns(self, table: TableMap) -> TableMap:
        """The map with the questions that this file asks."""
        assert table.wide is not None
        items = self.stager.plan.settings.items
        self.questions = asked(table.wide, self.there, items, self.file)
        return replace(table, wide=replace(table.wide, questions=self.questions))

    def _columns(self) -> frozenset[str]:
        return frozenset(self.table.names)

    def _rows_before(self) -> int:
        return self.staged.questionnaires

    def _count_removed(self, rule: Filter, keep: np.ndarray) -> None:
        position = self.map.filters.index(rule)
        cells = int((~keep).sum()) * (1 if rule.kind == "column" else len(self.questions))
        self.removed[position] = self.removed.get(position, 0) + cells

    def convert(self, chunk: files.Chunk, position: int) -> pa.Table:
        """The chunk's answers, a row each, in the order of the file and of the questions."""
        import numpy as np
        import pyarrow as pa

        numbers, cells = self._filtered(np.asarray(chunk.numbers), chunk.cells)
        answers, kept = self._answers(cells, numbers)
        respondent, question = np.nonzero(kept)
        made = {
            "response_id": self._response(cells, numbers).take(pa.array(respondent)),
            "item": self._named([one.item for one in self.questions], question),
            "aspect": self._named([one.aspect for one in self.questions], question),
            "value": pa.array(answers[kept], pa.float64()),
            "_row": pa.array(numbers[respondent], pa.int64()),
            "_file": pa.array(np.full(len(respondent), position, dtype="int32")),
        }
        return self._column_filtered(pa.table(made))

    def _named(self, names: list[str], question: np.ndarray) -> pa.Array:
        import pyarrow as pa

        return pa.array(names, pa.string()).take(pa.array(question))

    def _response(self, cells: pa.Table, numbers: np.ndarray) -> pa.Array:
        if self.map.generated_key:
            return self._key(cells, numbers)
        return self.converter.column(self.map.columns["response_id"], cells, numbers)[0]

    def _answers(self, cells: pa.Table, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The answers, questionnaires × questions, and which of them are kept."""
        import numpy as np

        answers = np.full((len(numbers), len(self.questions)), np.nan)
        kept = np.zeros(answers.shape, dtype=bool)
        for place, question in enumerate(self.questions):
            assert self.map.wide is not None
            spec = replace(self.map.wide.reading, column=question.column)
            found, wrong = self.converter.column(spec, cells, numbers, question.column)
            value = np.asarray(found.to_numpy(zero_copy_only=False), float)
            given = ~np.isnan(value)
            off = given & ((value < question.minimum) | (value > question.maximum))
            self._note_off_scale(question, numbers[off], value[off])
            self.unanswered += int((~given & ~wrong).sum())
            answers[:, place] = value
            kept[:, place] = given
            if self.map.invalid == "exclude":
                kept[:, place] &= ~off
                self.invalid += int((off | wrong).sum())
        return answers, kept

    def _note_off_scale(self, question: Question, rows: np.ndarray, shown: np.ndarray) -> None:
        if not len(rows):
            return
        count, examples = self.off_scale.get(question.column, (0, []))
        pairs = zip(rows[:3].tolist(), shown[:3].tolist(), strict=True)
        more = [(int(row), f"{value:g}") for row, value in pairs]
        self.off_scale[question.column] = (count + len(rows), (examples + more)[:3])

    # --- the account

    def finish(self, reading: files.Reading) -> None:
        """Enter what was seen into the account, counted in answers, and the faults."""
        self.staged.questionnaires += reading.rows
        many = len(self.questions)
        inner = files.Reading(rows=reading.rows * many, ragged=reading.ragged)
        self.stager.account.add(
            self.table.name, self.file, "questionnaires", reading.rows, self._shape(many)
        )
        super().finish(inner)
        if self.unanswered:
            remark = _("questions without an answer")
            self.stager.account.add(
                self.table.name, self.file, "unanswered", self.unanswered, remark
            )
        self._note_others(reading.rows)

    def _shape(self, many: int) -> str:
        return ngettext(
            "questionnaires with {count} question each; what follows counts answers",
            "questionnaires with {count} questions each; what follows counts answers",
            many,
        ).format(count=number(many))

    def _note_others(self, rows: int) -> None:
        """With a pattern, a column that fits no question may be a slip: it is named."""
        if self.map.wide is None or not self.map.wide.pattern:
            return
        others = [name for name in self.there if name not in self.map.needed()]
        if others and self.map.needed():
            remark = _("no answers to items: {names}").format(names=", ".join(others))
            self.stager.account.add(self.table.name, self.file, "unread_columns", rows, remark)

    def _account_faults(self, reading: files.Reading) -> None:
        found = values.faults(self.found, self.table.name, self.file) + self._off_scale_faults()
        if self.map.invalid != "exclude":
            self.staged.found += found
            return
        count = self.invalid + len(reading.ragged) * len(self.questions)
        if count:
            remark = " ".join(fault.message for fault in found)
            self.stager.account.add(self.table.name, self.file, "invalid", count, remark)

    def _off_scale_faults(self) -> list[Fault]:
        asked_in = {question.column: question for question in self.questions}
        return [
            self._off_scale_fault(asked_in[column], count, examples)
            for column, (count, examples) in self.off_scale.items()
        ]

    def _off_scale_fault(self, question: Question, count: int, examples: Examples) -> Fault:
        row, value = examples[0]
        text = ngettext(
            "{file}: `{column}` has {count} answer off the scale of {item} ({aspect}), which goes"
            " from {low} to {high} (row {row}: {value}). Name it under `missing` if it stands for"
            " no answer, correct the file, or the scale in [[items]] or `scales`.",
            "{file}: `{column}` has {count} answers off the scale of {item} ({aspect}), which goes"
            " from {low} to {high} (row {row}: {value}). Name them under `missing` if they stand"
            " for no answer, correct the file, or the scale in [[items]] or `scales`.",
            count,
        ).format(
            file=self.file,
            column=question.column,
            count=number(count),
            item=question.item,
            aspect=question.aspect,
            low=f"{question.minimum:g}",
            high=f"{question.maximum:g}",
            row=row,
            value=value,
        )
        return Fault(
            self.table.name, question.column, "off_scale", count, tuple(examples), text, self.file
        )
