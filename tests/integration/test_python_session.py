"""The session of examples/python_session.py: in a script, under a running loop, and in a notebook's kernel."""

import asyncio
import importlib.util
import json
import os
import random
import re
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from labeler.evidence.corpora.registry import sample_corpus
from labeler.settings import settings
from tests.fakes.command import environment
from tests.fakes.dictionary import weights
from tests.fakes.environment import clean
from tests.fakes.evidence import make_store
from tests.fakes.sae import SAE
from tests.fakes.shallow_encoder import shallow_encoder
from tests.fakes.tiny_model import save_tiny_model

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "python_session.py"
PROSE = "the cat sat on the mat and then they ate the other bread while a breath of air stood over there".split()


def example():
    spec = importlib.util.spec_from_file_location("python_session", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("index", [3, 4, -1], ids=["labelled", "dead", "dead, from the end"])
def test_the_readmes_session_runs_as_it_is_written_whether_the_feature_has_a_label_or_not(
    tmp_path, monkeypatch, capsys, index
):
    pytest.importorskip("pandas")
    clean(monkeypatch)
    monkeypatch.setenv("LABELER_HOME", str(tmp_path))
    settings.cache_clear()
    make_store(tmp_path, name="my-sae")
    written = re.search(r"```python\n(import labeler\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    assert "[12]" in written
    for asked, here in (("[12]", f"[{index}]"), ('"0-99"', '"0-4"'), ('"embedding"', '"lexical"')):
        written = written.replace(asked, here)
    exec(written, {})
    said = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r'"penny" 0\.\d+' if index == 3 else "None dead", said)
    settings.cache_clear()


def parts(folder):
    """A model, a tokenizer, an autoencoder and a corpus, all tiny."""
    if not (folder / "model").exists():
        save_tiny_model(folder / "model")
        rng = random.Random(0)
        lines = [json.dumps({"text": " ".join(rng.choices(PROSE, k=100))}) for _ in range(80)]
        (folder / "corpus.jsonl").write_text("\n".join(lines))
    return {
        "model": AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32),
        "tokenizer": AutoTokenizer.from_pretrained(folder / "model"),
        "sae": SAE("jumprelu", {**weights(), "threshold": torch.full((64,), 0.5)}),
        "corpus": str(folder / "corpus.jsonl"),
        "home": str(folder / "home"),
    }


@pytest.mark.parametrize("running", [False, True])
def test_an_autoencoder_in_memory_becomes_a_table_of_labels(running, tmp_path, monkeypatch, capsys):
    pytest.importorskip("pandas")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("labeler.models.encoder.load_encoder", shallow_encoder)

    def session():
        return example().session(**parts(tmp_path), tokens=8_000, features=4)

    async def in_a_cell():
        assert asyncio.get_running_loop().is_running()
        return session()

    table = asyncio.run(in_a_cell()) if running else session()
    assert len(table) == 64
    labelled = table[table["state"] == "labelled"]
    assert len(labelled) == 4
    assert labelled["label"].str.len().min() > 0
    assert labelled["headline"].tolist() == ["simulation.embedding"] * 4
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 3
    assert shown[0].startswith("Dictionary('session': 64 features of ")
    assert shown[1].startswith("Feature(")


def test_in_a_notebooks_kernel_it_shows_one_moving_output_and_the_table(tmp_path):
    pytest.importorskip("pandas")
    pytest.importorskip("ipykernel")
    client = pytest.importorskip("jupyter_client")
    parts(tmp_path)
    manager = client.KernelManager()
    env = {
        **environment(),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
    }
    manager.start_kernel(env=env, cwd=str(tmp_path))
    kernel = manager.client()
    kernel.start_channels()
    try:
        kernel.wait_for_ready(timeout=60)
        seen = executed(
            kernel,
            "import asyncio; from pathlib import Path\n"
            "from tests.integration.test_python_session import example, parts\n"
            "assert asyncio.get_event_loop().is_running()\n"
            f"example().session(**parts(Path({str(tmp_path)!r})), tokens=8_000, features=4)",
        )
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)
    assert "<table" in seen["execute_result"][0]["data"]["text/html"]
    displays = [each for each in seen["display_data"] if "<progress" in each["data"].get("text/html", "")]
    collecting, labelling = displays  # one output for each of the two waits
    assert labelling["data"]["text/plain"].startswith("labelling features")
    last = {each["transient"]["display_id"]: each["data"]["text/plain"] for each in seen["update_display_data"]}
    assert "reading the corpus: " in last[collecting["transient"]["display_id"]]
    assert "labelling features: 4/4 features" in last[labelling["transient"]["display_id"]]


def executed(kernel, code):
    """What a cell puts out, by kind."""
    asked = kernel.execute(code)
    seen = {}
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        message = kernel.get_iopub_msg(timeout=200)
        if message["parent_header"].get("msg_id") != asked:
            continue
        kind, content = message["msg_type"], message["content"]
        assert kind != "error", "\n".join(content["traceback"])
        if kind == "status" and content["execution_state"] == "idle":
            return seen
        seen.setdefault(kind, []).append(content)
    raise TimeoutError(code)


def test_what_is_wrong_with_its_arguments_is_told_in_a_line(tmp_path, monkeypatch, capsys):
    session = example()
    built_in = parts(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "smollm2_folder", lambda: tmp_path / "model")
    monkeypatch.setattr(session, "autoencoder", lambda folder: built_in["sae"])
    for arguments, told in (
        (["--corpus", "nowhere.txt"], "python_session.py: no corpus at 'nowhere.txt'"),
        (["--features", "-1"], "argument --features: '-1' is no whole number above 0"),
        (["--tokens", "0"], "argument --tokens: '0' is no whole number above 0"),
        (["--tokens", "many"], "argument --tokens: 'many' is no whole number above 0"),
    ):
        monkeypatch.setattr(sys, "argv", [str(EXAMPLE), *arguments])
        with pytest.raises(SystemExit) as ended:
            session.main()
        assert ended.value.code == 2
        assert told in capsys.readouterr().err.splitlines()[-1]


def test_the_example_rests_where_the_setting_says(tmp_path, monkeypatch, capsys):
    session = example()
    built_in = parts(tmp_path)
    monkeypatch.setattr(session, "smollm2_folder", lambda: tmp_path / "model")
    monkeypatch.setattr(session, "autoencoder", lambda folder: built_in["sae"])
    monkeypatch.setattr("labeler.models.encoder.load_encoder", shallow_encoder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LABELER_HOME", str(tmp_path / "set"))
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    given = ["--corpus", built_in["corpus"], "--tokens", "8000", "--features", "2"]
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), *given])
    session.main()
    assert (tmp_path / "set" / "dictionaries" / "session").is_dir()
    assert not (tmp_path / ".labeler").exists()


@pytest.mark.long
def test_the_example_labels_the_sample(tmp_path):
    passages = islice(sample_corpus(), 12)
    (tmp_path / "text.jsonl").write_text("".join(json.dumps({"text": one.text}) + "\n" for one in passages))
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), "--corpus", "text.jsonl", "--features", "4"],
        cwd=tmp_path,
        env={**environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Dictionary('session': 4,096 features of " in done.stdout
    assert len(done.stdout.split("density\n")[1].splitlines()) == 4
