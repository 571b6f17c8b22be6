"""Damaged files are either read, and then all that was read holds what it promises, or refused in one line."""

import random
import shutil

import pytest

from labeler.errors import InputError
from labeler.evidence.importers.registry import open_foreign
from tests.fakes.foreign.examples import EXAMPLES, Example, read_foreign
from tests.fakes.foreign.mutations import mutate
from tests.fakes.foreign.real import shared_data

ROUNDS = range(12)
MUTATIONS = 50  # in each round: 3,000 over the five formats


def outcome(example: Example, path) -> bool:
    """Whether it was read; anything but that and a refusal in one line fails."""
    refusal = ""
    try:
        example.read(path)
    except InputError as error:
        refusal = str(error)
    assert refusal.isprintable()
    return not refusal


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
@pytest.mark.parametrize("round", ROUNDS)
def test_damage_is_refused_in_one_line_or_does_no_harm(tmp_path, example, round):
    read = 0
    for number in range(MUTATIONS):
        seed = f"{example.name}, {round}, {number}"
        folder = tmp_path / str(number)
        folder.mkdir()
        path = example.write(folder)
        mutate(folder, random.Random(seed))
        try:
            read += outcome(example, path)
        except BaseException as error:
            error.add_note(f"mutation: {seed}")
            raise
        shutil.rmtree(folder)
    assert 0 < read < MUTATIONS  # both happen, or the mutations are not what they should be


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_what_is_not_damaged_is_read(tmp_path, example):
    assert outcome(example, example.write(tmp_path))


def test_damage_to_real_batches(tmp_path):
    original = shared_data("saedashboard_gpt2_res_jb") / "batch-1.json"
    example = Example("SAEDashboard", lambda folder: folder, read_foreign)
    (tmp_path / "batch-1.json").write_bytes(original.read_bytes())
    assert len(list(open_foreign(tmp_path).features())) == 2
    for number in range(60):
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        (tmp_path / "batch-1.json").write_bytes(original.read_bytes())
        mutate(tmp_path, random.Random(number))
        outcome(example, tmp_path)
