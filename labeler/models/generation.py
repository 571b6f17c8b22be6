"""Texts that a language model in this process writes: batches that rows join and leave between two tokens.

What several prompts share at their beginning runs once.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from labeler.models.batching import batches
from labeler.models.language import LanguageModel
from labeler.models.logprobs import check_room, context_size, logits_of

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


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A text to be written.

    It ends at an end token of the model, at the first of its stop strings, at ``max_tokens``, or where the context is
    full.
    """

    prompt: Sequence[int]
    """The tokens that it goes on from (see ``prompt_ids``)."""
    max_tokens: int
    temperature: float | None = None
    """0 or None takes the likeliest token."""
    seed: int = 0
    """Makes this text's draws and nobody else's."""
    stops: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Generated:
    """What a model wrote after a prompt."""

    text: str
    """Up to the stop string or the end token, both left out."""
    input_tokens: int
    """The start token included."""
    cached_tokens: int = 0
    """Those of them that were not run again, because a prompt before began with the same."""
    output_tokens: int
    """The one that ended the text included."""
    truncated: bool
    """Whether it ended only because it might not be longer."""


def prompt_ids(model: LanguageModel, prompt: str) -> list[int]:
    """A prompt's tokens behind the model's start token; none is added before a special token, as of a chat template.

    Raises InputError for a prompt that leaves no room for an answer.
    """
    ids = model.encode(prompt)
    special = {token_id for token_id, token in model.tokenizer.added_tokens_decoder.items() if token.special}
    if not ids or ids[0] not in special:
        ids = [model.separator_id, *ids]
    check_room(model, len(ids) + 1)
    return ids


class Writing:
    """A text in the making."""

    def __init__(self, model: LanguageModel, wanted: Wanted) -> None:
        self.wanted = wanted
        self.ids: list[int] = []
        """What is written so far."""
        self.cached_tokens = 0
        self.dice = torch.Generator().manual_seed(wanted.seed)
        self._model = model
        self._ends = end_ids(model)
        room = context_size(model)
        self._limit = wanted.max_tokens if room is None else min(wanted.max_tokens, room - len(wanted.prompt))

    def add(self, token: int) -> Generated | None:
        """One more token; the finished text, where it ends it."""
        self.ids.append(token)
        if token in self._ends:
            return self._done(self._decoded(self.ids[:-1]), truncated=False)
        full = len(self.ids) >= self._limit
        if not self.wanted.stops and not full:
            return None
        text = self._decoded(self.ids)
        found = [place for place in map(text.find, self.wanted.stops) if place >= 0]
        if not found and not full:
            return None
        return self._done(text[: min(found, default=None)], truncated=not found)

    def _done(self, text: str, *, truncated: bool) -> Generated:
        return Generated(
            text=text,
            input_tokens=len(self.wanted.prompt),
            cached_tokens=self.cached_tokens,
            output_tokens=len(self.ids),
            truncated=truncated,
        )

    def _decoded(self, ids: list[int]) -> str:
        decode = self._model.tokenizer.decode
        return str(decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def choose(logits: Tensor, texts: Sequence[Writing]) -> list[int]:
    """The next token of each text: [texts, vocabulary] -> ids."""
    chosen: list[int] = logits.argmax(-1).tolist()
    heats = {place: text.wanted.temperature for place, text in enumerate(texts) if text.wanted.temperature}
    if heats:
        drawn = list(heats)
        heat = torch.tensor([[temperature] for temperature in heats.values()])
        # One number a token, looked up in the cumulated probabilities: a rounding error then rarely changes a draw. On the
        # processor, for not every accelerator knows numbers of 64 bits.
        cumulated = (logits[drawn].cpu() / heat).softmax(-1).double().cumsum(-1)
        dice = [torch.rand(1, generator=texts[place].dice, dtype=torch.float64) for place in drawn]
        thrown = torch.stack(dice) * cumulated[:, -1:]
        found = torch.searchsorted(cumulated, thrown, right=True).clamp(max=logits.shape[-1] - 1)
        for place, token in zip(drawn, found[:, 0].tolist(), strict=True):
            chosen[place] = token
    return chosen


def end_ids(model: LanguageModel) -> frozenset[int]:
    """The tokens after which a text is over: EOS, a chat turn's end, and what separates documents."""
    tokenizer = model.tokenizer
    ids: set[Any] = {model.separator_id, tokenizer.eos_token_id}
    configured = getattr(model.module.generation_config, "eos_token_id", None)
    ids.update(configured if isinstance(configured, list) else [configured])
    turn = tokenizer.convert_tokens_to_ids("<|im_end|>")
    if turn != tokenizer.unk_token_id:
        ids.add(turn)
    return frozenset(token_id for token_id in ids if token_id is not None)


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
