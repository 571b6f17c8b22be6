"""What a name that nothing has was probably meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like it, whatever its case; None where none is much like it."""
    by_small = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name.lower(), list(by_small), n=1)
    return by_small[found[0]] if found else None


def meant(name: str, known: Iterable[str]) -> str:
    """What stands behind an unknown name in a message: what it may have been meant to be, where that can be guessed."""
    found = nearest(name, known)
    return f" (did you mean '{found}'?)" if found is not None else ""
