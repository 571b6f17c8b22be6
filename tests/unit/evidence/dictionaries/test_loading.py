import pytest
import torch

from labeler.errors import InputError
from labeler.evidence.dictionaries import load_dictionary
from labeler.evidence.dictionaries.loading import FAMILIES
from tests.fakes.dictionary import EVERY, inputs, save_dictionary, save_json, save_openai


def test_every_family_can_be_written_by_hand():
    assert set(EVERY) == set(FAMILIES)


@pytest.mark.parametrize("family", EVERY)
def test_every_family_is_found_by_its_folder_and_by_its_weights_file(tmp_path, family):
    folder = EVERY[family](tmp_path / "layers.1")
    (weights,) = folder.glob(FAMILIES[family].weights)
    by_folder, by_file = load_dictionary(folder), load_dictionary(str(weights))
    assert (by_folder.n_features, by_folder.d_model) == (64, 32)
    assert by_folder.fingerprint() == by_file.fingerprint()
    torch.testing.assert_close(by_folder.encode(inputs()), by_file.encode(inputs()))


def test_a_relative_path_tells_as_much_as_a_whole_one(tmp_path, monkeypatch):
    folder = EVERY["Gemma Scope"](tmp_path / "gemma-scope-2b-pt-res/layer_3/width_1k/average_l0_9")
    monkeypatch.chdir(folder)
    assert load_dictionary(".").hook == "blocks.3.hook_resid_post"
    assert load_dictionary("params.npz").hook == "blocks.3.hook_resid_post"


def test_a_folder_beside_other_files_is_still_found(tmp_path):
    folder = save_dictionary(tmp_path / "sae")
    (folder / "sparsity.safetensors").write_bytes(b"")
    (folder / "README.md").write_text("")
    assert load_dictionary(folder).n_features == 64


def test_dictionary_learning_stands_before_a_pt_file_of_any_name(tmp_path):
    folder = EVERY["dictionary_learning"](tmp_path)
    save_openai(folder / "other.pt")
    assert load_dictionary(folder).model == "tiny"


def test_folders_of_no_family_are_told_what_each_looks_like(tmp_path):
    with pytest.raises(InputError, match="no dictionary folder at"):
        load_dictionary(tmp_path / "none")
    with pytest.raises(InputError, match="no dictionary of a known family") as refused:
        load_dictionary(tmp_path)
    message = str(refused.value)
    assert "\n" not in message
    for name, family in FAMILIES.items():
        assert f"{name}: {family.weights}" in message


def test_a_file_of_no_family_is_named(tmp_path):
    with pytest.raises(InputError, match=r"cfg\.json' is no dictionary of a known family"):
        load_dictionary(save_json(tmp_path / "cfg.json", {}))
