"""Writing a store: its arrays, its strings, and last the manifest that makes it one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler import __version__
from labeler.evidence.store import FORMAT, Manifest


def write_store(
    folder: Path,
    arrays: Mapping[str, NDArray[Any]],
    *,
    texts: Sequence[str],
    vocabulary: Sequence[str],
    documents: Sequence[str],
    n_tokens: int,
    n_contexts: int,
    **origin: str,
) -> Manifest:
    """Write the arrays by file name, the strings, and the manifest over them and over what already lies in the folder.

    ``texts`` are the kept contexts', ``vocabulary`` the token strings by id.
    ``origin`` is the manifest's name, model, hook, dictionary, corpus and corpus_fingerprint; ``n_tokens`` and
    ``n_contexts`` are the corpus's, not those that were kept.
    """
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    strings: dict[str, NDArray[Any]] = {
        "contexts.text": np.frombuffer(b"".join(encoded), dtype=np.uint8),
        "contexts.text_start": np.cumsum([0, *map(len, encoded)], dtype=np.int64),
    }
    for name, array in {**arrays, **strings}.items():
        np.save(folder / f"{name}.npy", array)
    write_json(folder / "vocabulary.json", list(vocabulary))
    write_json(folder / "documents.json", list(documents))
    files = sorted([*folder.glob("*.npy"), folder / "vocabulary.json", folder / "documents.json"])
    manifest = Manifest(
        format=FORMAT,
        n_features=len(arrays["features.maximum"]),
        n_tokens=n_tokens,
        n_contexts=n_contexts,
        n_kept=len(arrays["contexts.lengths"]),
        n_pool=int(arrays["contexts.pool"].sum()),
        length=int(arrays["contexts.tokens"].shape[1]),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        labeler=__version__,
        files={path.name: sha256_of(path) for path in files},
        **origin,
    )
    write_json(folder / "manifest.json", vars(manifest))
    return manifest


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_json(path: Path, value: object) -> None:
    """Write a JSON file that appears whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8", errors="surrogatepass")
    part.rename(path)
