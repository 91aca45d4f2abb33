"""The five principles in words: their names, what they mean, and why a case is not judged."""

from __future__ import annotations

from crmlab.language import _


def principle_names() -> dict[str, str]:
    """The five principles in the current language.

    Examples
    --------
    >>> principle_names()["front_line"]
    'Capable front line'
    """
    return {
        "prevention": _("Prevention"),
        "recording": _("Recording"),
        "responsibility": _("Responsibility"),
        "front_line": _("Capable front line"),
        "timeliness": _("Timeliness"),
    }


def meanings() -> dict[str, str]:
    """What it means that a principle is not kept, in the course's words."""
    return {
        "prevention": _(
            "What was complained of comes back: answer complaints by removing their cause, not "
            "only one by one."
        ),
        "recording": _(
            "What is not written down can neither be analysed nor handed on: complete the record "
            "while the case is open."
        ),
        "responsibility": _(
            "Complaints go from hand to hand: name one person who answers for each from beginning "
            "to end."
        ),
        "front_line": _(
            "Whoever takes the complaint often cannot settle it: train the front line and give it "
            "the power to decide."
        ),
        "timeliness": _(
            "What was promised is not kept in time: speed up the slow stage, or promise what can "
            "be kept."
        ),
    }


def reasons() -> dict[str, str]:
    """Why complaints are not judged, by the codes of `principle_values`."""
    return {
        "too_early": _("the days before lie before the first complaint"),
        "unnamed": _("customer or cause not known"),
        "contact_not_known": _("not known whether resolved at first contact"),
        "owners_not_known": _("number of owners not known"),
        "not_resolved": _("not yet resolved"),
        "not_due": _("not due by the last day"),
        "no_promise": _("no promise and no rule for one"),
        "resolution_not_known": _("time of the resolution not known"),
    }
