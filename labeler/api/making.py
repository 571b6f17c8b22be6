"""Evidence that comes here: collected from a model, or imported from where others collected it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeler.api.dictionary import Dictionary
from labeler.api.tools import has_catalogue, open_catalogue, settings_of
from labeler.arguments import check_called, name_of, path_of, whole
from labeler.arguments import shown as quoted
from labeler.errors import InputError
from labeler.models.names import check_name, torch_available
from labeler.notebook import shown
from labeler.progress import Progress
from labeler.settings import Settings

# What a call needs is imported there: a look at a row should not have to wait for the SDKs of language models.
if TYPE_CHECKING:
    from torch.nn import Module

    from labeler.evidence.dictionaries import Dictionary as WeightsOfDictionary
    from labeler.evidence.dictionaries.saelens import Autoencoder


PROGRESS = "a stage, how much of it is done, of how much, and in what unit"
"""What is called again and again while evidence is made."""


def collect(
    *,
    model: str | Path | Module,
    dictionary: str | Path | Autoencoder | WeightsOfDictionary,
    corpus: str | Path,
    name: str,
    hook: str | None = None,
    tokens: int | None = None,
    tokenizer: Any = None,
    home: str | Path | None = None,
    progress: Progress | None = None,
) -> Dictionary:
    """Run a model over a corpus and keep every feature's evidence; interrupted and called again, it goes on.

    ``model`` is a name or folder, or a causal model of transformers that is loaded, with its ``tokenizer``;
    ``dictionary`` is a folder, a file, a name, or an autoencoder of SAELens in memory. What is in memory is told by its
    weights: the same ones go on, others are refused under this name. ``corpus`` is a file, a folder, ``sample``, or a
    data set on the Hugging Face hub. ``hook`` names the hook point where the dictionary does not. It stops in the window
    in which ``tokens`` are there; called for more than that, it adds them. What it read, and what it left out as copies,
    ``Dictionary.collected`` tells. Raises InputError.
    """
    return collect_together(
        model=model,
        wanted={name_of(name, "name", "the new dictionary"): (dictionary, hook)},
        corpus=corpus,
        tokens=tokens,
        tokenizer=tokenizer,
        home=home,
        progress=progress,
    )[0]


def collect_together(
    *,
    model: str | Path | Module,
    wanted: Mapping[str, tuple[str | Path | Autoencoder | WeightsOfDictionary, str | None]],
    corpus: str | Path,
    tokens: int | None = None,
    tokenizer: Any = None,
    home: str | Path | None = None,
    progress: Progress | None = None,
) -> list[Dictionary]:
    """The same for several dictionaries of one model in one pass over the text: name -> dictionary, hook point."""
    if not torch_available():
        from labeler.errors import MissingExtraError

        raise MissingExtraError("collecting evidence", "local")
    if isinstance(model, str | Path):
        check_name(str(model))
    from labeler.evidence.collect.collect import CollectRequest, held
    from labeler.evidence.collect.collect import collect as run_collection
    from labeler.evidence.collect.collect import wanted as to_collect

    chosen = settings_of(home)
    check_called(progress, "progress", PROGRESS)
    if not isinstance(wanted, Mapping) or not all(isinstance(one, tuple) and len(one) == 2 for one in wanted.values()):
        raise InputError(
            f"wanted is {quoted(wanted)}; give a dictionary and its hook point, or None, by the names of the new"
        )
    for name, (_, hook) in wanted.items():
        name_of(name, "name", "the new dictionary")
        if hook is not None:
            name_of(hook, "hook", "a hook point, such as 'blocks.12.hook_resid_post'")
    if not isinstance(corpus, str | Path):
        raise InputError(f"corpus is a {type(corpus).__name__}; give a file, a folder, 'sample', or a data set's name")
    asked = tuple(to_collect(name, given, hook) for name, (given, hook) in wanted.items())
    with shown(progress) as told, held(model, tokenizer) as (called, loaded):
        request = CollectRequest(
            model=called,
            wanted=asked,
            corpus=str(corpus),
            tokens=None if tokens is None else whole(tokens, "tokens"),
            loaded=loaded,
        )
        stores = run_collection(request, writable_shelf(chosen), told)
    return [Dictionary(store.manifest.name, store, chosen) for store in stores]


def writable_shelf(chosen: Settings) -> Path:
    """The folder that new evidence goes to; InputError where dictionaries are read from a URL."""
    from labeler.evidence.store.storage import is_remote

    if is_remote(chosen.shelf):
        raise InputError(
            "LABELER_DICTIONARIES is a URL, which is only read; unset it to make evidence here, then copy its folder there"
        )
    return Path(chosen.shelf)


def find_evidence(path: str | Path) -> Path:
    """Where foreign evidence lies: at a path, in a folder below it, or around it where it is a part of an export.

    InputError where several lie there; the path itself where none does.
    """
    from labeler.evidence.importers.opening import find_export

    return find_export(path_of(path, "path"))


def import_evidence(
    path: str | Path,
    name: str,
    *,
    model: str | Path | None = None,
    home: str | Path | None = None,
    progress: Progress | None = None,
) -> Dictionary:
    """Bring foreign evidence here, its format found by looking; what is there of the same origin is added to.

    It is looked for at the path and around it (``find_evidence``). The labels in its ``explanations/`` are taken along
    (``Dictionary.imported``). ``model`` names the language model whose tokenizer
    reads the token ids of a Delphi cache. Raises InputError where the files are of no known format or damaged; nothing
    is left then.
    """
    from labeler.catalogue.label_files import beside, read
    from labeler.evidence.importers.opening import bring

    chosen = settings_of(home)
    name_of(name, "name", "the new dictionary")
    check_called(progress, "progress", PROGRESS)
    if model is not None:
        model = name_of(str(model) if isinstance(model, Path) else model, "model", "a language model, or its folder")
    shelf, found = writable_shelf(chosen), find_evidence(path)
    folder = beside(Path(path), found)
    theirs = read(folder, lambda index: None).candidates if folder else {}
    anew = not (shelf / name).exists()
    # Opened before anything is written: a database that cannot be reached is told now.
    catalogue = open_catalogue(chosen) if theirs or has_catalogue(chosen) else None
    with shown(progress) as told:
        store = bring(found, name, shelf, model, told)
    if catalogue is not None:
        here = set(store.indices.tolist())
        catalogue.keep_imported(name, {index: mine for index, mine in theirs.items() if index in here}, anew=anew)
    return Dictionary(name, store, chosen)
