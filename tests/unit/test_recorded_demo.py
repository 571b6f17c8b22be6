"""The demo mends itself: evidence that is not as it was shipped is put there anew, and what failed is tried again."""

import json
import shutil
import time

import pytest

from labeler.catalogue.records import LabelOutcome
from labeler.data import shipped
from labeler.errors import InputError
from labeler.evidence.store.storage import MANIFEST
from labeler.evidence.store.store import EvidenceStore
from labeler.recorded_demo import NAME, demo_dictionary, label_demo
from tests.fakes.environment import clean
from tests.fakes.evidence import make_store

FILES = sorted(EvidenceStore(shipped("demo")).manifest.files)


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    clean(monkeypatch)


@pytest.fixture
def home(tmp_path):
    demo_dictionary(tmp_path)
    return tmp_path


def is_whole(home) -> bool:
    return EvidenceStore(home / "dictionaries" / NAME).health(verify=True) is None


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:100])


def remove(path):
    path.unlink()


@pytest.mark.parametrize("damage", [flip, cut, remove])
@pytest.mark.parametrize("name", [FILES[0], "means.safetensors", MANIFEST])
def test_damaged_evidence_is_put_there_anew(home, name, damage):
    demo_dictionary(home).evidence(12)
    damage(home / "dictionaries" / NAME / name)
    assert demo_dictionary(home).evidence(12).contexts
    assert is_whole(home)
    assert sorted(path.name for path in (home / "dictionaries").iterdir()) == [NAME]


def test_whole_evidence_is_left_as_it_is(home):
    before = (home / "dictionaries" / NAME / MANIFEST).stat()
    demo_dictionary(home)
    assert (home / "dictionaries" / NAME / MANIFEST).stat().st_ino == before.st_ino


def test_evidence_of_an_earlier_version_is_replaced(home):
    manifest = home / "dictionaries" / NAME / MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "labeler": "0.0.1"}))
    assert demo_dictionary(home).store.manifest.fingerprint == EvidenceStore(shipped("demo")).manifest.fingerprint


def test_a_kill_between_taking_the_old_away_and_putting_the_new_there_is_mended(home):
    shelf = home / "dictionaries"
    (shelf / NAME).rename(shelf / f".old-{NAME}")
    cut(shelf / f".old-{NAME}" / FILES[0])
    demo_dictionary(home)
    assert is_whole(home)
    assert sorted(path.name for path in shelf.iterdir()) == [NAME]


@pytest.mark.parametrize("damage", [None, cut, remove])
def test_another_dictionary_of_that_name_is_left_alone_whole_or_damaged(tmp_path, damage):
    make_store(tmp_path, name=NAME)
    folder = tmp_path / "dictionaries" / NAME
    if damage:
        damage(folder / MANIFEST)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match="another dictionary's name"):
        demo_dictionary(tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_an_installation_whose_own_copy_is_damaged_says_so(tmp_path, monkeypatch):
    shutil.copytree(shipped("demo"), tmp_path / "shipped")
    flip(tmp_path / "shipped" / FILES[0])
    monkeypatch.setattr("labeler.recorded_demo.shipped", lambda name: tmp_path / "shipped")
    with pytest.raises(InputError, match=f"install labeler again.*{FILES[0]}"):
        demo_dictionary(tmp_path / "home")
    assert not (tmp_path / "home" / "dictionaries" / NAME).exists()


def test_what_failed_is_tried_again_when_it_is_called_again(home):
    dictionary = demo_dictionary(home)
    run = label_demo(dictionary)
    catalogue = run._catalogue
    for claim in catalogue.claim(100, 30.0, time.time(), [run.id]):
        catalogue.finish_label(claim, LabelOutcome(state="failed", reason="means.safetensors: missing"))
    assert run.record.state == "finished"
    again = label_demo(dictionary)
    assert again.id == run.id
    assert again.record.state == "running"
    assert again.progress().waiting == len(dictionary)
