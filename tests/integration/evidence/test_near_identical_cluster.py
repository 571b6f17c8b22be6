"""A real dictionary of which more than half are near-identical features: they are named as such, and inflate no null."""

import asyncio
import json

import numpy as np
import pytest

from labeler import api
from labeler.explainers import registry as explainers
from labeler.features import SPLITS, Explanation
from labeler.pipeline.scoring import foreign_scores, whole
from labeler.simulators import lookup
from labeler.simulators import registry as simulators
from tests.fakes.foreign.real import shared_data
from tests.fakes.foreign.sae_vis import convert

KEY = "simulation_top_and_random.tables"


@pytest.fixture(scope="module")
def gelu(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gelu")
    path = convert(shared_data("sae_vis_gelu1l"), folder / "contexts.jsonl")
    return api.import_evidence(path, "gelu-1l", home=folder / "home")


@pytest.fixture(scope="module")
def cluster():
    """The features that the page's makers know to be near-identical."""
    lines = (shared_data("sae_vis_gelu1l") / "features.jsonl").read_text().splitlines()
    return {feature["index"] for feature in map(json.loads, lines) if feature["ultra_low_density_cluster"]}


def test_the_cluster_is_one_group_whose_members_list_one_another(gelu, cluster):
    listed = {index: set(gelu.store.near_duplicates(index)) for index in gelu.store.indices.tolist()}
    for index in cluster:
        assert listed[index] == cluster - {index}
    assert not any(listed[index] for index in listed.keys() - cluster)


def test_rows_name_the_near_duplicates_that_share_a_label(gelu, cluster):
    run = gelu.label(sorted(cluster)[:40] + sorted(cluster ^ set(range(256)))[:20], simulators=["lexical"])
    assert run.work().failed == 0
    rows = {row["index"]: row for row in gelu.catalogue()}
    for index, row in rows.items():
        assert set(row["near_duplicates"]) == (cluster - {index} if index in cluster else set())
        alike = {at for at, other in rows.items() if at != index and other["label"].lower() == row["label"].lower()}
        assert set(row["same_label"]) == (alike & cluster if index in cluster else set())
    assert sum(bool(row["same_label"]) for row in rows.values()) >= 20


class Naming:
    """An explainer that says nothing of a feature but its number."""

    source = "naming"

    async def explain(self, evidence, background, seed):
        return [Explanation(label=f"feature {evidence.index}", explainer=self.source)]


class Tables:
    """Knows, by its number, what a look-up of tokens predicts of every feature: labels cannot be told apart better."""

    name = source = "tables"
    free = True
    prompt = None

    def __init__(self):
        self.tables = {}
        self.asked = []
        """Every call: the contexts, and the features whose labels were tried on them."""

    async def predict(self, texts, material):
        indices = [int(text.split()[-1]) for text in texts]
        self.asked.append((frozenset(material.at.tolist()), indices))
        for index in set(indices) - self.tables.keys():
            fitted = whole(material.store, index, "explain")
            self.tables[index] = lookup.fit(fitted.frame, fitted.material.ids)
        return np.stack([lookup.predict(self.tables[index], material.ids) for index in indices])


@pytest.fixture
def told(gelu, monkeypatch):
    """A run of such labels over the whole dictionary, and its simulator."""
    tables = Tables()
    monkeypatch.setitem(explainers.FREE, "naming", Naming)
    monkeypatch.setitem(simulators.FREE, "tables", lambda: tables)
    run = gelu.label(explainers=["naming"], simulators=["tables"])
    assert run.work().failed == 0
    return run, tables


def test_no_null_is_taken_within_the_group_and_none_is_inflated(gelu, cluster, told):
    run, tables = told
    store = gelu.store
    scores = {index: next(s for s in run.scores(index) if s.key == KEY) for index in store.indices.tolist()}

    # Whose contexts are these? Near-identical features may have the very same ones.
    owners = {}
    for index in scores:
        for way in (store, store.fold(0), store.fold(1)):  # with few documents a label is scored by halves
            for split in SPLITS:
                owners.setdefault(frozenset(way.frame(index, split).contexts.tolist()), set()).add(index)
    foreign_to_cluster = 0
    for contexts, tried in tables.asked:
        mine = owners[contexts]
        assert mine <= cluster or not mine & cluster
        foreign = set(tried) - mine
        if mine <= cluster:
            assert not foreign & cluster
            foreign_to_cluster += len(foreign)
        else:  # nor is the group most of anybody's null
            assert len(foreign & cluster) <= 1
    assert foreign_to_cluster > 1000

    members = sorted(cluster)[::5]
    kept = {index: np.array([value or 0.0 for value in scores[index].details["null"]]) for index in members}
    assert min(len(null) for null in kept.values()) >= 20
    among_its_own = {index: null_of(store, tables, index, sorted(cluster - {index})) for index in members}
    outside, inside = (np.quantile(np.concatenate(list(null.values())), 0.95) for null in (kept, among_its_own))
    print(f"95th percentile of the null of the cluster: {outside:.3f} outside the group, {inside:.3f} within it")
    assert outside < 0.07
    assert inside > outside + 0.15

    # So a label of the cluster is seen to be better than chance, which it would not be among its own.
    assert np.median([scores[index].null_percentile for index in members]) >= 95
    assert np.median([100 * (among_its_own[index] < scores[index].value).mean() for index in members]) < 80


def null_of(store, tables, index, others):
    """The scores of 40 features' labels on the contexts of one, or of a half of them."""
    store = store.fold(0) if store.halves(index) else store
    drawn = np.random.default_rng(index).permutation(others)[:40]
    texts = [f"feature {other}" for other in drawn]
    values = asyncio.run(foreign_scores(tables, texts, whole(store, index, "score")))
    return np.array([value or 0.0 for value in values])
