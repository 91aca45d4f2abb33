"""The picture and the words of a heat map of complaints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from crmlab.language import _, ngettext, number, percent
from crmlab.show import charts
from crmlab.show.columns import shown
from crmlab.show.groups import formats_of, group_name
from crmlab.show.result import Definition, Exclusion, Result, left_out_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: A cell with fewer complaints expected is shown and not judged.
FEWEST = 5
#: Cochran's rule: no more than this share of cells may have so few expected.
SPARSE = 0.2
#: Residuals beyond this have the colour of this.
FARTHEST = 6.0
#: The longer side of the picture goes downwards if it has more values than this.
ACROSS = 8
#: So many names stand upright below the picture; more are turned.
UPRIGHT = 5
#: More values than this are drawn as those with the most complaints.
DRAWN = 30
NAMED = 6


@dataclass(frozen=True, repr=False)
class HeatMap(Result):
    """Result of `heat_map`.

    Attributes
    ----------
    rows, columns : str
        The columns crossed.
    chi_square : float
        Pearson's, as if complaints were independent.
    freedom : int
        Its degrees of freedom.
    effect : float
        The mean design effect of customers, by which it is divided.
    chance : float
        Its probability by chance after that; NaN with one row or one column.
    clustered : bool
        Whether customers are known.
    enough : bool
        Whether there are enough customers to judge anything.
    confidence : float
    left_out : tuple of Exclusion
    """

    measure = "complaints.heat_map"

    rows: str
    columns: str
    chi_square: float
    freedom: int
    effect: float
    chance: float
    clustered: bool
    enough: bool
    confidence: float
    left_out: tuple[Exclusion, ...]

    def title(self) -> str:
        apart = self._apart()
        if apart.empty:
            return _("{rows} by {columns}: no cell stands out by more than chance").format(
                **self._labels()
            )
        row = apart.iloc[0]
        return _("{cell}: {complaints} complaints where {expected} were to be expected").format(
            cell=self._cell(row),
            complaints=number(row["complaints"]),
            expected=number(row["expected_count"]),
        )

    def formats(self) -> Mapping[str, str]:
        return formats_of(self.table, self.rows, self.columns)

    def main_columns(self) -> list[str]:
        hidden = ("residual", "design_effect")
        return [name for name in self.table.columns if name not in hidden]

    # --- the picture

    def plot(self, ax: Axes | None = None) -> Axes:
        from matplotlib.colors import Normalize

        down, across = self._sides()
        cells = self.table.set_index([down, across])
        names = [self._most(down), self._most(across)]
        line = 0.42 if len(names[0]) < 12 else 0.29
        size = (charts.SIZE[0], max(3.6, line * len(names[0]) + 2.2))
        axes = charts.new_axes(ax, size=size)
        drawn = pd.MultiIndex.from_product(names)
        grid = cells["residual_effective"].reindex(drawn).to_numpy(float)
        image = axes.imshow(
            grid.reshape(len(names[0]), len(names[1])),
            cmap="PuOr_r",
            norm=Normalize(-FARTHEST, FARTHEST),
            aspect="auto",
        )
        for y, one in enumerate(names[0]):
            for x, other in enumerate(names[1]):
                self._write(axes, cells.loc[(one, other)], x, y)
        self._name_columns(axes, across, names[1])
        axes.set_yticks(range(len(names[0])), [group_name(down, one) for one in names[0]])
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        bar = axes.figure.colorbar(image, ax=axes, pad=0.02, fraction=0.05)
        bar.set_label(_("Fewer – more than expected"))
        axes.set_xlabel(_("Bold frame: stands out; in brackets: too few expected to judge"))
        columns = int(size[0] * charts.COLUMNS_PER_INCH * 0.75)
        axes.set_title(charts.wrapped(self.title(), columns), parse_math=False)
        return axes

    def _name_columns(self, axes: Axes, across: str, values: list[object]) -> None:
        names = [group_name(across, one) for one in values]
        if len(names) <= UPRIGHT:
            wide = 60 // len(names)
            axes.set_xticks(range(len(names)), [charts.wrapped(one, wide) for one in names])
            return
        axes.set_xticks(
            range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor", fontsize=10
        )

    def _write(self, axes: Axes, cell: pd.Series, x: int, y: int) -> None:
        from matplotlib.patches import Rectangle

        few = cell["expected_count"] < FEWEST
        text = f"({number(cell['complaints'])})" if few else number(cell["complaints"])
        dark = abs(cell["residual_effective"]) > 0.5 * FARTHEST
        ink = "white" if dark else charts.INK
        axes.text(x, y, text, ha="center", va="center", fontsize=9, color=ink)
        if pd.isna(cell["stands_out"]) or not cell["stands_out"]:
            return
        # A dark frame in a white one is seen on pale and on dark cells.
        for colour, width in (("white", 5.0), (charts.INK, 2.0)):
            axes.add_patch(
                Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, fill=False, edgecolor=colour, lw=width)
            )

    def _sides(self) -> tuple[str, str]:
        """The column that goes down, and the one that goes across."""
        sizes = {name: self.table[name].nunique() for name in (self.rows, self.columns)}
        if sizes[self.columns] > ACROSS and sizes[self.columns] > sizes[self.rows]:
            return self.columns, self.rows
        return self.rows, self.columns

    def _most(self, name: str) -> list[object]:
        """The values of a column that are drawn, in their order; those of a code as the model's."""
        totals = self.table.groupby(name)["complaints"].sum()
        kept = totals.sort_values(ascending=False, kind="stable").index[:DRAWN]
        codes = list(shown(name).values)
        return sorted(
            kept, key=lambda one: (codes.index(one) if one in codes else len(codes), str(one))
        )

    # --- the words

    def reading(self) -> str:
        parts = [
            self._overall(),
            self._allowed(),
            self._cells(),
            self._sparse(),
            self._not_drawn(),
            _("This compares complaints with complaints: where orders are many, so are they."),
            self._left_out(),
        ]
        return "\n\n".join(part for part in parts if part)

    def alt(self) -> str:
        total = int(self.table["complaints"].sum())
        apart = self._apart()
        said = _(
            "Table of {complaints} complaints, {rows} by {columns}, coloured by residual."
        ).format(complaints=number(total), **self._labels())
        if apart.empty:
            return f"{said} " + _("No cell is framed.")
        return f"{said} " + _("Framed: {cells}.").format(cells=self._counts(apart))

    def _apart(self) -> pd.DataFrame:
        """The cells that stand out, the most surplus first."""
        apart = self.table[self.table["stands_out"].fillna(False).astype(bool)]
        return apart.sort_values("residual_effective", ascending=False, kind="stable")

    def _labels(self) -> dict[str, str]:
        return {"rows": shown(self.rows).label, "columns": shown(self.columns).label}

    def _cell(self, row: pd.Series) -> str:
        return _("{row} × {column}").format(
            row=group_name(self.rows, row[self.rows]),
            column=group_name(self.columns, row[self.columns]),
        )

    def _counts(self, rows: pd.DataFrame) -> str:
        parts = [
            _("{cell} {complaints} (expected {expected})").format(
                cell=self._cell(row),
                complaints=number(row["complaints"]),
                expected=number(row["expected_count"], 1),
            )
            for _index, row in rows.head(NAMED).iterrows()
        ]
        said = _("; ").join(parts)
        if len(rows) <= NAMED:
            return said
        return _("{names} and {count} more").format(names=said, count=number(len(rows) - NAMED))

    def _overall(self) -> str:
        count = int(self.table["complaints"].sum())
        total = number(count)
        if self.freedom < 1:
            return ngettext(
                "{complaints} complaint, {period}. With a single row or column there is nothing "
                "to compare.",
                "{complaints} complaints, {period}. With a single row or column there is nothing "
                "to compare.",
                count,
            ).format(complaints=total, period=self.context.period())
        if not self.enough:
            return _(
                "{complaints} complaints, {period}, of so few customers that no cell is judged."
            ).format(complaints=total, period=self.context.period())
        texts = {
            True: _(
                "{complaints} complaints, {period}: {rows} and {columns} are related (chi-square "
                "{chi}, degrees of freedom {freedom}, probability by chance {chance})."
            ),
            False: _(
                "{complaints} complaints, {period}: that {rows} and {columns} are related is not "
                "shown (chi-square {chi}, degrees of freedom {freedom}, probability by chance "
                "{chance})."
            ),
        }
        return texts[bool(self.chance < 1 - self.confidence)].format(
            complaints=total,
            period=self.context.period(),
            chi=number(self.chi_square / self.effect, 1),
            freedom=number(self.freedom),
            chance=shown("corrected").written(self.chance, ""),
            **self._labels(),
        )

    def _allowed(self) -> str:
        if self.freedom < 1 or not self.enough:
            return ""
        if not self.clustered:
            return _(
                "No customer is given, so every complaint counts as independent; if some customers "
                "complain often, this is too sure."
            )
        if self.effect < 1.005:
            return _(
                "The complaints of one customer are no more alike in this than those of different "
                "customers."
            )
        return _(
            "The complaints of one customer are alike. Taken as independent they would give a "
            "chi-square of {chi}; it is divided by the mean design effect, {effect}, and each "
            "residual by the root of its own."
        ).format(chi=number(self.chi_square, 1), effect=number(self.effect, 2))

    def _cells(self) -> str:
        if self.freedom < 1 or not self.enough:
            return ""
        judged = int(self.table["corrected"].notna().sum())
        apart = self._apart()
        if not judged:
            return ""
        if apart.empty:
            return ngettext(
                "The {count} cell judged does not stand out by more than chance would bring about.",
                "Of the {count} cells judged none stands out by more than chance would bring "
                "about.",
                judged,
            ).format(count=number(judged))
        more = apart["residual_effective"] > 0
        texts = (
            (apart[more], _("More than expected, allowing for {judged} cells judged: {cells}.")),
            (
                apart[~more][::-1],
                _("Fewer than expected, allowing for {judged} cells judged: {cells}."),
            ),
        )
        return " ".join(
            text.format(judged=number(judged), cells=self._counts(rows))
            for rows, text in texts
            if len(rows)
        )

    def _not_drawn(self) -> str:
        large = [name for name in (self.rows, self.columns) if self.table[name].nunique() > DRAWN]
        if not large:
            return ""
        return _(
            "The picture shows the {drawn} values with the most complaints of: {columns}."
        ).format(drawn=number(DRAWN), columns=_(", ").join(shown(name).label for name in large))

    def _sparse(self) -> str:
        few = int((self.table["expected_count"] < FEWEST).sum())
        if not few:
            return ""
        said = _(
            "Cells with fewer than {fewest} expected, which are not judged: {few} of {cells}."
        ).format(few=number(few), cells=number(len(self.table)), fewest=number(FEWEST))
        if few <= SPARSE * len(self.table) or self.freedom < 1 or not self.enough:
            return said
        return f"{said} " + _(
            "That is more than {share} of them, so the overall chi-square is not to be relied on."
        ).format(share=percent(SPARSE, 0))

    def _left_out(self) -> str:
        return left_out_words(self.left_out, nothing=_("No complaint of the period was left out."))

    def _define(self) -> Definition:
        return Definition(
            numerator=_("Complaints of the cell"),
            denominator=_("Complaints for which both columns are known"),
            period=self.context.period(),
            method=_(
                "{rows} by {columns}. Adjusted standardised residuals and Pearson's chi-square, "
                "divided by design effects of customers (Rao and Scott); cells with fewer than "
                "{fewest} expected are not judged; Holm's correction for the cells judged."
            ).format(fewest=number(FEWEST), **self._labels()),
            source=self.context.source,
            exclusions=self.left_out,
        )
