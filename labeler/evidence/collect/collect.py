"""Model + dictionaries + corpus -> evidence, in one pass over the text and in segments that survive an interruption.

A model and a dictionary may be given by name or as objects that are in memory already.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labeler.errors import InputError, MissingExtraError
from labeler.evidence.collect.compaction import Building
from labeler.evidence.collect.forward import LENGTH, Collection, read_through
from labeler.evidence.collect.publish import discard, finish, recover
from labeler.evidence.collect.segments import Seen
from labeler.evidence.collect.stored import Stored
from labeler.evidence.collect.weights import from_weights
from labeler.evidence.corpora.registry import corpus_fingerprint, read_corpus
from labeler.evidence.dictionaries import Dictionary, load_dictionary
from labeler.evidence.dictionaries.neurons import NAME as NEURONS
from labeler.evidence.dictionaries.saelens import HELD, lacking, of_object
from labeler.evidence.store.manifest import FORMAT, write_json
from labeler.evidence.store.storage import MANIFEST, DamagedFileError, alone, check_name
from labeler.evidence.store.store import EvidenceStore
from labeler.features import SPLITS
from labeler.models.given import at_rest, given_model, identity
from labeler.models.hooks import HookPoint
from labeler.models.language import LanguageModel, load_language_model
from labeler.models.names import encoder_available, usual
from labeler.progress import Progress, silent

SPLIT_BY = "text"
"""What makes documents one, beside their names (``copies.py``)."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A dictionary to collect evidence for."""

    dictionary: str
    """A folder or file of a known family, ``hf://…``, or ``neurons``."""
    name: str
    """What to call its evidence."""
    hook: str | None = None
    """The hook point, where the dictionary does not say it itself."""
    loaded: Dictionary | None = field(default=None, repr=False)
    """The dictionary itself, where it is in memory already; ``dictionary`` is then what it is called."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A model that its user has loaded."""

    model: LanguageModel
    identity: str
    """What tells its weights from others', whatever both are called."""


@dataclass(frozen=True, kw_only=True)
class CollectRequest:
    """What to collect, in one pass."""

    model: str
    wanted: tuple[Wanted, ...]
    corpus: str
    """A file or folder of text, or ``sample``."""
    tokens: int | None = None
    """Stop in the window in which there are so many; None takes the whole corpus."""
    loaded: Loaded | None = None
    """The model itself, where it is in memory already; ``model`` is then what it is called."""


def collect(request: CollectRequest, dictionaries: Path, progress: Progress = silent) -> list[EvidenceStore]:
    """Run the model over the corpus once and keep the evidence of every dictionary under ``dictionaries``/name.

    A call that was interrupted goes on from its last whole piece; one for more tokens than are there goes on from the
    store; one that was finished before only opens it. Raises InputError where the parts do not fit, the corpus has no
    text, or a name stands for something else.
    """
    _check(request)
    read_corpus(request.corpus)  # for what it raises: what is wrong is told before a model is loaded
    fingerprint = corpus_fingerprint(request.corpus)
    loaded = [_load(wanted) for wanted in request.wanted]
    model: LanguageModel | None = request.loaded.model if request.loaded else None
    if model is None and any(dictionary is None for dictionary, _ in loaded):
        model = load_language_model(request.model)
    with ExitStack() as locks:
        pending = []
        for wanted, (dictionary, hook) in zip(request.wanted, loaded, strict=True):
            if dictionary is None:
                assert model is not None
                basis = load_dictionary(NEURONS, width=model.width(hook))
                dictionary = dataclasses.replace(basis, hook=str(hook))
            settings = {
                "format": FORMAT,
                "model": request.loaded.identity if request.loaded else request.model,
                "dictionary": dictionary.fingerprint(),
                "hook": str(hook),
                "corpus": fingerprint,
                "splits": SPLIT_BY,
            }
            target = dictionaries / wanted.name
            locks.enter_context(alone(dictionaries, wanted.name))
            recover(target)
            if not _finished(target, settings, wanted.name, request.tokens):
                pending.append((wanted, dictionary, hook, settings, target))
            elif _work(target).exists():  # a kill came between the last two steps
                discard(_work(target))
        if pending:
            if not encoder_available():
                raise MissingExtraError("collecting evidence", "local")
            model = model or load_language_model(request.model)
            for wanted, dictionary, hook, _, _ in pending:
                _check_width(wanted, dictionary, hook, model, request.model)
            opened = [_open(wanted, fitting(d, model), hook, stated, at) for wanted, d, hook, stated, at in pending]
            _collect(opened, model, request, progress)
    return [EvidenceStore(dictionaries / wanted.name) for wanted in request.wanted]


def _check(request: CollectRequest) -> None:
    names = [check_name(wanted.name) for wanted in request.wanted]
    if len(set(names)) < len(names):
        raise InputError(
            f"'{max(names, key=names.count)}' is given as the name of two dictionaries; each needs its own"
        )
    if request.tokens is not None and request.tokens < 1:
        raise InputError(f"cannot collect {request.tokens} tokens; give 1 or more")


def _load(wanted: Wanted) -> tuple[Dictionary | None, HookPoint]:
    """A dictionary and its hook point; none yet for ``neurons``, whose width only the model knows."""
    if wanted.dictionary == NEURONS and wanted.loaded is None:
        if wanted.hook is None:
            raise InputError("the dictionary 'neurons' is the basis of a hook point; name it with `hook`")
        return None, HookPoint.parse(wanted.hook)
    dictionary = wanted.loaded if wanted.loaded is not None else load_dictionary(wanted.dictionary)
    if wanted.hook is not None:
        dictionary = dataclasses.replace(dictionary, hook=wanted.hook)
    if not dictionary.hook:
        raise InputError(
            f"dictionary '{wanted.dictionary}' does not say which hook point it reads; name it with `hook`"
        )
    return dictionary, HookPoint.parse(dictionary.hook)


def _finished(target: Path, settings: dict[str, Any], name: str, tokens: int | None) -> bool:
    """Whether a store is there already that has as many tokens as are wanted; InputError where it is another's."""
    if not target.exists():
        return False
    progress = EvidenceStore(target).manifest.progress
    # One whose documents were told apart by name alone is opened as it is; only what is added to has to be like it.
    check_same(progress.get("settings"), {k: v for k, v in settings.items() if k != "splits"}, name, target)
    exhausted = bool(progress.get("exhausted"))
    if exhausted or (tokens is not None and int(progress["seen"]["n_tokens"]) >= tokens):
        return True
    check_same(progress["settings"], settings, name, target)
    return False


def _open(
    wanted: Wanted, dictionary: Dictionary, hook: HookPoint, settings: dict[str, Any], target: Path
) -> Collection:
    """Take up what there is: a store, the pieces of an unfinished collection, or nothing."""
    work = _work(target)
    work.mkdir(parents=True, exist_ok=True)
    stated = work / "collection.json"
    if stated.exists():
        check_same(_read(stated), settings, wanted.name, work)
    else:
        write_json(stated, settings)
    base = Stored(EvidenceStore(target)) if target.exists() else None
    building = Building(work / "parts", dictionary.n_features, base, base.seen if base else None)
    return Collection(wanted.name, wanted.dictionary, dictionary, hook, settings, target, building)


def _work(target: Path) -> Path:
    return target.with_name(f".collecting-{target.name}")


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise DamagedFileError(path, str(error)) from error


def fitting(dictionary: Dictionary, model: LanguageModel) -> Dictionary:
    """The dictionary as this model wants it.

    TransformerLens centres no residual stream that RMS norms read; which tokens are special the tokenizer knows; and no
    window is longer than what the model takes.
    """
    if dictionary.input.centre and not model.centres:
        dictionary = dataclasses.replace(dictionary, input=dataclasses.replace(dictionary.input, centre=False))
    if dictionary.excluded is True:
        dictionary = dataclasses.replace(dictionary, excluded=tuple(map(int, model.tokenizer.all_special_ids)))
    if dictionary.window and model.longest:
        dictionary = dataclasses.replace(dictionary, window=min(dictionary.window, model.longest - 1))
    return dictionary


def _check_width(wanted: Wanted, dictionary: Dictionary, hook: HookPoint, model: LanguageModel, name: str) -> None:
    """Whether it reads and writes what the model has there: told before the first token, not behind the last."""
    if dictionary.hook_out:
        model.width(HookPoint.parse(dictionary.hook_out))
    width = model.width(hook)
    if width != dictionary.d_model:
        trained = f" ({dictionary.model})" if dictionary.model else ""
        raise InputError(
            f"dictionary '{wanted.dictionary}' reads {dictionary.d_model} dimensions, but at {hook} '{name}' has {width}; "
            f"use the model and the hook point that it was trained on{trained}"
        )


def _collect(
    collections: Sequence[Collection], model: LanguageModel, request: CollectRequest, progress: Progress
) -> None:
    try:
        exhausted: dict[str, bool] = {}
        for window in dict.fromkeys(each.window for each in collections):
            alike = [each for each in collections if each.window == window]
            at_end = read_through(alike, model, request.corpus, request.tokens, progress)
            exhausted |= {each.name: at_end for each in alike}
        for each in collections:
            _check_seen(each.building.seen, request.corpus)
    except DamagedFileError:
        raise
    except InputError:  # what is wrong with the input stays wrong: nothing is left to go on from
        for each in collections:
            discard(each.building.folder.parent)
        raise
    like: list[EvidenceStore] = []
    for each in collections:
        like.append(_finish(each, model, like, request, exhausted[each.name], progress))


def _finish(
    each: Collection,
    model: LanguageModel,
    like: Sequence[EvidenceStore],
    request: CollectRequest,
    exhausted: bool,
    progress: Progress,
) -> EvidenceStore:
    building, work = each.building, each.building.folder.parent
    going_on = {
        "settings": each.settings,
        "seen": dataclasses.asdict(building.seen),
        "asked": request.tokens,
        "exhausted": exhausted,
    }
    if not building.n_pieces:  # a store that was to be gone on with, and its corpus had no more
        manifest = dataclasses.replace(EvidenceStore(each.target).manifest, progress=going_on)
        write_json(each.target / MANIFEST, manifest.stored())
        discard(work)
        return EvidenceStore(each.target)
    merged = building.merge()
    columns, neighbours = from_weights(each.dictionary, model)
    return finish(
        merged,
        building.seen,
        work,
        each.target,
        n_features=building.n_features,
        columns=columns,
        neighbours=neighbours,
        vocabulary=model.vocabulary(),
        length=LENGTH,
        like=[*like[:1], *([EvidenceStore(each.target)] if each.target.exists() else [])],
        origin={
            "name": each.name,
            "model": request.model,
            "hook": str(each.hook),
            "dictionary": each.source,
            "source": "collected",
            "corpus": request.corpus,
            "corpus_fingerprint": each.settings["corpus"],
            "progress": going_on,
        },
        progress=progress,
    )


def _check_seen(seen: Seen, corpus: str) -> None:
    if not seen.n_tokens:
        raise InputError(f"corpus '{corpus}' has no text; give one with at least a sentence")
    empty = [name for name, n in zip(SPLITS, seen.splits, strict=True) if not n]
    if empty:
        raise InputError(
            f"corpus '{corpus}' has too few documents: none falls into the split '{empty[0]}'; give more, each a line "
            "of .jsonl or a block of .txt, for no document may serve two purposes, and copies are one document"
        )


def check_same(there: object, settings: dict[str, Any], name: str, place: Path) -> None:
    """InputError where what stands under a name was made from something else."""
    if not isinstance(there, dict):
        raise InputError(f"'{name}' exists, but was not collected here; choose another `name`")
    different = [key for key, value in settings.items() if _meant(key, there.get(key)) != _meant(key, value)]
    if different:
        raise InputError(
            f"'{name}' exists and was collected from something else ({', '.join(different)} differ); "
            f"choose another `name`, or delete '{place}'"
        )


def _meant(key: str, value: object) -> object:
    """A setting as it is compared: of a model's names the usual one."""
    return usual(value) if key == "model" and isinstance(value, str) else value


def wanted(name: str, given: Any, hook: str | None) -> Wanted:
    """A dictionary to collect for: a path or name, an autoencoder of SAELens, or one that was read by this package.

    InputError for anything else.
    """
    if isinstance(given, str | Path):
        return Wanted(dictionary=str(given), name=name, hook=hook)
    source = f"{type(given).__name__} in memory"
    if isinstance(given, Dictionary):
        return Wanted(dictionary=source, name=name, hook=hook, loaded=given.to("cpu"))
    missing = lacking(given)
    if not missing:
        return Wanted(dictionary=source, name=name, hook=hook, loaded=of_object(given))
    if len(missing) < len(HELD):
        raise InputError(
            f"dictionary is a {type(given).__name__} without {', '.join(missing)}; an autoencoder has W_enc [d_in, d_sae], "
            "W_dec [d_sae, d_in], b_enc, b_dec and cfg"
        )
    raise InputError(
        f"dictionary is a {type(given).__name__}; give a folder, a file, hf://ORG/REPO, 'neurons', or an autoencoder of "
        "SAELens (whatever has W_enc, W_dec, b_enc, b_dec and cfg)"
    )


@contextmanager
def held(model: Any, tokenizer: Any) -> Iterator[tuple[str, Loaded | None]]:
    """A model's name, and the model itself where it is loaded: in evaluation mode, for as long as the context lasts.

    InputError for what is no model, and for a tokenizer without one.
    """
    if isinstance(model, str | Path):
        if tokenizer is not None:
            raise InputError(f"tokenizer goes with a loaded model; '{model}' brings its own")
        yield str(model), None
        return
    loaded = given_model(model, tokenizer)
    with at_rest(model):
        yield loaded.name, Loaded(model=loaded, identity=identity(loaded))
