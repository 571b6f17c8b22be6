"""Whose turn it is with torch: one thread's at a time."""

from __future__ import annotations

import threading

TURN = threading.RLock()
"""Held while a model is loaded or run.

Loading a model changes torch's default dtype for a while, and that is one for the whole process: whatever another thread
computed meanwhile, or loaded, would come out in the wrong one. Two models at once would also only share the same cores.
"""
