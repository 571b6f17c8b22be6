import json
import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from labeler.errors import InputError
from labeler.evidence.importers.delphi import open_delphi
from tests.fakes.foreign.delphi import LENGTH, N_SEQUENCES, replace, save_delphi, some_activations, some_tokens

FIRST, LAST = "0_2.safetensors", "6_9.safetensors"


@pytest.fixture
def folder(tmp_path):
    """latents/layers.0 of a cache in three shards: features 0 to 2, 3 to 5, 6 to 9."""
    return save_delphi(tmp_path / "run")


def dense(cache) -> np.ndarray:
    """[n_sequences, sequence_length, n_features] put together again from the shards."""
    found = np.zeros((cache.n_sequences, cache.sequence_length, cache.n_features), np.float32)
    for number in range(len(cache.ranges)):
        shard = cache.shard(number)
        assert (found[shard.row, shard.position, shard.feature] == 0).all()
        found[shard.row, shard.position, shard.feature] = shard.value
    return found


def test_names_and_sizes(folder):
    cache = open_delphi(folder)
    assert (cache.folder, cache.hook, cache.model) == (folder.resolve(), "layers.0", "tiny")
    assert (cache.n_features, cache.n_sequences, cache.sequence_length) == (10, N_SEQUENCES, LENGTH)
    assert cache.ranges == ((0, 2), (3, 5), (6, 9))


@pytest.mark.parametrize("locations", [np.uint16, np.uint32, np.int64])
@pytest.mark.parametrize("activations", [np.float16, np.float32])
def test_every_activation_comes_back_in_its_place(tmp_path, locations, activations):
    save_delphi(tmp_path, locations=locations, activations=activations)
    cache = open_delphi(tmp_path)
    np.testing.assert_array_equal(dense(cache), some_activations())
    shard = cache.shard(1)
    assert (shard.feature.dtype, shard.row.dtype, shard.position.dtype) == (np.int32, np.int64, np.int32)
    assert shard.value.dtype == activations


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 7), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_any_cache_comes_back_as_it_was(tmp_path_factory, rows, length, features, splits, seed):
    generator = np.random.default_rng(seed)
    written = generator.exponential(5, (rows, length, features)) * (generator.random((rows, length, features)) < 0.4)
    written, tokens = written.astype(np.float16), generator.integers(0, 2**31, (rows, length))
    run = tmp_path_factory.mktemp("run")
    save_delphi(run, written, tokens, splits=min(splits, features))
    cache = open_delphi(run)
    np.testing.assert_array_equal(dense(cache), written)
    np.testing.assert_array_equal(cache.tokens(0, rows), tokens)


def test_tokens_come_by_rows_as_a_slice_has_them(folder):
    cache, tokens = open_delphi(folder), some_tokens()
    for start, stop in ((0, 6), (2, 3), (4, 99), (3, 3)):
        np.testing.assert_array_equal(cache.tokens(start, stop), tokens[start:stop])
    assert cache.tokens(0, 1).dtype == np.int64


@pytest.mark.parametrize("hook", ["layers.0", "layer_12/width_16k/average_l0_82"])
def test_the_run_its_latents_and_the_hook_are_one_cache(tmp_path, hook):
    folder = save_delphi(tmp_path / "run", hook=hook)
    found = [open_delphi(path) for path in (tmp_path / "run", tmp_path / "run" / "latents", folder)]
    assert {cache.hook for cache in found} == {hook}
    assert {cache.folder for cache in found} == {folder.resolve()}


def test_a_copy_outside_a_run_is_named_after_its_folder(tmp_path):
    save_delphi(tmp_path / "run").rename(tmp_path / "layers.7")
    assert open_delphi(tmp_path / "layers.7").hook == "layers.7"


def test_other_folders_are_no_cache(tmp_path):
    assert open_delphi(tmp_path / "missing") is None
    assert open_delphi(tmp_path) is None
    (tmp_path / "latents").mkdir()
    save_file({"weight": np.zeros(3)}, tmp_path / "latents" / "model-00001-of-00002.safetensors")
    assert open_delphi(tmp_path) is None
    assert open_delphi(tmp_path / "latents" / "model-00001-of-00002.safetensors") is None


def test_several_hook_points_are_listed(tmp_path):
    save_delphi(tmp_path, hook="layers.0")
    save_delphi(tmp_path, hook="layers.1.mlp")
    with pytest.raises(InputError, match=r"several hook points.*layers\.0, layers\.1\.mlp"):
        open_delphi(tmp_path)
    assert open_delphi(tmp_path / "latents" / "layers.1.mlp").hook == "layers.1.mlp"


def test_without_a_configuration_the_model_has_no_name(folder):
    (folder / "config.json").unlink()
    assert open_delphi(folder).model == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        "[]",
        '"x"',
        '{"model_name": 3}',
        '{"model_name": "\\ud800"}',
        " " * 2_000_000,
        "1" * 5000,
    ],
)
def test_a_damaged_configuration_is_named(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"config\.json"):
        open_delphi(folder)


def test_a_zero_is_no_activation(folder):
    values = load_file(folder / FIRST)["activations"]
    values[::2] = 0
    replace(folder / FIRST, activations=values)
    assert len(open_delphi(folder).shard(0).value) == len(values) // 2


def test_a_shard_may_be_empty_or_missing(folder):
    replace(folder / FIRST, locations=np.zeros((0, 3), np.uint16), activations=np.zeros(0, np.float16))
    (folder / "3_5.safetensors").unlink()
    cache = open_delphi(folder)
    assert cache.ranges == ((0, 2), (6, 9))
    assert len(cache.shard(0).value) == 0
    np.testing.assert_array_equal(dense(cache)[:, :, 6:], some_activations()[:, :, 6:])


@pytest.mark.parametrize("name", ["2_3", "0_1", "3_2", "9_11", "4000000000_4000000001", "10_2147483648"])
def test_ranges_that_cannot_be_are_refused(folder, name):
    (folder / f"{name}.safetensors").write_bytes((folder / FIRST).read_bytes())
    with pytest.raises(InputError, match="safetensors"):
        open_delphi(folder)


@pytest.mark.parametrize(("column", "value"), [(0, N_SEQUENCES), (1, LENGTH), (2, 3), (0, -1), (1, -(2**40)), (2, -1)])
def test_a_location_outside_is_refused(folder, column, value):
    locations = load_file(folder / FIRST)["locations"].astype(np.int64)
    locations[5, column] = value
    replace(folder / FIRST, locations=locations)
    with pytest.raises(InputError, match=f"{FIRST}: a (row|position|feature) is {value}; in this shard"):
        open_delphi(folder).shard(0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.5])
def test_an_activation_that_is_no_strength_is_refused(folder, value):
    values = load_file(folder / LAST)["activations"]
    values[3] = value
    replace(folder / LAST, activations=values)
    with pytest.raises(InputError, match=f"{LAST}: an activation is"):
        open_delphi(folder).shard(2)


@pytest.mark.parametrize("order", [[1, 0], [0, 0]])
def test_doubles_and_disorder_are_refused(folder, order):
    shard = load_file(folder / FIRST)
    indices = np.arange(len(shard["activations"]))
    indices[:2] = order
    replace(folder / FIRST, locations=shard["locations"][indices], activations=shard["activations"][indices])
    with pytest.raises(InputError, match=f"{FIRST}: locations must rise"):
        open_delphi(folder).shard(0)


@pytest.mark.parametrize(
    "tensors",
    [
        {"locations": np.zeros((4, 3), np.uint16)},  # other than there are activations
        {"locations": np.zeros((4, 2), np.uint16), "activations": np.ones(4, np.float16)},
        {"locations": np.zeros(4, np.uint16), "activations": np.ones(4, np.float16)},
        {"locations": np.zeros((), np.uint16)},
        {"activations": np.zeros((), np.float16)},
        {"locations": np.zeros((4, 3), np.float32), "activations": np.ones(4, np.float16)},
        {"activations": np.ones(4, np.float64)},
        {"tokens": np.zeros((6, 16), np.float32)},
        {"tokens": np.zeros(96, np.int64)},
        {"tokens": np.zeros((0, 16), np.int64)},
        {"tokens": np.zeros((6, 0), np.int64)},
        {"tokens": np.zeros((6, 17), np.int64)},  # another shape than in the other shards
        {"tokens": np.zeros((16, 6), np.int64)},
    ],
)
def test_tensors_that_do_not_fit_are_refused_unread(folder, tensors):
    replace(folder / FIRST, **tensors)
    with pytest.raises(InputError, match=r"tokens|locations|activations"):
        open_delphi(folder)


def test_a_missing_tensor_is_named(folder):
    tensors = load_file(folder / LAST)
    for name in tensors:
        save_file({key: tensor for key, tensor in tensors.items() if key != name}, folder / LAST)
        with pytest.raises(InputError, match=f"{LAST}: no tensor {name}"):
            open_delphi(folder)


def test_shards_of_two_runs_are_told_apart_by_their_tokens(folder):
    replace(folder / LAST, tokens=some_tokens(seed=1))
    cache = open_delphi(folder)
    cache.shard(0)
    with pytest.raises(InputError, match=f"{LAST}: other tokens than in {FIRST}"):
        cache.shard(2)


def test_a_negative_token_is_refused(folder):
    tokens = some_tokens()
    tokens[3, 3] = -1
    replace(folder / FIRST, tokens=tokens)
    cache = open_delphi(folder)
    cache.tokens(0, 3)
    with pytest.raises(InputError, match=f"{FIRST}: a token id is -1"):
        cache.tokens(3, 4)


def with_header(header: dict, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


HUGE = 10 * 2**30
DAMAGED = {
    "empty": b"",
    "short": b"\x08\x00",
    "garbage": b"these are not tensors " * 40,
    "header longer than the file": struct.pack("<Q", 2**40) + b"{}",
    "nested": struct.pack("<Q", 50_000) + b"[" * 50_000,
    "no tensors": with_header({}),
    "claims more than it holds": with_header(
        {
            "locations": {"dtype": "U16", "shape": [HUGE, 3], "data_offsets": [0, 6 * HUGE]},
            "activations": {"dtype": "F16", "shape": [HUGE], "data_offsets": [6 * HUGE, 8 * HUGE]},
            "tokens": {"dtype": "I64", "shape": [6, 16], "data_offsets": [8 * HUGE, 8 * HUGE + 768]},
        },
        bytes(768),
    ),
    "product beyond 64 bits": with_header(
        {"tokens": {"dtype": "I64", "shape": [2**40, 2**40], "data_offsets": [0, 0]}}
    ),
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
def test_what_is_no_safetensors_file_is_named(folder, data):
    (folder / LAST).write_bytes(data)
    with pytest.raises(InputError, match=LAST):
        open_delphi(folder)


@pytest.mark.parametrize("kept", [0.001, 0.01, 0.05, 0.3, 0.9, 0.999])
def test_a_truncated_shard_is_named(folder, kept):
    data = (folder / FIRST).read_bytes()
    (folder / FIRST).write_bytes(data[: int(kept * len(data))])
    with pytest.raises(InputError, match=FIRST):
        open_delphi(folder)


def test_the_pickle_beside_it_is_never_opened(folder, tmp_path):
    log = tmp_path / "run" / "log"
    log.mkdir()
    (log / "hookpoint_firing_counts.pt").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    np.testing.assert_array_equal(dense(open_delphi(tmp_path / "run")), some_activations())


@pytest.mark.parametrize("where", ["header", "anywhere"])
def test_mutated_bytes_give_a_valid_cache_or_a_clear_refusal(folder, where):
    generator = random.Random(7)
    whole = (folder / FIRST).read_bytes()
    reach = 8 + struct.unpack("<Q", whole[:8])[0] if where == "header" else len(whole)
    refused = []
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(generator.choice((1, 1, 2, 5))):
            data[generator.randrange(reach)] = generator.choice((0, 1, 0x39, 0x7F, 0xFF, generator.randrange(256)))
        (folder / FIRST).write_bytes(data)
        try:
            cache = open_delphi(folder)
            shard = cache.shard(0)
            tokens = cache.tokens(0, cache.n_sequences)
        except InputError as error:
            refused.append(str(error))
            continue
        assert tokens.min() >= 0
        reached = [shard.row.max(), shard.position.max(), shard.feature.max()]
        assert np.less(reached, [N_SEQUENCES, LENGTH, 3]).all()
        assert ((shard.value > 0) & np.isfinite(shard.value)).all()
    assert refused
    assert all(FIRST in line and "\n" not in line for line in refused)
