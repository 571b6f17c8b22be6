"""The explanations of an export come along, stand beside our own labels, and are scored when that is asked for."""

import json

import numpy as np
import pytest

from labeler import api
from labeler.catalogue.export import write
from labeler.errors import InputError
from labeler.features import SPLITS
from tests.fakes.foreign.neuronpedia import MODEL, SOURCE, save_neuronpedia
from tests.fakes.foreign.sample import save_rows
from tests.fakes.foreign.toy import toy_features
from tests.integration.pipeline.test_score import LEXICAL, chosen, drain, rows_of

__all__ = ["chosen"]

KEY = "simulation_top_and_random.lexical"


def explanation(index, text, model="gpt-4o-mini"):
    made_by = {"explanationModelName": model, "typeName": "oai_token-act-pair"}
    return {"modelId": MODEL, "layer": SOURCE, "index": str(index), "description": text, **made_by}


ROWS = [
    explanation(0, "march, june"),
    explanation(10, "the", None),
    explanation(10, "articles", "claude"),
    explanation(20, ""),
    explanation(30, "say 'penny'"),
    explanation(77, "of a feature that is not here"),
]


@pytest.fixture
def export(tmp_path):
    folder = save_neuronpedia(tmp_path / "zip" / "6-res-jb", toy_features())
    save_rows(folder / "explanations" / "batch-0.jsonl.gz", ROWS)
    return folder


@pytest.fixture
def theirs(export, chosen):
    return api.import_evidence(export, "theirs", home=chosen.home)


def said(found):
    return {index: [(one["label"], one["explainer"], one["side"]) for one in mine] for index, mine in found.items()}


BROUGHT = {
    0: [("march, june", "gpt-4o-mini", "input")],
    10: [("the", "file:explanations", "input"), ("articles", "claude", "input")],
    30: [("say 'penny'", "gpt-4o-mini", "output")],
}


def test_they_are_kept_with_the_dictionary(theirs):
    assert said(theirs.imported()) == BROUGHT
    assert said(theirs.imported(np.int64(0))) == {0: BROUGHT[0]}
    with pytest.raises(InputError, match="'0' is no feature index"):
        theirs.imported("0")


@pytest.mark.parametrize("labels", [3, ["the"], {0: 3}, {0: [3]}, {0: float("nan")}])
def test_what_is_no_label_is_refused_by_name(theirs, labels):
    with pytest.raises(InputError, match="labels"):
        theirs.score(labels=labels)
    assert said(theirs.imported(10)) == {10: BROUGHT[10]}
    assert theirs.imported(20) == {}


@pytest.mark.parametrize("where", [".", "6-res-jb/features", "6-res-jb/explanations"])
def test_wherever_the_export_was_found(export, chosen, where):
    assert said(api.import_evidence(export.parent / where, "x", home=chosen.home).imported()) == BROUGHT


@pytest.mark.parametrize("where", [".", "explanations"])
def test_also_where_they_lie_beside_it(export, chosen, where):
    (export / "explanations").rename(export.parent / "explanations")
    assert said(api.import_evidence(export.parent / where, "x", home=chosen.home).imported()) == BROUGHT


def test_importing_again_doubles_none_and_another_dictionary_of_the_name_has_none_of_them(export, theirs, chosen):
    assert said(api.import_evidence(export, "theirs", home=chosen.home).imported()) == BROUGHT
    for file in (chosen.home / "dictionaries" / "theirs").iterdir():
        file.unlink()
    (chosen.home / "dictionaries" / "theirs").rmdir()
    for file in (export / "explanations").iterdir():
        file.unlink()
    assert api.import_evidence(export, "theirs", home=chosen.home).imported() == {}


def test_damaged_explanations_are_named_and_nothing_is_imported(export, chosen):
    (export / "explanations" / "batch-0.jsonl.gz").write_bytes(b"oops")
    with pytest.raises(InputError, match=r"explanations/batch-0\.jsonl\.gz"):
        api.import_evidence(export, "broken", home=chosen.home)
    assert not (chosen.home / "dictionaries" / "broken").exists()


def test_they_are_scored_on_all_contexts_and_then_speak_where_we_have_no_label(theirs, chosen):
    run = theirs.score("imported", simulators=["lexical"])
    drain(chosen)
    rows = rows_of(run)
    assert sorted(rows) == [0, 10, 30]
    assert run.record.config["without_label"] == 2
    assert rows[0]["scores"][KEY]["n_contexts"] == len(theirs.store.frame(0, SPLITS))
    assert rows[0]["provenance"]["held_out"] is None
    assert (rows[30]["side"], rows[30]["scores"][KEY]["state"]) == ("output", "unscored")
    assert [row["index"] for row in theirs.catalogue()] == [0, 10, 30]


def test_they_stand_beside_ours_with_their_scores_whichever_was_made_first(theirs, chosen, tmp_path):
    theirs.score("imported", simulators=["lexical"], features=[0])
    drain(chosen)
    theirs.label(**LEXICAL)
    drain(chosen)
    theirs.score("imported", simulators=["lexical"])
    drain(chosen)
    write(theirs.catalogue(), "jsonl", tmp_path / "rows.jsonl")
    rows = {row["index"]: row for row in map(json.loads, (tmp_path / "rows.jsonl").read_text().splitlines())}
    assert rows[0]["explainer"] == "lexical"
    assert rows[0]["provenance"]["held_out"] is True
    assert said({index: row["imported"] for index, row in rows.items() if row["imported"]}) == BROUGHT
    (label,) = rows[0]["imported"]
    assert label["scores"][KEY]["value"] > 0.5
    assert label["scores"][KEY].keys() == {"value", "low", "high", "n_contexts", "state"}
    assert [bool(one["scores"]) for one in rows[10]["imported"]].count(True) == 1, "the one that was chosen"


def test_where_none_came_that_is_said(theirs, chosen, tmp_path):
    with pytest.raises(InputError, match="no label of those features came with 'theirs'"):
        theirs.score("imported", features=[20])
    assert theirs.runs() == []
