"""Files from strangers: nothing runs, nothing is allocated on a header's word, and every refusal is an InputError."""

import io
import json
import os
import random
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from labeler.errors import InputError
from labeler.evidence.dictionaries import load_dictionary
from tests.fakes.dictionary import (
    EVERY,
    dictionary_learning_state,
    random_weights,
    save_dictionary,
    save_dictionary_learning,
    save_gemma_scope,
    save_openai,
    save_torch,
)

BIG = 10 * 2**30


class Code:
    """Pickled, it asks to make a folder when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def refused(source, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        load_dictionary(source)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000
    assert "weights_only" not in str(error.value), "nobody may be advised to load it unsafely"


def test_a_pickle_with_code_is_not_run(tmp_path):
    state = {**dictionary_learning_state("AutoEncoder"), "extra": Code(tmp_path / "pwned")}
    save_torch(tmp_path / "ae.pt", state)
    refused(tmp_path, "a pickle that could run code, which is never loaded")
    torch.save(state, tmp_path / "ae.pt", _use_new_zipfile_serialization=False)
    refused(tmp_path, "expected a file|not a file that torch.save wrote")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("value", [[1, 2], torch.zeros(3), "text", None])
def test_a_torch_file_of_something_else_is_named(tmp_path, value):
    save_torch(tmp_path / "ae.pt", value)
    refused(tmp_path, "holds no named tensors")


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(BIG // 32, 32),
        torch.zeros(1, 1).expand(2**20, 2**20),
        torch.zeros(64, 32).to_sparse(),
        torch.zeros(64, 32, device="meta"),
    ],
)
def test_tensors_that_are_not_in_their_file_are_refused(tmp_path, tensor):
    save_torch(tmp_path / "ae.pt", {**dictionary_learning_state("AutoEncoder"), "encoder.weight": tensor})
    refused(tmp_path, "encoder.weight is no dense tensor, or larger than its file|damaged")


def test_a_compressed_torch_file_is_refused_before_it_swells(tmp_path):
    path = save_dictionary_learning(tmp_path, "AutoEncoder") / "ae.pt"
    with zipfile.ZipFile(path) as plain:
        members = {name: plain.read(name) for name in plain.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    refused(tmp_path, "compressed, which torch.save never does")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 7,
        struct.pack("<Q", 2**60) + b"{}",
        struct.pack("<Q", 3) + b"{}",
        *(
            struct.pack("<Q", len(header)) + header + b"\x00" * 8
            for header in (
                json.dumps({"W_enc": {"dtype": "F32", "shape": [BIG // 4], "data_offsets": [0, BIG]}}).encode(),
                json.dumps({"W_enc": {"dtype": "F32", "shape": [BIG // 4], "data_offsets": [0, 8]}}).encode(),
                json.dumps({"W_enc": {"dtype": "F32", "shape": [-2, -1], "data_offsets": [0, 8]}}).encode(),
                b'{"a":' * 5000,
                b"[" * 5000,
            )
        ),
    ],
)
def test_a_safetensors_header_is_not_believed(tmp_path, content):
    (save_dictionary(tmp_path) / "sae_weights.safetensors").write_bytes(content)
    refused(tmp_path, "not a readable safetensors file")


def npy(shape: tuple[int, ...], content: bytes) -> bytes:
    """An .npy file whose header says this shape."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.getvalue() + content


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (npy((BIG // 128, 32), b"\x00" * 64), "claims more or less than there is"),
        (npy((-4, -4), b"\x00" * 64), "not an .npz file"),
        (npy((3,), b"\x00" * 64), "claims more or less than there is"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "not an .npz file"),
        (b"\x93NUMPY\x01\x00\x10\x00" + b"[" * 16, "not an .npz file"),
        (b"nothing", "not an .npz file"),
        (b"", "not an .npz file"),
    ],
)
def test_an_npy_header_is_not_believed(tmp_path, array, message):
    with zipfile.ZipFile(save_gemma_scope(tmp_path) / "params.npz", "w") as archive:
        archive.writestr("W_enc.npy", array)
    refused(tmp_path, message)


def test_an_archive_is_not_unpacked_out_of_all_proportion(tmp_path):
    arrays = {name: tensor.numpy() for name, tensor in random_weights().items()}
    np.savez_compressed(tmp_path / "params.npz", **{**arrays, "W_enc": np.zeros((32, 2**17), np.float32)})
    refused(tmp_path, "unpacks to far more than its size")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "not JSON"),
        ('{"a":' * 100_000, "not JSON"),
        ("{}" + " " * 2**20, "more than 1 MiB"),
        ("\ud800".encode("utf-8", "surrogatepass"), "not JSON"),
        ('{"k": ' + "9" * 5000 + "}", "not JSON"),
        ('{"architecture": ' + "[" * 900 + "]" * 900 + "}", "architecture is"),
        ('{"architecture": "' + "x" * 100_000 + '"}', "architecture 'xxx"),
    ],
)
def test_a_configuration_out_of_all_proportion_is_named(tmp_path, text, message):
    path = save_dictionary(tmp_path) / "cfg.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(tmp_path, message)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, True, "12", [12]])
def test_a_number_is_a_number(tmp_path, value):
    save_dictionary(tmp_path, metadata={"model_name": "m", "hook_name": "h", "max_norm": value})
    refused(tmp_path, "max_norm is .*, expected a number")


@pytest.mark.parametrize("value", [10**400, -1, 2**62, 1.5, None, "4"])
def test_a_count_is_a_count(tmp_path, value):
    refused(save_dictionary(tmp_path, k=value), "k is|d_in is")


def test_a_folder_in_the_place_of_a_file_is_not_read(tmp_path):
    (tmp_path / "sae_weights.safetensors").mkdir()
    refused(tmp_path, "no dictionary of a known family")


MUTATIONS = 100
"""A family."""

ODD = [None, True, -1, 0, 1.5, 10**30, "", "x", [], {}, [[]], {"k": {}}, float("nan")]


def mutated(content: bytes, dice: random.Random) -> bytes:
    """Shortened, flipped, cut, doubled or filled up somewhere."""
    at, length = dice.randrange(len(content)), dice.randrange(1, 64)
    # Half of all damage falls on the front and the end, where headers and directories are.
    at = dice.choice([at, at, min(at, dice.randrange(400)), max(0, len(content) - dice.randrange(1, 600))])
    noise = dice.randbytes(length)
    return dice.choice(
        [
            content[:at],
            content[at:],
            content[:at] + noise + content[at + length :],
            content[:at] + bytes([content[at] ^ 1 << dice.randrange(8)]) + content[at + 1 :],
            content[:at] + content[at + length :],
            content[:at] + noise + content[at:],
            content[:at] + content[at : at + length] * 2 + content[at + length :],
            content[:at] + bytes(length) + content[at + length :],
        ]
    )


def miswritten(content: bytes, dice: random.Random) -> bytes:
    """A configuration that says something odd of one thing, or nothing at all."""
    value = json.loads(content)
    inner = dice.choice([value, *(v for v in value.values() if isinstance(v, dict) and v)])
    key = dice.choice(list(inner))
    if dice.random() < 0.3:
        del inner[key]
    else:
        inner[key] = dice.choice(ODD)
    return json.dumps(value).encode()


@pytest.mark.parametrize("family", EVERY)
def test_no_damage_gives_another_error_or_a_dictionary_of_wrong_shapes(tmp_path, family):
    folder = EVERY[family](tmp_path / "layers.1")
    whole = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    dice = random.Random(family)
    survived, messages = 0, set()
    for _ in range(MUTATIONS):
        path = dice.choice(list(whole))
        damage = miswritten if path.suffix == ".json" and dice.random() < 0.5 else mutated
        path.write_bytes(damage(whole[path], dice))
        try:
            dictionary = load_dictionary(folder)
        except InputError as error:
            messages.add(str(error))
        else:
            survived += 1
            n, d = dictionary.n_features, dictionary.d_model
            assert dictionary.encode(torch.randn(3, d)).shape == (3, n)
            assert dictionary.W_dec is not None
            assert dictionary.decode(torch.zeros(3, n)).shape == (3, dictionary.W_dec.shape[1])
            assert all(isinstance(text, str) for text in (dictionary.model, dictionary.hook, dictionary.hook_out))
            assert torch.isfinite(dictionary.W_dec).all()
        path.write_bytes(whole[path])
    assert 0 < survived < MUTATIONS, "some damage only changes a number, some must be noticed"
    assert not any("\n" in message for message in messages)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    path = save_openai(tmp_path / "8.pt")
    path.write_bytes(path.read_bytes()[:1000])
    refused(path, r"8\.pt: not a file that torch.save wrote")
