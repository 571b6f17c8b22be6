"""Ctrl-C while a run is at work for minutes: said at once, over in seconds, at once the second time, and nothing is lost."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from labeler.settings import Settings
from tests.fakes.command import end, environment, wait_until
from tests.fakes.evidence import make_store

ROOT = Path(__file__).parents[3]

SLOW = """
import sys, time
from labeler.models import encoder, names
from labeler.simulators import embedding
from tests.fakes.encoding import FakeEncoder

class Slow(FakeEncoder):
    def texts(self, texts):
        time.sleep({seconds})
        return super().texts(texts)
    def tokens(self, texts, ends, length):
        time.sleep({seconds})
        return super().tokens(texts, ends, length)

slow = Slow()
encoder.load_encoder = lambda: slow
embedding.encoder_available = names.encoder_available = lambda: True
from labeler.cli import main
main()
"""
"""The command with an encoder that takes so long for a batch."""


@pytest.fixture
def folder(tmp_path):
    """A home with evidence that came without the encoder's states: 1,500 contexts, 47 batches, have to be encoded."""
    store = make_store(tmp_path / ".labeler")
    file = tmp_path / ".labeler" / "dictionaries" / store.manifest.name / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["states"] = []
    file.write_text(json.dumps(manifest))
    return tmp_path


class Labelling:
    """A run at work in a process of its own, with what it has said so far."""

    def __init__(self, folder, seconds):
        command = ["label", "toy", "--explainer", "lexical", "--simulator", "embedding"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", SLOW.replace("{seconds}", str(seconds)), *command],
            cwd=folder,
            env=environment(XDG_CACHE_HOME=str(folder / "cache"), PYTHONPATH=str(ROOT)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = []
        threading.Thread(target=lambda: self.said.extend(iter(self.process.stderr.readline, "")), daemon=True).start()

    def has_said(self, text):
        assert self.process.poll() is None or any(text in line for line in self.said), self.said
        return any(text in line for line in self.said)

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return time.monotonic()


def test_it_ends_behind_a_batch_and_gives_everything_back(folder):
    labelling = Labelling(folder, 1.0)
    try:
        wait_until(lambda: labelling.has_said("encoding"), 60)
        began = labelling.interrupt()
        wait_until(lambda: labelling.has_said("stopping…"), 5)
        assert labelling.process.wait(30) == 130
        assert time.monotonic() - began < 10
        assert "nothing is lost. To go on: labeler resume" in labelling.said[-1]
        assert not any("Traceback" in line for line in labelling.said)
    finally:
        end([labelling.process])
    from labeler.api import open_catalogue

    catalogue = open_catalogue(Settings(_env_file=None, home=folder / ".labeler"))
    (run,) = catalogue.runs("toy")
    progress = catalogue.progress(run.id)
    assert (progress.failed, progress.leased) == (0, 0)


@pytest.mark.long
def test_a_second_one_ends_it_at_once(folder):
    labelling = Labelling(folder, 60)
    try:
        wait_until(lambda: labelling.has_said("encoding"), 60)
        labelling.interrupt()
        wait_until(lambda: labelling.has_said("stopping…"), 5)
        began = labelling.interrupt()
        assert labelling.process.wait(30) == 130
        assert time.monotonic() - began < 5
    finally:
        end([labelling.process])
