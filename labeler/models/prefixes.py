"""What a model made of the beginnings that several prompts share, so that they run once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence

from torch import Tensor

BLOCK = 32
"""Beginnings are compared in steps of so many tokens: what prompts share by accident splits no batch then."""
ROOM = 4_096
"""The most tokens that are kept: 94 MB of SmolLM2-135M's keys and values."""
_NOTED = 16_384

Layers = list[tuple[Tensor, Tensor]]
"""Each layer's keys and values: [rows, heads, tokens, width]."""


class Prefixes:
    """The keys and values of beginnings that more than one prompt had; the least recently used give way."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._noted: OrderedDict[int, int] = OrderedDict()
        self._kept: OrderedDict[tuple[int, ...], Layers] = OrderedDict()
        self._holders: dict[tuple[int, ...], tuple[int, ...]] = {}

    def note(self, ids: Sequence[int]) -> None:
        """Count a prompt that is going to run."""
        for _, mark in _beginnings(ids):
            self._noted[mark] = self._noted.pop(mark, 0) + 1
        while len(self._noted) > _NOTED:
            self._noted.popitem(last=False)

    def shared(self, ids: Sequence[int]) -> int:
        """How many of a noted prompt's first tokens another prompt began with too; never all, for one has to run."""
        shared = 0
        for n, mark in _beginnings(ids):
            if self._noted.get(mark, 0) < 2:
                break
            shared = n
        return shared

    def find(self, ids: Sequence[int]) -> tuple[int, Layers]:
        """How many of these first tokens are kept, and their keys and values, of one row; 0 and nothing if none are.

        The tensors belong to the store: whoever goes on from them copies.
        """
        for n in range(len(ids) // BLOCK * BLOCK, 0, -BLOCK):
            holder = self._holders.get(tuple(ids[:n]))
            if holder is not None:
                self._kept.move_to_end(holder)
                return n, [(keys[:, :, :n], values[:, :, :n]) for keys, values in self._kept[holder]]
        return 0, []

    def keep(self, ids: Sequence[int], layers: Layers) -> None:
        """Keep one row's keys and values of a whole number of blocks; a beginning beyond the room is not kept."""
        whole = tuple(ids)
        if len(whole) > self._room or whole in self._kept:
            return
        self._kept[whole] = layers
        while sum(map(len, self._kept)) > self._room:
            gone, _ = self._kept.popitem(last=False)
            self._holders = {part: holder for part, holder in self._holders.items() if holder != gone}
        for n in range(BLOCK, len(whole) + 1, BLOCK):
            self._holders.setdefault(whole[:n], whole)


def _beginnings(ids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Lengths of a prompt's beginnings, short of the whole, and a mark of each.

    Marks only say what is worth keeping; what is kept is found by its tokens.
    """
    mark = 0
    for n in range(BLOCK, len(ids), BLOCK):
        mark = hash((mark, *ids[n - BLOCK : n]))
        yield n, mark
