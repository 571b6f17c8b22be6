"""Ctrl-C: the first one stops the work, which takes until the batches under way are done; a second one ends the process."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130


class Interrupted:
    """Whether Ctrl-C came."""

    def __init__(self) -> None:
        self.once = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """As the handler of a signal: KeyboardInterrupt, and at the second time the end, wherever anything waits.

        What is stored survives that, as it survives a power cut. Nothing is printed from here, for a signal may come while
        the display is locked.
        """
        if self.once:
            if os.isatty(2):
                os.write(2, b"\x1b[?25h\n")  # a progress display hides the cursor
            os._exit(INTERRUPTED)
        self.once = True
        raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interrupted]:
    """Ctrl-C as it is handled here, while the context lasts, and from the first one on until the process ends.

    A process that handles it in its own way, or not at all, is left alone.
    """
    found = Interrupted()
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield found
        return
    signal.signal(signal.SIGINT, found)
    try:
        yield found
    finally:
        if not found.once:
            signal.signal(signal.SIGINT, signal.default_int_handler)
