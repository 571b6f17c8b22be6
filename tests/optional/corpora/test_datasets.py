"""Folders that the real ``datasets`` package writes."""

import os
import subprocess

import pytest

from labeler.errors import InputError
from labeler.evidence.corpora.registry import read_corpus

PYTHON = os.environ.get("LABELER_REFERENCE_DATASETS")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not PYTHON, reason="LABELER_REFERENCE_DATASETS names no python that has datasets"),
]

WRITE = """
import sys
from datasets import Dataset, DatasetDict

out = sys.argv[1]
whole = Dataset.from_list([{"text": f"text {i} " + "é" * (i % 5), "id": f"d{i}", "n": i} for i in range(2500)])
whole.save_to_disk(f"{out}/sharded", num_shards=3)
whole.select(range(2499, -1, -1)).save_to_disk(f"{out}/selected")
whole.remove_columns("id").to_parquet(f"{out}/whole.parquet")
DatasetDict(train=whole).save_to_disk(f"{out}/one")
DatasetDict(train=whole, test=whole.select([1])).save_to_disk(f"{out}/two")
"""
TEXTS = [f"text {i} " + "é" * (i % 5) for i in range(2500)]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("datasets")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "home")}
    subprocess.run([PYTHON, "-c", WRITE, str(folder)], check=True, capture_output=True, env=environment)
    return folder


def texts(path):
    return [passage.text for passage in read_corpus(str(path))]


@pytest.mark.parametrize("name", ["sharded", "one", "two/train", "whole.parquet"])
def test_what_it_writes_is_read(written, name):
    assert texts(written / name) == TEXTS


def test_the_order_of_a_selection_is_kept(written):
    assert texts(written / "selected") == TEXTS[::-1]


def test_ids_are_the_documents(written):
    assert [passage.document for passage in read_corpus(str(written / "sharded"))] == [f"d{i}" for i in range(2500)]


def test_one_of_several_splits_must_be_named(written):
    with pytest.raises(InputError, match="holds the splits test, train"):
        read_corpus(str(written / "two"))
