"""What every format of labels hands over: a label, where it stands, and who made it."""

from __future__ import annotations

from dataclasses import dataclass

from labeler.errors import InputError
from labeler.evidence.importers.files import one_line

MAX_LABEL = 1_000
"""Characters of a label, at most; a sentence has a hundred."""

MAX_DESCRIPTION = 5_000

MAX_EXPLAINER = 200

SHAPE = 'JSON lines such as {"index": 12, "label": "…"}, or a table with the columns index,label[,description]'
"""What labels may look like, for a message."""


@dataclass(frozen=True, kw_only=True)
class ForeignLabel:
    """A label for one feature, as a file has it."""

    place: str
    """Where it stands: ``labels.csv, line 3``."""
    index: int
    label: str
    """Empty where the file has a place for one, and nothing in it."""
    description: str = ""
    explainer: str | None = None
    """Who made it, where the file says so."""


Row = ForeignLabel | InputError | None
"""What a row comes to: a label, what is wrong with its index, or nothing, where it says that its feature has no label."""


def foreign_label(
    place: str, index: int, label: str, description: str = "", explainer: str | None = None
) -> ForeignLabel:
    """A label with its white space in order; InputError naming the place where a text is far too long."""
    label, description, explainer = (" ".join((text or "").split()) for text in (label, description, explainer))
    texts = {"label": (label, MAX_LABEL), "description": (description, MAX_DESCRIPTION)}
    for what, (text, most) in (texts | {"explainer": (explainer, MAX_EXPLAINER)}).items():
        if len(text) > most:
            raise InputError(
                one_line(f"{place}: the {what} of feature {index} has {len(text):,} characters; at most {most:,}")
            )
    return ForeignLabel(place=place, index=index, label=label, description=description, explainer=explainer or None)
