"""Evidence is put together from parts: in whatever pieces it comes, and however often it is stopped, it is the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.evidence import sampling
from labeler.evidence.collect import compaction as building_module
from labeler.evidence.collect import compaction as merging
from labeler.evidence.collect import segments as settling
from labeler.evidence.collect.compaction import Building
from labeler.evidence.collect.stored import Stored
from labeler.evidence.store.storage import DamagedFileError
from labeler.features import SPLITS
from tests.fakes.evidence import RULES, pieces_of, sentences, write_built

CONTEXTS = sentences(1500)


@pytest.fixture
def small(monkeypatch):
    """Room for few, so that most has to be dropped."""
    for module, name, value in (
        (sampling, "POOL", 300),
        (settling, "RESERVOIR", 10),
        (settling, "TOP", 5),
        (merging, "TABLE", 128),
        (merging, "AT_ONCE", 400),
        (building_module, "PILE", 4),
    ):
        monkeypatch.setattr(module, name, value)


def build(folder, per_piece=100, contexts=CONTEXTS):
    building = Building(folder, len(RULES))
    for table, pairs in pieces_of(contexts, per_piece=per_piece):
        building.add(table, pairs)
    return building


def content(part):
    """All that a merged part holds, without how it lies in files."""
    pairs, tally = part.between(0, len(RULES))
    tables = list(part.contexts())
    texts = [(int(o), table.string(row)) for table in tables for row, o in enumerate(table.ordinal)]
    numbers = [pairs.feature, pairs.ordinal, pairs.count, pairs.position, pairs.value, tally.key, tally.count]
    return [array.tolist() for array in numbers], texts


def test_pieces_of_any_size_give_the_same(tmp_path, small):
    whole = content(build(tmp_path / "whole", 1500).merge())
    assert content(build(tmp_path / "many", 70).merge()) == whole
    assert len(whole[1]) < 1200  # something was dropped, so that this says something


def test_what_is_kept_speaks_for_all_that_was_seen(tmp_path, small):
    store = write_built(build(tmp_path / "parts"), tmp_path / "dictionaries" / "toy")
    assert store.manifest.n_pool == 300
    for feature in range(len(RULES)):
        truly = sum(max(RULES[feature](words)) > 0 for words in CONTEXTS)
        assert store.firing_contexts()[feature].sum() == truly
        population = store.evidence(feature).population
        frames = {split: store.frame(feature, split) for split in SPLITS}
        firing = sum(frame.weight[frame.firing].sum() for frame in frames.values())
        assert firing == pytest.approx(truly)
        assert sum(frame.weight.sum() for frame in frames.values()) == pytest.approx(1500)
        if store.splits(feature) is not store.rows.split:
            continue  # dealt: below
        for split, frame in frames.items():
            counts = population[SPLITS.index(split)]
            assert frame.weight.sum() == pytest.approx(counts.sum())
            for stratum in np.unique(frame.stratum[frame.firing]):
                at_hand = (frame.stratum == stratum).sum()
                assert min(10, counts[stratum]) <= at_hand <= counts[stratum]


def test_the_strongest_are_at_hand(tmp_path, small):
    store = write_built(build(tmp_path / "parts"), tmp_path / "dictionaries" / "toy")
    maxima = {split: [] for split in SPLITS}
    for table, _ in pieces_of(CONTEXTS):
        for words, split in zip((table.strings(row) for row in range(len(table))), table.split, strict=True):
            maxima[SPLITS[split]].append(max(RULES[1]([word.strip() for word in words])))
    for split in SPLITS:
        strongest = sorted(maxima[split], reverse=True)[:5]
        np.testing.assert_allclose(
            [context.maximum for context in store.evidence(1).of(split)][:5], strongest, rtol=1e-3
        )


@settings(max_examples=15, deadline=None)
@given(stops=st.lists(st.integers(0, 14), max_size=4, unique=True))
def test_stopped_anywhere_and_taken_up_again_it_is_the_same(tmp_path_factory, stops):
    folder = tmp_path_factory.mktemp("parts")
    building = Building(folder / "stopped", len(RULES))
    for number, (table, pairs) in enumerate(pieces_of(CONTEXTS)):
        if number in stops:
            (folder / "stopped" / f"piece-{number:05d}.safetensors.part").write_bytes(b"half written")
            if number % 2:
                building.merge()
            building = Building(folder / "stopped", len(RULES))
        building.add(table, pairs)
    again = Building(folder / "stopped", len(RULES))
    assert again.seen == building.seen
    assert content(again.merge()) == content(build(folder / "straight").merge())


def test_a_kill_between_a_merge_and_the_sweeping_changes_nothing(tmp_path, small):
    building = build(tmp_path / "parts", contexts=CONTEXTS[:300])
    pieces = {path: path.read_bytes() for path in (tmp_path / "parts").glob("piece-*")}
    merged = content(building.merge())
    for path, data in pieces.items():
        path.write_bytes(data)
    again = Building(tmp_path / "parts", len(RULES))
    assert again.seen.n_contexts == 300
    assert content(again.merge()) == merged


def test_a_store_can_be_gone_on_with(tmp_path, small):
    first = write_built(build(tmp_path / "first", contexts=CONTEXTS[:600]), tmp_path / "dictionaries" / "toy")
    base = Stored(first)
    more = Building(tmp_path / "more", len(RULES), base, base.seen)
    for table, pairs in pieces_of(CONTEXTS, first=600):
        more.add(table, pairs)
    assert more.seen.n_contexts == 1500
    assert content(more.merge()) == content(build(tmp_path / "straight").merge())


def test_a_damaged_piece_is_named(tmp_path):
    building = build(tmp_path / "parts", contexts=CONTEXTS[:300])
    path = tmp_path / "parts" / "piece-00001.safetensors"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DamagedFileError, match=r"piece-00001\.safetensors: damaged"):
        building.merge()
