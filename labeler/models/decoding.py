"""A running batch of texts, which rows join and leave between two tokens."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from labeler.models.generation import Generated, Wanted, Writing, choose
from labeler.models.language import LanguageModel
from labeler.models.logprobs import logits_of
from labeler.models.prefixes import Layers, Prefixes
from labeler.models.widths import batches

ROWS = 16
"""The most texts that are written together."""
PASS_TOKENS = 1_280
"""The most of newcomers' prompts that run before the others get their next token, unless one prompt alone is longer."""


@dataclass(eq=False)
class _Row:
    name: int
    text: Writing

    @property
    def length(self) -> int:
        """Tokens whose keys and values are kept: all but the newest."""
        return len(self.text.wanted.prompt) + len(self.text.ids) - 1


class Decoder:
    """Writes many texts at once, each by a name of the caller's; not for several threads.

    Rows stand aligned on the right, and the room on their left is masked, so a newcomer's keys and values only have to
    be set beneath the others'. Prompts that begin alike share the run of their beginning. What a row gets is what it
    would get alone, up to the rounding of batches of other shapes. A model that keeps more of a text than keys and
    values (a recurrent one) writes one text at a time. All tensors are on the model's device; it was run on CPUs only.
    """

    def __init__(self, model: LanguageModel, prefixes: Prefixes) -> None:
        self._model = model
        self._prefixes = prefixes
        self._joins = _keeps_only_keys(model)
        self._waiting: dict[int, _Row] = {}
        self._rows: list[_Row] = []
        self._cache: Any = None  # a DynamicCache of the rows, in their order

    def add(self, name: int, wanted: Wanted) -> None:
        """A text that is begun as soon as there is room for it."""
        self._waiting[name] = _Row(name, Writing(self._model, wanted))
        self._prefixes.note(wanted.prompt)

    @torch.inference_mode()
    def drop(self, names: Iterable[int]) -> None:
        """Texts that nobody wants any more."""
        unwanted = set(names)
        for name in unwanted:
            self._waiting.pop(name, None)
        self._keep([place for place, row in enumerate(self._rows) if row.name not in unwanted])

    @torch.inference_mode()
    def step(self) -> dict[int, Generated | Exception]:
        """Begin what there is room for, and one more token of every text; returns those that are finished.

        A prompt that cannot be run gives the error. What fails later is raised: then nothing more comes of the batch.
        """
        done = self._admit()
        if self._rows:
            done |= self._next()
        return done

    def _admit(self) -> dict[int, Generated | Exception]:
        taken: list[_Row] = []
        groups: defaultdict[tuple[int, ...], list[_Row]] = defaultdict(list)
        tokens = 0
        for row in islice(self._waiting.values(), (ROWS if self._joins else 1) - len(self._rows)):
            prompt = row.text.wanted.prompt
            shared = self._prefixes.shared(prompt) if self._joins else 0
            tokens += len(prompt) - shared
            if taken and tokens > PASS_TOKENS:
                break
            taken.append(row)
            groups[tuple(prompt[:shared])].append(row)
        for row in taken:
            del self._waiting[row.name]
        done: dict[int, Generated | Exception] = {}
        for prefix, group in groups.items():
            lengths = [len(row.text.wanted.prompt) - len(prefix) for row in group]
            for batch in batches(lengths, PASS_TOKENS):
                done |= self._begin(prefix, [group[place] for place in batch])
        return done

    def _begin(self, prefix: Sequence[int], rows: list[_Row]) -> dict[int, Generated | Exception]:
        """Run prompts behind their common beginning, and write the first token of each."""
        try:
            known, layers = self._behind(prefix)
            rests = [row.text.wanted.prompt[len(prefix) :] for row in rows]
            hidden, cache = self._run(rests, layers)
            logits = logits_of(self._model, hidden)
            if self._joins:
                self._join(cache, [len(row.text.wanted.prompt) for row in rows])
            else:
                self._cache = cache
        except Exception as error:
            if len(rows) == 1:
                return {rows[0].name: error}
            # One that needs more memory than there is shall not take the others with it.
            return {name: outcome for row in rows for name, outcome in self._begin(prefix, [row]).items()}
        for place, row in enumerate(rows):
            # What ran just now, ran for the first of them.
            row.text.cached_tokens = len(prefix) if place else known
        self._rows.extend(rows)
        return self._write(len(self._rows) - len(rows), logits)

    def _behind(self, prefix: Sequence[int]) -> tuple[int, Layers]:
        """A beginning's keys and values, and how many of its tokens had run before."""
        known, layers = self._prefixes.find(prefix)
        if known < len(prefix):
            _, cache = self._run([prefix[known:]], layers)
            layers = [(layer.keys, layer.values) for layer in cache.layers]
            self._prefixes.keep(prefix, layers)
        return known, layers

    def _run(self, texts: Sequence[Sequence[int]], layers: Layers) -> tuple[Tensor, Any]:
        """Run texts behind one beginning: the last token's hidden state of each, [texts, d_model], and their cache.

        Padding stands on the right, where a causal model cannot see it: no mask is needed.
        """
        device = self._model.device
        cache = _new_cache(None if self._joins else self._model)
        for i, (keys, values) in enumerate(layers):
            cache.update(keys.expand(len(texts), -1, -1, -1), values.expand(len(texts), -1, -1, -1), i)
        before = layers[0][0].shape[2] if layers else 0
        lengths = torch.tensor([len(text) for text in texts], device=device)
        width = max(map(len, texts))
        ids = [[*text, *[self._model.separator_id] * (width - len(text))] for text in texts]
        output = self._model.module.base_model(
            input_ids=torch.tensor(ids, device=device),
            position_ids=torch.arange(before, before + width, device=device).expand(len(texts), -1),
            past_key_values=cache,
            use_cache=True,
        )
        self._model.ran(sum(map(len, texts)))
        return output.last_hidden_state[torch.arange(len(texts), device=device), lengths - 1], cache

    def _join(self, cache: Any, lengths: Sequence[int]) -> None:
        """Set the rows of a cache that is padded on the right beneath those that run; nothing is changed if it fails."""
        width = max([*lengths, *(row.length for row in self._rows)])
        ends = torch.tensor(lengths, device=self._model.device)[:, None]
        # Where each of a row's places is in the cache; to the left of its first token it does not matter.
        places = (torch.arange(width, device=self._model.device) - width + ends).clamp(min=0)

        def moved(new: Tensor) -> Tensor:
            return new.gather(2, places[:, None, :, None].expand(-1, new.shape[1], -1, new.shape[3]))

        def beneath(old: Tensor, new: Tensor) -> Tensor:
            return torch.cat([functional.pad(old, (0, 0, width - old.shape[2], 0)), moved(new)])

        if self._cache is None:
            joined = [(moved(layer.keys), moved(layer.values)) for layer in cache.layers]
            self._cache = cache
        else:
            pairs = zip(self._cache.layers, cache.layers, strict=True)
            joined = [(beneath(old.keys, new.keys), beneath(old.values, new.values)) for old, new in pairs]
        for layer, (keys, values) in zip(self._cache.layers, joined, strict=True):
            layer.keys, layer.values = keys, values

    def _next(self) -> dict[int, Generated | Exception]:
        """One more token of every row."""
        device = self._model.device
        lengths = torch.tensor([row.length for row in self._rows], device=device)[:, None]
        width = max(row.length for row in self._rows)
        output = self._model.module.base_model(
            input_ids=torch.tensor([row.text.ids[-1:] for row in self._rows], device=device),
            attention_mask=(torch.arange(width + 1, device=device) >= width - lengths).long(),
            position_ids=lengths,
            past_key_values=self._cache,
            use_cache=True,
        )
        self._model.ran(len(self._rows))
        return self._write(0, logits_of(self._model, output.last_hidden_state[:, -1]))

    def _write(self, first: int, logits: Tensor) -> dict[int, Generated | Exception]:
        """Choose a token of each row from the first on; those that are finished leave."""
        rows = self._rows[first:]
        done: dict[int, Generated | Exception] = {}
        kept = list(range(first))
        for place, token in enumerate(choose(logits, [row.text for row in rows])):
            row = rows[place]
            text = row.text.add(token)
            if text is None:
                kept.append(first + place)
            else:
                done[row.name] = text
        self._keep(kept)
        return done

    def _keep(self, places: Sequence[int]) -> None:
        """Go on with these rows alone, and without room on the left that none of them needs."""
        if len(places) == len(self._rows):
            return
        self._rows = [self._rows[place] for place in places]
        if not self._rows:
            self._cache = None
            return
        width = max(row.length for row in self._rows)
        still = torch.tensor(places, device=self._model.device)
        for layer in self._cache.layers:
            layer.keys, layer.values = layer.keys[still][:, :, -width:], layer.values[still][:, :, -width:]


def _new_cache(model: LanguageModel | None) -> Any:
    """An empty cache, of the kinds of state that a model asks for, or of keys and values without end.

    The latter hold a sliding window's keys longer than it looks back; the mask hides them.
    """
    from transformers import DynamicCache

    return DynamicCache() if model is None else DynamicCache(config=model.module.config)


def _keeps_only_keys(model: LanguageModel) -> bool:
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    return all(type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in _new_cache(model).layers)
