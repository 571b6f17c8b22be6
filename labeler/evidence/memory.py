"""What a collection works with where it is in memory already: autoencoders and a model in the place of their names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labeler.errors import InputError
from labeler.evidence.collect import Loaded, Wanted
from labeler.evidence.dictionaries import Dictionary
from labeler.evidence.dictionaries.saelens import is_object, of_object
from labeler.models.given import at_rest, given_model, identity


def wanted(name: str, given: Any, hook: str | None) -> Wanted:
    """A dictionary to collect for: a path or name, an autoencoder of SAELens, or one that was read by this package.

    InputError for anything else.
    """
    if isinstance(given, str | Path):
        return Wanted(dictionary=str(given), name=name, hook=hook)
    source = f"{type(given).__name__} in memory"
    if isinstance(given, Dictionary):
        return Wanted(dictionary=source, name=name, hook=hook, loaded=given.to("cpu"))
    if is_object(given):
        return Wanted(dictionary=source, name=name, hook=hook, loaded=of_object(given))
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
