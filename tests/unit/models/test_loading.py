"""Model folders that cannot be loaded, each told in one line."""

import json
import pickle

import pytest

from labeler.errors import InputError
from labeler.models.language import load_language_model
from tests.fakes.tiny_model import save_tiny_model


def edit(**changes):
    def change(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return change


def code_of_its_own(folder):
    (folder / "mine.py").write_text("raise SystemExit('this ran')")
    edit(model_type="mine", auto_map={"AutoConfig": "mine.C", "AutoModelForCausalLM": "mine.M"})(folder)


class Malice:
    def __reduce__(self):
        return exit, ("this ran",)


def a_pickle(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Malice(), protocol=2))


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "config.json").write_text("{"),
        lambda folder: (folder / "config.json").write_text("[]"),
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 100),
        lambda folder: (folder / "tokenizer.json").unlink(),
        edit(model_type="no-such-type"),
        edit(hidden_size=10**9),
        edit(num_attention_heads="four"),
        code_of_its_own,
        a_pickle,
    ],
)
def test_a_damaged_model_is_named(tmp_path, harm):
    folder = save_tiny_model(tmp_path / "damaged")
    harm(folder)
    with pytest.raises(InputError, match=r"cannot load the language model '.*damaged'") as caught:
        load_language_model(str(folder))
    assert "\n" not in str(caught.value)
