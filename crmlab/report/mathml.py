"""Formulas in Markdown become MathML, which every current browser draws without a script."""

from __future__ import annotations

import re
from html import escape
from typing import ClassVar

from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import (
    IPythonRenderer,
    MarkdownWithMath,
    MathInlineParser,
)

# An unknown command is copied into the result as it stands.
_UNKNOWN = re.compile(r">\s*\\[A-Za-z]")
_LONG = 40
_NUMBERED = re.compile(r"\\(begin|end)\{(align|equation|gather)\}")


def formula(tex: str, *, block: bool = False) -> str:
    r"""A formula as MathML; as its source, in a code element, if it cannot be converted.

    Parameters
    ----------
    tex : str
        LaTeX without the dollar signs.
    block : bool
        Whether it stands on a line of its own.

    Examples
    --------
    >>> formula(r"\notacommand{x}")
    '<code class="formula">\\notacommand{x}</code>'
    """
    source = tex.strip()
    try:
        # notebooks do not number their equations
        unnumbered = _NUMBERED.sub(r"\\\1{\2*}", source)
        mathml = convert(unnumbered, display="block" if block else "inline")
    except Exception:  # the converter has no error class of its own
        mathml = ""
    if not mathml or _UNKNOWN.search(mathml):
        return f'<code class="formula">{escape(source, quote=False)}</code>'
    mathml = mathml.replace("<math ", f'<math alttext="{escape(source)}" ', 1)
    if block:
        return f'<span class="formula" tabindex="0">{mathml}</span>'
    # browsers do not break a formula: a long one scrolls on a narrow screen
    if len(source) > _LONG:
        return f'<span class="long" tabindex="0">{mathml}</span>'
    return mathml


class _Inline(MathInlineParser):
    """A dollar sign is an amount of money unless the next one plausibly closes a formula."""

    # no space just inside the dollars, no code between them, no digit after the closing one
    INLINE_MATH_TEX = (
        r"(?s:(?<![$\\])\$(?!\s)(?P<math_inline_tex>(?:\\.|[^$`\\])+?)(?<!\s)\$(?![\d$]))"
    )
    SPECIFICATION: ClassVar[dict[str, str]] = {
        **MathInlineParser.SPECIFICATION,
        "inline_math_tex": INLINE_MATH_TEX,
    }


class _Renderer(IPythonRenderer):
    def block_math(self, body: str) -> str:
        return formula(body, block=True)

    def inline_math(self, body: str) -> str:
        return formula(body)

    def latex_environment(self, name: str, body: str) -> str:
        return formula(f"\\begin{{{name}}}{body}\\end{{{name}}}", block=True)


def markdown_to_html(source: str) -> str:
    """Markdown as JupyterLab understands it, formulas as MathML."""
    renderer = _Renderer(escape=False, exclude_anchor_links=True)
    return MarkdownWithMath(renderer=renderer, inline=_Inline(hard_wrap=False)).render(source)
