"""Damage to files, of every kind that a bad disk, a half download, a careless exporter or an enemy would do."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

_RAW = "@raw-{}@"
_RAWS = ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000, "9" * 5_000, "1e999", "-0.0", "00", "nul"]
"""JSON that Python would not write, or no JSON at all; stands for a string of the form ``_RAW``."""

_VALUES: list[Any] = [
    *(None, True, False, [], {}, "", 0, 1, -1, 3, 12, 2**31 - 1, 2**31, 2**63, 2**64, 10**400, -(10**400)),
    *(0.5, -0.5, 1.0, 1.5, 1e-320, 1e39, -1e39, 1e308, float("nan"), float("inf"), float("-inf")),
    *(
        "0",
        "3",
        "-1",
        "1.5",
        "1e3",
        " 7 ",
        "٣",
        "9" * 30,
        "x" * 100_000,
        "NaN",
        "../../etc/passwd",
        "line\nbreak\u2028",
    ),
    *(
        "\0",
        "\ud83d",
        "a\udc80b",
        "Ġ",
        "▁the",
        "âĢľ",
        "âĢ",
        "â€œ",
        "<0xE2>",
        "<0x00>",
        "Ā",
        "<bos>",
        "<|endoftext|>",
        "é",
    ),
    *(
        [0],
        ["a"],
        [None],
        [[[]]],
        {"tokens": ["a"], "values": [1.0], "activations": [1.0]},
        ["<bos>", "<bos>"],
        [1] * 6,
    ),
    *(_RAW.format(i) for i in range(len(_RAWS))),
]


def mutate(root: Path, chance: random.Random) -> None:
    """Damage one file, or what stands for it, in one way or several."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    path = chance.choice(files)
    if chance.random() < 0.03:
        _displace(path, chance)
        return
    data = path.read_bytes()
    packed = data[:2] == b"\x1f\x8b"
    if not packed or chance.random() < 0.25:
        path.write_bytes(_damaged(data, chance))
    else:
        path.write_bytes(gzip.compress(_damaged(gzip.decompress(data), chance), 1, mtime=0))


def _damaged(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        value = _parsed(data)
        data = (
            chance.choice(_BYTES)(data, chance)
            if value is None or chance.random() < 0.3
            else _rewritten(*value, chance)
        )
    return data


def _displace(path: Path, chance: random.Random) -> None:
    """The file is gone, doubled, called otherwise, or a folder."""
    way = chance.randrange(4)
    if way == 0:
        path.unlink()
    elif way == 1:
        shutil.copy(path, path.with_name("batch-77" + "".join(path.suffixes)))
    elif way == 2:
        path.rename(path.with_name(chance.choice(["x", "batch-5.json", "batch-0.jsonl.gz", "7", "a\nb.json"])))
    else:
        path.unlink()
        path.mkdir()


# --- bytes ------------------------------------------------------------------------------------------------------


def _flip(data: bytes, chance: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(chance.choice([1, 2, 8]) if out else 0):
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    return bytes(out)


def _stretch(data: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data) + 1)
    return start, min(len(data), start + chance.choice([1, 2, 16, 400]))


def _cut_out(data: bytes, chance: random.Random) -> bytes:
    start, stop = _stretch(data, chance)
    return data[:start] + data[stop:]


def _cut_short(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _zero(data: bytes, chance: random.Random) -> bytes:
    start, stop = _stretch(data, chance)
    return data[:start] + bytes(stop - start) + data[stop:]


def _insert(data: bytes, chance: random.Random) -> bytes:
    start, _ = _stretch(data, chance)
    more = [
        chance.randbytes(4),
        b"\n",
        b'"',
        b"[",
        b"}",
        b"\xff\xfe",
        b"NaN",
        b"\xed\xa0\x80",
        b"-",
        b"\\u0000",
        b"\\ud800",
    ]
    return data[:start] + chance.choice(more) + data[start:]


def _repeat(data: bytes, chance: random.Random) -> bytes:
    start, stop = _stretch(data, chance)
    return data[:stop] + data[start:]


def _empty(data: bytes, chance: random.Random) -> bytes:
    return chance.choice([b"", b"\n", b"\xef\xbb\xbf", b"null", b"{}", b"[]", data[:2], zlib.compress(data)])


_BYTES: list[Callable[[bytes, random.Random], bytes]] = [_flip, _cut_out, _cut_short, _zero, _insert, _repeat, _empty]

# --- JSON -------------------------------------------------------------------------------------------------------


def _parsed(data: bytes) -> tuple[list[Any], bool] | None:
    """The values of a JSON or JSON-lines text, and whether it is lines; None where it is neither."""
    try:
        text = data.decode()
        try:
            return [json.loads(text)], False
        except ValueError:
            return [json.loads(line) for line in text.splitlines() if line], True
    except (ValueError, RecursionError):
        return None


def _rewritten(values: list[Any], are_lines: bool, chance: random.Random) -> bytes:
    """The text with one value within it replaced, taken away, doubled or moved."""
    places = [(values, key) for key in range(len(values))] if are_lines else []
    for value in values:
        places += _places(value)
    if places:
        # Half of the time something near the top, where most of what is read is named.
        holder, key = chance.choice(places[: 1 + len(places) // 4] if chance.random() < 0.5 else places)
        chance.choice([_replace, _replace, _replace, _drop, _double, _swap])(holder, key, chance)
    text = "\n".join(json.dumps(value) for value in values)
    for i, raw in enumerate(_RAWS):
        text = text.replace(json.dumps(_RAW.format(i)), raw)
    return text.encode() + b"\n" * are_lines


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every place within a value, the outer before the inner."""
    places: list[tuple[Any, Any]] = []
    level = [value]
    while level:
        holders = [v for v in level if isinstance(v, list | dict)]
        here = [(v, key) for v in holders for key in (v if isinstance(v, dict) else range(len(v)))]
        places += here
        level = [v[key] for v, key in here]
    return places


def _replace(holder: Any, key: Any, chance: random.Random) -> None:
    holder[key] = chance.choice(_VALUES)


def _drop(holder: Any, key: Any, _: random.Random) -> None:
    del holder[key]


def _double(holder: Any, key: Any, chance: random.Random) -> None:
    if isinstance(holder, list):
        holder.insert(key, holder[key])
    else:
        holder[chance.choice([*holder, "other"])] = holder[key]


def _swap(holder: Any, key: Any, chance: random.Random) -> None:
    other = chance.choice([*holder] if isinstance(holder, dict) else range(len(holder)))
    holder[key], holder[other] = holder[other], holder[key]
