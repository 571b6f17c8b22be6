"""Real files of other projects, where they are present: imported, labelled, scored."""

import math

import numpy as np
import pytest

from labeler import api
from labeler.explainers.llm import PROMPT_TOKENS, strengths, within_budget
from tests.fakes.foreign.real import shared_data
from tests.fakes.foreign.sae_vis import convert


@pytest.fixture(scope="module")
def gelu(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gelu")
    path = convert(shared_data("sae_vis_gelu1l"), folder / "contexts.jsonl")
    return api.import_evidence(path, "gelu-1l", home=folder / "home")


def test_a_page_of_sae_vis_gives_scores(gelu):
    assert len(gelu) == 256
    alone = [index for index in gelu.store.indices.tolist() if not gelu.store.near_duplicates(index)]
    firing = gelu.store.firing_contexts()
    usable = [i for i in alone if (firing[gelu.store.place(i)] >= 3).all()][:24]
    run = gelu.label(usable, explainers=["lexical"], simulators=["embedding", "lexical"])
    assert run.work().failed == 0
    rows = list(run.rows())
    assert sum(row["state"] == "labelled" for row in rows) >= 20
    values = [row["scores"]["simulation_top_and_random.lexical"]["value"] for row in rows if row["state"] == "labelled"]
    assert np.mean([value for value in values if value is not None]) > 0.3


def test_the_near_identical_features_of_the_page_are_one_group(gelu):
    import json

    lines = (shared_data("sae_vis_gelu1l") / "features.jsonl").read_text().splitlines()
    known = {feature["index"] for feature in map(json.loads, lines) if feature["ultra_low_density_cluster"]}
    groups = [{index, *gelu.store.near_duplicates(index)} for index in gelu.store.indices.tolist()]
    largest = max(groups, key=len)
    assert len(largest & known) >= 0.8 * len(known)
    assert len(largest - known) <= 0.1 * len(known)


def test_batches_of_saedashboard_give_scores(tmp_path):
    dictionary = api.import_evidence(shared_data("saedashboard_gpt2_res_jb"), "gpt2", home=tmp_path)
    run = dictionary.label(explainers=["lexical"], simulators=["embedding"])
    assert run.work().failed == 0
    rows = {row["index"]: row for row in run.rows()}
    assert set(rows) == {0, 1, 2, 3}
    scored = [row for row in rows.values() if row["scores"]]
    assert len(scored) >= 3
    for row in scored:
        assert row["scores"]["simulation_top_and_random.embedding"]["state"] in ("ok", "imprecise")


def test_a_feature_with_three_strong_contexts_shows_them_as_strong_as_they_are(tmp_path):
    store = api.import_evidence(shared_data("saedashboard_gpt2_res_jb"), "gpt2", home=tmp_path).store
    evidence = store.evidence(0)
    strong = [context for context in evidence.contexts if context.maximum > evidence.statistics.max_activation / 2]
    assert len(strong) == 3
    shown = within_budget(evidence, PROMPT_TOKENS, seed=0)
    assert {context.id for context in strong} <= {context.id for context in shown}
    for context in shown:
        told = max(strengths(context, evidence.scale))
        assert told == math.ceil(10 * context.maximum / evidence.statistics.max_activation)
