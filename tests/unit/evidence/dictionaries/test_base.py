import dataclasses

import pytest
import torch

from labeler.errors import InputError
from labeler.evidence.dictionaries import Dictionary, base, load_dictionary
from labeler.evidence.dictionaries.activations import GroupMax, Threshold, TopK
from labeler.evidence.dictionaries.base import Input, Linear
from tests.fakes.dictionary import EVERY, inputs, random_weights


def made(**changes) -> Dictionary:
    w = random_weights()
    parts = {
        "encoder": Linear(w["W_enc"], w["b_enc"]),
        "activation": TopK(8),
        "input": Input(shift=w["b_dec"]),
        "W_dec": w["W_dec"],
        "b_dec": w["b_dec"],
        "hook": "blocks.0.hook_resid_post",
    }
    return Dictionary(**{**parts, **changes})


def test_activations_do_not_depend_on_how_many_rows_are_computed_at_once(monkeypatch):
    dictionary, x = made(activation=Threshold()), inputs()
    whole = dictionary.active(x)
    monkeypatch.setattr(base, "BLOCK", 64 * 7)
    for found, expected in zip(dictionary.active(x), whole, strict=True):
        torch.testing.assert_close(found, expected)
    monkeypatch.setattr(base, "BLOCK", 1)
    assert torch.equal(dictionary.active(x)[0], whole[0])


def test_no_rows_have_no_activations():
    assert [len(part) for part in made().active(torch.zeros(0, 32))] == [0, 0, 0]
    assert made().encode(torch.zeros(0, 32)).shape == (0, 64)


def test_a_token_of_nan_is_seen_and_one_of_outlying_norm_is_not():
    x = inputs(3)
    x[0, 0], x[1] = torch.nan, 1e6
    rows, _, values = made(max_norm=100.0).active(x)
    assert values[rows == 0].isnan().any()
    assert 1 not in rows
    assert 2 in rows
    assert x[1, 0] == 1e6, "the caller's activations must stay as they are"


def test_neurons_of_outlying_norm_leave_the_input_alone():
    dictionary = dataclasses.replace(load_dictionary("neurons", width=32), max_norm=1.0)
    x = inputs()
    before = x.clone()
    assert [len(part) for part in dictionary.active(x)] == [0, 0, 0]
    assert torch.equal(x, before)


def test_the_fingerprint_is_of_everything_that_decides():
    one = made()
    assert one.fingerprint() == made().fingerprint()
    assert one.fingerprint() == one.to("cpu").fingerprint()
    w = random_weights()
    others = [
        made(hook="blocks.1.hook_resid_post"),
        made(model="m"),
        made(max_norm=3.0),
        made(activation=TopK(16)),
        made(activation=GroupMax(8)),
        made(input=Input()),
        made(input=Input(shift=w["b_dec"], scale=2.0)),
        made(input=Input(shift=w["b_dec"], norm="layer")),
        made(W_dec=w["W_dec"] * 2),
        made(encoder=Linear(w["W_enc"], w["b_enc"] + 1)),
        made(encoder=Linear(w["W_enc"].T.reshape(32, 64), w["b_enc"])),
    ]
    assert len({one.fingerprint(), *(other.fingerprint() for other in others)}) == 1 + len(others)


def test_a_hook_can_be_put_in_its_place():
    one = made(hook="")
    other = dataclasses.replace(one, hook="blocks.3.hook_resid_post")
    assert other.hook == "blocks.3.hook_resid_post"
    assert torch.equal(one.encode(inputs()), other.encode(inputs()))


@pytest.mark.parametrize("family", EVERY)
def test_weights_move_to_a_device_with_all_their_parts(tmp_path, family):
    dictionary = load_dictionary(EVERY[family](tmp_path))
    there = dictionary.to("meta")
    assert there.W_dec is not None
    assert there.W_dec.device.type == "meta"
    assert there.encoder(torch.zeros(2, 32, device="meta")).shape == (2, 64)
    assert there.input(torch.zeros(2, 32, device="meta")).device.type == "meta"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"W_dec": torch.zeros(63, 32)}, r"here: W_dec has shape \[63, 32\], expected \[64, …\]"),
        ({"b_dec": torch.zeros(31)}, "b_dec is not as wide as W_dec"),
        ({"b_dec": None}, "b_dec is not as wide as W_dec"),
        ({"activation": TopK(65)}, "k is 65"),
        ({"input": Input(shift=torch.zeros(5))}, r"shape \[5\], expected \[32\]"),
        ({"encoder": Linear(torch.zeros(32, 64), torch.zeros(1))}, "b_enc has shape"),
        ({"encoder": Linear(torch.zeros(0, 64), torch.zeros(64))}, "64 features that read 0 dimensions"),
        ({"activation": Threshold(torch.full((64,), torch.inf))}, "threshold holds NaN or infinite"),
    ],
)
def test_what_does_not_fit_is_named(changes, message):
    with pytest.raises(InputError, match=message):
        made(**changes).check("here")


def test_what_fits_is_given_back():
    dictionary = made()
    assert dictionary.check("here") is dictionary
