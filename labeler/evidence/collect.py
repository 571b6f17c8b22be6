"""Model + dictionary + corpus -> evidence, in pieces that survive an interruption."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labeler.errors import InputError, MissingExtraError
from labeler.evidence.corpus import corpus_fingerprint, read_corpus
from labeler.evidence.dictionaries import Dictionary, load_dictionary
from labeler.evidence.gather import Gathering, Kept, keep
from labeler.evidence.shards import DamagedShardError, Shard, make_shard
from labeler.evidence.store import FORMAT, EvidenceStore
from labeler.evidence.weights import near_duplicates, promoted_tokens
from labeler.evidence.windows import batches, residuals, windows
from labeler.evidence.writing import write_json, write_store
from labeler.features import SPLITS
from labeler.models.encoder import load_encoder
from labeler.models.language import HookPoint, LanguageModel, load_language_model
from labeler.models.names import encoder_available
from labeler.progress import Progress, silent

LENGTH = 32
"""Tokens in a context."""

SHARD_TOKENS = 16_384
"""Tokens between two points at which an interrupted collection can go on; about eight seconds on a laptop."""

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")


@dataclass(frozen=True, kw_only=True)
class CollectRequest:
    """What to collect, and the name to keep it under."""

    model: str
    dictionary: str
    """A folder of a known family."""
    corpus: str
    """A .jsonl, a .txt, or ``sample``."""
    name: str
    tokens: int | None = None
    """Stop after about this many; None takes the whole corpus."""


def check_name(name: str) -> str:
    """The name itself; InputError where it could not be a folder's."""
    if not _NAME.match(name):
        raise InputError(f"'{name}' cannot name a dictionary; use letters, digits, '.', '_' and '-', at most 100")
    return name


def collect(request: CollectRequest, dictionaries: Path, progress: Progress = silent) -> EvidenceStore:
    """Run the model over the corpus and keep the evidence of every feature under ``dictionaries``/name.

    A call that was interrupted goes on from its last whole piece; one that was finished before only opens the store.
    Raises InputError where the parts do not fit, the corpus has no text, or the name stands for something else.
    """
    target = dictionaries / check_name(request.name)
    dictionary = load_dictionary(request.dictionary)
    # Both for what they raise: what is wrong is told before the model is loaded.
    HookPoint.parse(dictionary.hook)
    read_corpus(request.corpus)
    settings = {
        "format": FORMAT,
        "model": request.model,
        "dictionary": dictionary.fingerprint(),
        "corpus": corpus_fingerprint(request.corpus),
        "tokens": request.tokens,
    }
    if target.exists():
        _check_same(target / "collection.json", settings, request.name)
        return EvidenceStore(target)
    if request.tokens is not None and request.tokens < 1:
        raise InputError(f"cannot collect {request.tokens} tokens; give 1 or more")

    if not encoder_available():
        raise MissingExtraError("collecting evidence", "local")
    model = load_language_model(request.model)
    if model.d_model != dictionary.d_model:
        raise InputError(
            f"dictionary '{request.dictionary}' reads {dictionary.d_model} dimensions, but the residual stream of "
            f"'{request.model}' has {model.d_model}; use the model that it was trained on ({dictionary.model})"
        )
    work = dictionaries / f".collecting-{request.name}"
    work.mkdir(parents=True, exist_ok=True)
    if (work / "collection.json").exists():
        _check_same(work / "collection.json", settings, request.name)
    else:
        write_json(work / "collection.json", settings)

    with _alone(work, request.name):
        try:
            gathering = _read(request, dictionary, model, work, progress)
        except DamagedShardError:
            raise
        except InputError:  # what is wrong with the input stays wrong: nothing is left to go on from
            shutil.rmtree(work)
            raise
        _finish(request, dictionary, model, gathering, work, progress)
    # From here on it is a store; the pieces are only in the way, and a call that ends here leaves nothing but them.
    work.rename(target)
    for piece in [*target.glob("shard-*.npz*"), target / "lock"]:
        piece.unlink()
    return EvidenceStore(target)


@contextmanager
def _alone(work: Path, name: str) -> Iterator[None]:
    """Keeps a second call for the same name out; the system frees the lock of a call that was killed."""
    with (work / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f"'{name}' is being collected by another process; wait for it, or choose another --as"
            ) from None
        yield


def _read(
    request: CollectRequest, dictionary: Dictionary, model: LanguageModel, work: Path, progress: Progress
) -> Gathering:
    """Run the model over the corpus, or over what an earlier call left of it; a file in ``work`` for every piece."""
    hook = HookPoint.parse(dictionary.hook)
    gathering = Gathering(dictionary.n_features)
    for number, batch in enumerate(batches(windows(read_corpus(request.corpus), model), SHARD_TOKENS)):
        path = _shard_path(work, number)
        if path.exists():
            shard = Shard.load(path)
        else:
            shard = make_shard(batch, residuals(model, hook, batch), dictionary, LENGTH)
            shard.save(path)
        gathering.add(number, shard)
        progress("reading the corpus", gathering.n_tokens, request.tokens, "tokens")
        if request.tokens is not None and gathering.n_tokens >= request.tokens:
            break
    if not gathering.n_tokens:
        raise InputError(f"corpus '{request.corpus}' has no text; give one with at least a sentence")
    empty = [name for name, n in zip(SPLITS, gathering.splits, strict=True) if not n]
    if empty:
        raise InputError(
            f"corpus '{request.corpus}' has too few documents: none falls into the split '{empty[0]}'; give more, each a line "
            "of .jsonl or a block of .txt, for no document may serve two purposes"
        )
    return gathering


def _shard_path(work: Path, number: int) -> Path:
    return work / f"shard-{number:05d}.npz"


def _finish(
    request: CollectRequest,
    dictionary: Dictionary,
    model: LanguageModel,
    gathering: Gathering,
    work: Path,
    progress: Progress,
) -> None:
    """Turn the shards in ``work`` into a store, in place."""
    numbers = sorted(int(path.stem.removeprefix("shard-")) for path in work.glob("shard-*.npz"))

    def shards() -> Iterator[tuple[int, Shard]]:
        for done, number in enumerate(numbers, 1):
            yield number, Shard.load(_shard_path(work, number))
            progress("gathering contexts", done, len(numbers), "pieces")

    kept = keep(gathering, shards)
    arrays = {
        **kept.arrays,
        **promoted_tokens(dictionary.W_dec, model.unembedding()),
        "features.near": near_duplicates(dictionary.W_dec),
    }
    _encode(kept, work, progress)
    write_store(
        work,
        arrays,
        texts=kept.texts,
        vocabulary=model.vocabulary(),
        documents=kept.documents,
        name=request.name,
        model=request.model,
        hook=dictionary.hook,
        dictionary=request.dictionary,
        corpus=request.corpus,
        corpus_fingerprint=corpus_fingerprint(request.corpus),
        n_tokens=gathering.n_tokens,
        n_contexts=gathering.n_contexts,
    )


def _encode(kept: Kept, work: Path, progress: Progress) -> None:
    """The encoder's states of every kept context, written as they come: [n, length, width] float16."""
    encoder = load_encoder()
    lengths, ends = kept.arrays["contexts.lengths"], kept.arrays["contexts.ends"]
    n, length = ends.shape
    out = np.lib.format.open_memmap(
        work / "contexts.states.npy", mode="w+", dtype=np.float16, shape=(n, length, encoder.width)
    )
    # Like lengths together: a batch costs what its longest member costs.
    order = np.argsort(lengths, kind="stable")
    for start in range(0, n, 64):
        rows = order[start : start + 64]
        out[rows] = encoder.tokens(
            [kept.texts[row] for row in rows], [ends[row, : lengths[row]] for row in rows], length
        )
        progress("encoding contexts", min(start + 64, n), n, "contexts")
    out.flush()


def _check_same(path: Path, settings: dict[str, object], name: str) -> None:
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(
            f"'{name}' exists, but was not collected here ({path.name} is missing); choose another --as"
        ) from error
    different = [key for key, value in settings.items() if there.get(key) != value]
    if different:
        raise InputError(
            f"'{name}' exists and was collected from something else ({', '.join(different)} differ); "
            f"choose another --as, or delete '{path.parent}'"
        )
