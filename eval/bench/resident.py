"""How much memory a process holds while something runs. Standard library only: the peers' scripts use it too."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

MB = 2**20


class Memory(threading.Thread):
    """The resident memory of this process, sampled; ``take`` gives the highest since it was last asked, in MB."""

    def __init__(self, every: float = 0.02) -> None:
        super().__init__(daemon=True)
        self._every, self._highest = every, 0.0
        self.start()

    def run(self) -> None:
        """Sample for as long as the process lives."""
        while True:
            self._highest = max(self._highest, self.now())
            time.sleep(self._every)

    @staticmethod
    def now() -> float:
        """MB that are resident at this moment."""
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MB

    def take(self) -> float:
        """The highest since the last call."""
        highest, self._highest = max(self._highest, self.now()), 0.0
        return highest
