"""Somebody else's labels: how their file is read, cut into tokens, and told apart from shuffled ones."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from eval import labelled
from eval.__main__ import app
from eval.keeping import Kept
from eval.labelled import Feature, Scored, above_shuffled, bring, compare, everything, judgements, marked, pieces, read
from labeler.errors import InputError
from labeler.settings import Settings
from labeler.simulators.lexical import LexicalSimulator

SCORES = st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=6)


def item(text, distance=-1, truth=False, said=False):
    return {"text": text, "distance": distance, "ground_truth": truth, "judge_said_yes": said}


def line(word, **changes):
    """A feature that fires on one word and is labelled with it; its judge misses every other of four."""
    fuzz = [item(f" then<< {word}>> and {n}", n, True, bool(n % 2)) for n in (1, 2, 3, 4)]
    quiet = [item(f"nothing of number {n} here", -1, False, n == 3) for n in range(4)]
    return {
        "explanation": f'The word "{word}".',
        "train_examples": [
            {"tokens": ["So", f" {word}", f" {n}"], "values": [0, 3 + n, 0], "text_marked": "…"} for n in range(6)
        ]
        + [{"text_marked": "of this only the text came"}],
        "fuzz": fuzz + quiet,
        "detection": quiet,
        "fuzz_score": {"balanced_accuracy": 0.625},
        "detection_score": {"balanced_accuracy": 0.5},
        **changes,
    }


@pytest.fixture
def file(tmp_path):
    def write(*rows):
        path = tmp_path / "features.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


@given(st.text())
def test_pieces_joined_give_the_text(text):
    assert "".join(pieces(text)) == text


def test_pieces_are_words_with_the_space_before_them_and_runs_of_marks():
    assert pieces("It's 5 o'clock…  now_then\n") == [
        *("It", "'", "s", " 5", " o", "'", "clock", "…", " ", " now", "_", "then", "\n")
    ]


def test_marks_become_activations_and_leave_no_trace():
    tokens, values = marked("read by<< everybody>>. It<<’>><<s>>\n")
    assert "".join(tokens) == "read by everybody. It’s\n"
    assert [token for token, value in zip(tokens, values, strict=True) if value] == [" everybody", "’", "s"]


def test_what_the_explainer_was_shown_is_kept_apart_from_what_it_never_saw(file, tmp_path):
    features = read(file(line("rivers"), line("stone")))
    shown, held_out = (bring(features, kind, tmp_path / kind) for kind in ("shown", "held out"))
    for index, word in enumerate(("rivers", "stone")):
        assert {context.text for context in shown.evidence(index).contexts} == {f"So {word} {n}" for n in range(6)}
        apart = held_out.evidence(index).contexts
        assert {context.text for context in apart} == {f" then {word} and {n}" for n in (1, 2, 3, 4)}
        assert all(context.maximum == 1 for context in apart)
        for store, firing in ((shown, 6), (held_out, 4)):
            sample = everything(store, index)
            assert (sample.frame.firing.sum(), (~sample.frame.firing).sum()) == (firing, 4)
            assert len(set(sample.frame.contexts.tolist())) == firing + 4


async def test_right_labels_stand_above_shuffled_ones(file, tmp_path):
    words = ("rivers", "stone", "music", "winter")
    features = read(file(*map(line, words)))
    labels = [feature.explanation for feature in features]
    store = bring(features, "shown", tmp_path / "home")
    found = (await compare(LexicalSimulator(), labels, store, "shown", shuffles=2)).summary()
    assert (found["features"], found["auc"], found["own_beats_shuffled"]) == (4, 1.0, 1.0)
    assert found["mean_true"] > 0.9
    assert found["mean_shuffled"] == 0
    wrong = (await compare(LexicalSimulator(), labels[1:] + labels[:1], store, "shown", shuffles=2)).summary()
    assert wrong["auc"] <= 0.5
    assert wrong["undefined"] == 4


@given(SCORES, st.data())
def test_the_area_counts_pairs_and_half_of_ties(own, data):
    foreign = [data.draw(st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=2)) for _ in own]
    found = above_shuffled(np.array(own), np.array(foreign))
    flat = [other for row in foreign for other in row]
    pairs = [(a > b) + (a == b) / 2 for a in own for b in flat]
    assert found.mean() == pytest.approx(np.mean(pairs))
    assert found[0, 1] == pytest.approx(np.mean([(own[0] > b) + (own[0] == b) / 2 for b in foreign[1]]))


def test_the_interval_of_the_area_is_one_over_features():
    held = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        own, foreign = rng.normal(1, 1, 60), rng.normal(0, 1, (60, 3))
        found = Scored(simulator="x", kind="shown", true=own, foreign=foreign, undefined=0).summary()
        held += found["auc_low"] <= 0.7602 <= found["auc_high"]  # of normals one standard deviation apart
    assert 89 <= held <= 100


def test_recorded_judgements_are_held_against_what_the_file_states():
    right = Feature.model_validate(line("rivers"))
    found = judgements([right, Feature.model_validate(line("stone", fuzz_score={"balanced_accuracy": 0.7}))])
    assert found["fuzz"] == {"features": 2, "reproduced": 1, "mean_balanced_accuracy": 0.625}
    assert found["detection"]["reproduced"] == 0  # all of one class: there is no balanced accuracy


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (line("a", explanation=""), "line 2: explanation: "),
        (line("a", fuzz=[{"text": "x"}]), "line 2: fuzz.0.distance: "),
        ([1], "line 2: the line: "),
    ],
)
def test_a_file_of_another_form_is_refused_by_line_and_field(file, broken, said):
    with pytest.raises(InputError, match=said) as raised:
        read(file(line("rivers"), broken))
    assert "\n" not in str(raised.value)


def test_one_label_cannot_be_shuffled(file):
    with pytest.raises(InputError, match="1 features; there must be two or more"):
        read(file(line("rivers")))


@pytest.fixture
def stopping(monkeypatch):
    """Lets so many features be scored, and then is stopped; the labels of those that were."""
    score = labelled.foreign_scores

    def after(left):
        asked = []

        async def scores(simulator, texts, sampled):
            if len(asked) == left:
                raise KeyboardInterrupt
            asked.append(texts[0])
            return await score(simulator, texts, sampled)

        monkeypatch.setattr(labelled, "foreign_scores", scores)
        return asked

    return after


async def test_what_was_stopped_goes_on_from_its_rows(file, tmp_path, stopping):
    features = read(file(*map(line, ("rivers", "stone", "music", "winter"))))
    labels = [feature.explanation for feature in features]
    store = bring(features, "shown", tmp_path / "home")

    async def score(path):
        with Kept(path, {"shuffles": 2}) as kept:
            return (await compare(LexicalSimulator(), labels, store, "shown", shuffles=2, kept=kept)).summary()

    expected = await score(tmp_path / "at once.jsonl")
    stopping(2)
    with pytest.raises(KeyboardInterrupt):
        await score(tmp_path / "rows.jsonl")
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 1 + 2
    rest = stopping(9)
    assert await score(tmp_path / "rows.jsonl") == expected
    assert rest == labels[2:]
    assert (tmp_path / "rows.jsonl").read_text() == (tmp_path / "at once.jsonl").read_text()
    stopping(0)
    assert await score(tmp_path / "rows.jsonl") == expected
    rows = [json.loads(row) for row in (tmp_path / "rows.jsonl").read_text().splitlines()[1:]]
    assert [row["label"] for row in rows] == labels
    assert all(row["key"][:3] == ["lexical", "lexical", "shown"] and len(row["shuffled"]) == 2 for row in rows)


def test_the_command_keeps_its_rows_and_refuses_another_configuration(file, tmp_path, monkeypatch):
    monkeypatch.setattr("eval.labelled.settings", lambda: Settings(_env_file=None, home=tmp_path / "home"))
    path = str(file(line("rivers"), line("stone")))

    def run(*more):
        return CliRunner().invoke(app, ["labelled", path, "--simulator", "lexical", *more])

    first = run()
    assert first.exit_code == 0, first.output
    rows = tmp_path / "home" / "eval" / "labelled-features.jsonl"
    kept = rows.read_text()
    assert len(kept.splitlines()) == 1 + 2 * 2
    assert run().exit_code == 0
    assert rows.read_text() == kept
    refused = run("--shuffles", "2")
    assert isinstance(refused.exception, InputError)
    assert "shuffles 5, now 2" in str(refused.exception)
    assert run("--shuffles", "2", "--rows", str(tmp_path / "others.jsonl")).exit_code == 0
