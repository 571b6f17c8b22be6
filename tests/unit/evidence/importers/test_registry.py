import gzip
import json

import numpy as np
import pytest

from labeler.errors import InputError
from labeler.evidence.importers.registry import FORMATS, open_foreign
from tests.fakes.foreign.contexts import save_contexts
from tests.fakes.foreign.examples import EXAMPLES
from tests.fakes.foreign.sample import FEATURES, PROMOTED, SUPPRESSED, save_json

LISTED = [example for example in EXAMPLES if example.name in FORMATS]


@pytest.mark.parametrize("example", LISTED, ids=lambda example: example.name)
def test_every_format_is_found_by_looking_and_says_the_same_of_the_same_features(tmp_path, example):
    foreign = open_foreign(example.write(tmp_path))
    assert foreign.origin.format == example.name
    features = {feature.index: feature for feature in foreign.features()}
    assert list(features) == list(FEATURES)
    for index, windows in FEATURES.items():
        found = {window.tokens: window.activations for window in features[index].windows}
        assert len(found) == len(features[index].windows)
        assert found.keys() == {tuple(tokens) for tokens, _ in windows}
        for tokens, values in windows:
            np.testing.assert_array_equal(found[tuple(tokens)], np.array(values, dtype=np.float32))


@pytest.mark.parametrize("example", LISTED, ids=lambda example: example.name)
def test_what_is_read_can_be_read_again(tmp_path, example):
    foreign = open_foreign(example.write(tmp_path))
    assert [feature.index for feature in foreign.features()] == [feature.index for feature in foreign.features()]


def test_every_listed_format_has_an_example():
    assert {example.name for example in LISTED} == set(FORMATS)


def test_logits_density_and_maximum_are_kept_where_a_format_has_them(tmp_path):
    for example in LISTED:
        folder = tmp_path / example.name
        feature = next(iter(open_foreign(example.write(folder)).features()))
        promoted = [token for token, _ in feature.promoted]
        suppressed = [token for token, _ in feature.suppressed]
        assert promoted in ([], [token for token, _ in PROMOTED])
        assert suppressed in ([], [token for token, _ in SUPPRESSED])
        assert feature.density in (None, 0.125)
        assert feature.max_activation in (None, 9.5)


def test_unknown_and_missing_evidence_is_refused_with_the_formats_that_are_known(tmp_path):
    with pytest.raises(InputError, match=r"no evidence at '.*nowhere'; give a file or folder of one of: Neuronpedia"):
        open_foreign(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("nothing of interest")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(
            InputError, match=r"of no known format \(Neuronpedia export, .*contexts\.jsonl, Delphi cache\)"
        ):
            open_foreign(path)


def test_a_single_file_needs_no_name_of_a_kind(tmp_path):
    for example in LISTED:
        folder = tmp_path / example.name
        example.write(folder)
        file = next(path for path in sorted(folder.rglob("*")) if path.is_file())
        if example.name == "Neuronpedia export":
            continue  # a folder by its nature
        renamed = file.rename(folder / "evidence")
        assert open_foreign(renamed).origin.format == example.name


def test_gzip_is_known_by_its_content(tmp_path):
    packed = save_contexts(tmp_path, suffix=".jsonl")
    packed.write_bytes(gzip.compress(packed.read_bytes()))
    assert len(list(open_foreign(packed).features())) == 3


def test_a_path_within_a_file_is_only_a_string(tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps({"tokens": ["secret"]}))
    path = save_json(tmp_path / "x.jsonl", {"index": 0, "contexts": str(secret)})
    with pytest.raises(InputError, match=r"'contexts' is '.*, expected a list"):
        list(open_foreign(path).features())
