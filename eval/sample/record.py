"""``python -m eval.sample.record FOLDER``: have the demo's prompts answered anew, stage by stage, through files.

Each call takes the answers that lie in FOLDER/answered (the form of ``labeler requests import``), works as far as they
lead, and writes what is to be asked next to FOLDER/asked; whoever answers sees nothing else. When nothing is left to be
asked, the answers become those of the shipped demo, each with the tokens that it took by the sample model's tokenizer.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labeler import api
from labeler.api import open_catalogue
from labeler.data import shipped
from labeler.models.counting import count_tokens, counted_by
from labeler.recorded_demo import ANSWERED_BY, CONTEXTS, FOREIGN, SIMULATORS, demo_dictionary
from labeler.settings import settings


def main() -> None:
    """One stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    asked, answered = folder / "asked", folder / "answered"
    answered.mkdir(parents=True, exist_ok=True)
    run = _run(demo_dictionary(folder / "home"))
    if any(answered.glob("*.jsonl")):
        taken = run.import_answers(answered)
        print(f"{taken.answers} answers taken")
        for line in taken.named:
            print(line)
    last = run.work()
    shutil.rmtree(asked, ignore_errors=True)
    if last.pending:
        for path in run.export_requests(asked):
            print(path)
        return
    path = shipped("answers") / f"{ANSWERED_BY.partition(':')[2]}.jsonl"
    lines = sorted(_used(answered))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    print(f"{path}: {len(lines)} answers; tokens counted by {counted_by()}")


def _run(dictionary: api.Dictionary) -> api.Run:
    for run in dictionary.runs():
        return run
    return dictionary.label(
        explainers=[ANSWERED_BY], simulators=SIMULATORS, contexts=CONTEXTS, foreign=FOREIGN, mode="offline"
    )


def _used(answered: Path) -> Iterator[str]:
    """The first answer to every question that the run has asked, as a line."""
    lines: dict[str, dict[str, Any]] = {}
    for path in sorted(answered.glob("*.jsonl")):
        for text in path.read_text(encoding="utf-8").splitlines():
            line = json.loads(text)
            lines.setdefault(line["custom_id"], line)
    asked = open_catalogue(settings().model_copy(update={"home": answered.parent / "home"})).answers(list(lines))
    for line in (lines[key] for key in lines if key in asked):
        yield json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def answer_line(request: dict[str, Any], answer: str) -> dict[str, Any]:
    """An answer to a line of FOLDER/asked as a line of FOLDER/answered."""
    prompt = sum(count_tokens(str(message["content"])) for message in request["body"]["messages"])
    written = count_tokens(answer)
    completion = {
        "object": "chat.completion",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer}}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written},
    }
    return {"custom_id": request["custom_id"], "response": {"status_code": 200, "body": completion}, "error": None}


if __name__ == "__main__":
    main()
