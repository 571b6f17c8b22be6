"""Files of facts by model, as users write them: JSON whose entries have types, and errors of one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from labeler.errors import InputError
from labeler.llm.foreign import parsed
from labeler.llm.names import LLMName

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_OURS = {
    *("model", "messages", "prompt", "system", "stream", "stream_options", "response_format", "output_config"),
    *("n", "best_of", "num_return_sequences", "candidate_count", "max_tokens", "max_length", "tools", "tool_choice"),
    *("functions", "logprobs", "echo"),
}
"""What a call is made of by the product itself."""
_LIMITS = {
    *("max_completion_tokens", "max_output_tokens", "max_new_tokens", "max_generated_tokens", "max_gen_len"),
    *("num_predict", "n_predict", "max_tokens_to_sample"),
}
"""What limits an answer, at any depth: budgets know the product's own limit only. (A ``max_tokens`` within another field is
one of a part.)"""
_SECRET_NAME = re.compile(
    r"^key$|^token$|(?:^|[-_])id[-_]?token$|(?:api|access|private|secret|auth|account|subscription)[-_]?keys?(?:$|[-_])"
    r"|(?:auth|access|api|bearer|refresh|session|security|hf|hub)[-_]?tokens?$"
    r"|secret|passw|authori[sz]ation|credential|bearer|cookie",
    re.IGNORECASE,
)
_SECRET = re.compile(
    r"\bsk-(?=[\w-]*[\d*])[\w*-]{6,}|\bbearer\s+\S|\bAIza[\w-]{20,}|\bAKIA[A-Z0-9]{12,}|\beyJ[\w-]{10,}\.[\w-]{10,}"
    r"|\b(?:gh[pousr]|github_pat|gsk|hf|xai|pk|rk|r8|nvapi|pplx|csk|fw|glpat|xox[abp])[-_](?=[\w-]*\d)[\w-]{16,}"
    r"|\b(?-i:(?=[A-Za-z]*\d)(?=[\da-z]*[A-Z])(?=[\dA-Z]*[a-z])[A-Za-z\d]{24,})\b",
    re.IGNORECASE,
)
"""How keys of providers begin, and what else nobody would write as a word: letters of both cases and digits in a row."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Rates(_Strict):
    """US dollars for a million tokens; what is cached or written costs as much as input where it is left out."""

    input: Amount
    cached: Amount | None = None
    written: Amount | None = None
    output: Amount


class Allowed(_Strict):
    """What a provider allows a minute; what is left out has no limit."""

    requests: Positive | None = None
    input_tokens: Positive | None = None
    output_tokens: Positive | None = None


class Entry(_Strict):
    """What a user says of one model."""

    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Fields that go into the body of every call: nothing secret, for bodies are kept and shown."""
    limits: Allowed | None = None
    prices: Rates | None = None
    context: Annotated[int, Field(ge=256)] | None = None
    """The tokens that it takes in and writes at once."""

    @field_validator("extra_body")
    @classmethod
    def _is_public(cls, value: dict[str, Any]) -> dict[str, Any]:
        leaves = list(_leaves(value))
        ours = [name for name in value if _plain(name) in _OURS]
        ours += [name for path, _ in leaves for name in path if _plain(name) in _LIMITS]
        if ours:
            raise ValueError(f"{ascii(ours[0])[:80]} is set by labeler itself")
        for path, text in leaves:
            if not isinstance(text, str):
                continue
            if _SECRET.search(text) or any(_SECRET_NAME.search(name) for name in path):
                raise ValueError(
                    f"{ascii('.'.join(path))[:80]} looks like a secret, and bodies are kept and shown; "
                    "keys belong in LABELER_API_KEYS"
                )
        return value


E = TypeVar("E", bound=BaseModel)


def read_entries(setting: str, path: Path, kind: type[E]) -> dict[str, E]:
    """The entries of a JSON file that a setting names, by model: ``provider:model``, with or without a base url.

    Of the kind ``Entry``, a bare provider may have limits, and nothing else. Raises InputError, in one line that names
    the setting, the file and the place in it, and repeats no value.
    """
    try:
        found = TypeAdapter(dict[str, kind]).validate_python(parsed(path.read_bytes()))  # type: ignore[valid-type]
        return {_name(written, entry): entry for written, entry in found.items()}
    except OSError as error:
        raise InputError(f"{setting}: cannot read '{path}': {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ", ".join(ascii(step)[:80] for step in first["loc"])
        raise InputError(f"{setting}: '{path}': {where}{': ' if where else ''}{first['msg']}") from None
    except (InputError, ValueError) as error:
        raise InputError(f"{setting}: '{path}': {error}") from None


def canonical(extra_body: Mapping[str, object]) -> str:
    """The fields as part of a question's key; empty where there are none."""
    return json.dumps(extra_body, sort_keys=True, separators=(",", ":")) if extra_body else ""


def _name(written: str, entry: BaseModel) -> str:
    if ":" in written or not isinstance(entry, Entry):
        return str(LLMName.parse(written)).rstrip("/")
    provider = LLMName.parse(f"{written}:any").provider
    if entry.model_fields_set - {"limits"}:
        raise InputError(f"{ascii(written)[:80]} is a whole provider, of which only limits can be said")
    return provider


def _plain(name: str) -> str:
    """A name in small letters, with its words parted by underscores."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|-", "_", name).lower()


def _leaves(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """The values within a value, each with the names that lead to it."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, str(name)))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, path)
    else:
        yield path, value
