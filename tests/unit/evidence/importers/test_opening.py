"""An export is found in the folders around what a user points at, and only where there is no doubt which."""

from pathlib import Path

import pytest

from labeler.errors import InputError
from labeler.evidence.importers.opening import SHOWN, bring, find_export
from tests.fakes.foreign.contexts import save_contexts
from tests.fakes.foreign.delphi import save_delphi
from tests.fakes.foreign.examples import EXAMPLES
from tests.fakes.foreign.neuronpedia import save_neuronpedia
from tests.fakes.foreign.saedashboard import save_saedashboard


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_what_is_an_export_itself_is_taken_as_it_stands(tmp_path, example):
    path = example.write(tmp_path / "theirs")
    assert find_export(path) == path


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_one_export_in_the_folders_below_is_found(tmp_path, example):
    inside = tmp_path / "top" / "v1" / "gpt2-small"
    example.write(inside / "6-res-jb")
    (tmp_path / "top" / "__MACOSX" / "6-res-jb").mkdir(parents=True)
    (tmp_path / "top" / "README.txt").write_text("unpacked")
    found = find_export(tmp_path / "top")
    example.read(found)
    assert find_export(found) == found


@pytest.mark.parametrize("part", ["explanations", "features", "activations", "explanations/batch-0.jsonl.gz"])
def test_of_a_part_the_export_around_it_is_taken(tmp_path, part):
    export = save_neuronpedia(tmp_path / "6-res-jb")
    assert find_export(export / part) == export


def test_a_part_that_was_unpacked_beside_the_rest_leads_to_it(tmp_path):
    export = save_neuronpedia(tmp_path / "dl" / "6-res-jb")
    (export / "explanations").rename(tmp_path / "dl" / "explanations")
    assert find_export(tmp_path / "dl" / "explanations") == export


def test_a_part_is_found_by_its_relative_name(tmp_path, monkeypatch):
    export = save_neuronpedia(tmp_path / "6-res-jb")
    monkeypatch.chdir(export / "explanations")
    assert find_export(Path()) == export


def test_of_several_none_is_chosen_and_all_are_listed(tmp_path):
    save_neuronpedia(tmp_path / "top" / "6-res-jb")
    save_saedashboard(tmp_path / "top" / "dashboard")
    save_delphi(tmp_path / "top" / "run" / "deep" / "er")
    with pytest.raises(InputError, match=r"top' holds 3 exports; give one of them: 6-res-jb, dashboard, run"):
        bring(tmp_path / "top", "x", tmp_path / "dictionaries", None)
    assert not (tmp_path / "dictionaries").exists()


def test_a_long_list_is_cut(tmp_path):
    for at in range(SHOWN + 3):
        save_contexts(tmp_path / "top" / f"layer-{at:02d}")
    with pytest.raises(InputError, match=f"holds {SHOWN + 3} exports.*and 3 more$") as refused:
        find_export(tmp_path / "top")
    assert "\n" not in str(refused.value)


def test_what_is_damaged_is_not_in_the_way_of_what_is_sound_but_named_where_it_is_alone(tmp_path):
    (tmp_path / "top" / "part" / "features").mkdir(parents=True)
    (tmp_path / "top" / "part" / "features" / "batch-0.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match="features/ without activations/"):
        bring(tmp_path / "top", "x", tmp_path / "dictionaries", None)
    sound = save_saedashboard(tmp_path / "top" / "whole")
    assert find_export(tmp_path / "top") == sound


def test_neighbours_of_a_folder_that_is_no_part_are_left_alone(tmp_path):
    save_contexts(tmp_path / "theirs")
    (tmp_path / "empty").mkdir()
    assert find_export(tmp_path / "empty") == tmp_path / "empty"
    with pytest.raises(InputError, match="empty' is of no known format"):
        bring(tmp_path / "empty", "x", tmp_path / "dictionaries", None)
