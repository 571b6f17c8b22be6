"""What `import labeler` gives."""

import inspect
import pkgutil
from importlib.resources import files

import pytest

import labeler
import labeler.api
from labeler.evidence.dictionaries import load_dictionary
from labeler.settings import Settings, settings
from tests.fakes.dictionary import save_dictionary
from tests.fakes.environment import clean
from tests.fakes.evidence import make_store
from tests.fakes.tiny_model import tiny_language_model


def test_it_lists_every_name_that_it_has():
    assert {"Dictionary", "Run", "collect", "dictionaries", "import_evidence", "label", "open", "run", "runs"} <= set(
        dir(labeler)
    )
    assert all(getattr(labeler, name) is not None for name in dir(labeler))
    with pytest.raises(AttributeError, match="has no attribute 'close'"):
        labeler.close  # noqa: B018


def test_no_module_has_a_name_that_it_gives():
    """An imported module becomes an attribute of its package, over whatever that name was."""
    assert not {module.name for module in pkgutil.iter_modules(labeler.__path__)} & {*labeler.__all__, "open"}
    assert not {module.name for module in pkgutil.iter_modules(labeler.api.__path__)} & {*labeler.api.__all__}


def test_all_its_names_at_once_leave_pythons_own_alone():
    names: dict[str, object] = {}
    exec("from labeler import *", names)
    assert "open" not in names
    assert callable(names["import_evidence"])


def test_its_types_are_for_others_too():
    assert files("labeler").joinpath("py.typed").is_file()
    assert all(inspect.get_annotations(labeler.collect).values())


def test_whatever_comes_out_of_it_is_shown_on_one_short_line_without_arrays(tmp_path, monkeypatch):
    clean(monkeypatch)
    sae = labeler.Dictionary("toy", make_store(tmp_path), Settings(_env_file=None, home=tmp_path))
    run = sae.label(3, explainers="lexical", simulators="lexical")
    evidence, frame = sae.evidence(3), sae.store.frame(3, "score")
    weights = load_dictionary(save_dictionary(tmp_path / "sae"))
    model = tiny_language_model("gpt2")
    shown = {
        repr(sae): "Dictionary('toy': 5 features of 'toy' at 'blocks.0.hook_resid_post')",
        repr(run): f"Run('{run.id}' of 'toy': running, 0 of 1 features done)",
        repr(sae.store): "EvidenceStore('toy': 5 features of 'toy' at 'blocks.0.hook_resid_post', 1,500 contexts)",
        repr(weights): "Dictionary(64 features that read 32 dimensions of 'tiny' at 'blocks.0.hook_resid_post')",
        repr(model): "LanguageModel('gpt2', a GPT2LMHeadModel on cpu)",
    }
    assert all(found == expected for found, expected in shown.items())
    for thing in (
        *(evidence, evidence.contexts[0], evidence.statistics, frame, run.record, sae.spent(), run.work()),
        *(sae.plan(3, explainers="openai:gpt-5-nano")[0], sae.report(), run.scores(3)[0]),
        *(sae.store.manifest, sae.store.read(3), sae.store.material(frame.contexts), sae.near_misses(3, "explain", 1)),
    ):
        text = repr(thing)
        assert len(text) < 400
        assert "array" not in text
        assert "\n" not in text


def test_the_runs_are_had_after_one_was_worked_on(tmp_path, monkeypatch):
    clean(monkeypatch)
    sae = labeler.Dictionary("toy", make_store(tmp_path), Settings(_env_file=None, home=tmp_path))
    run = sae.label(3, explainers="lexical", simulators="lexical")
    run.work()
    assert [(one.id, one.state) for one in labeler.runs(tmp_path)] == [(run.id, "finished")]
    assert labeler.run(run.id, tmp_path).state == "finished"


def test_labels_are_made_of_a_dictionary_or_of_the_name_of_one(tmp_path, monkeypatch):
    clean(monkeypatch)
    make_store(tmp_path)
    monkeypatch.setenv("LABELER_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    try:
        for toy in ("toy", labeler.open("toy")):
            assert labeler.label(toy, "1-2", explainers="lexical", simulators="lexical").indices() == [1, 2]
    finally:
        settings.cache_clear()
    own, method = (inspect.signature(call).parameters for call in (labeler.label, labeler.Dictionary.label))
    assert [*own] == ["dictionary", *[*method][1:]]
