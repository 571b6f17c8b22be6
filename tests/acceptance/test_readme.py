"""What can be typed or set is in the README, and what the README shows can be typed."""

import re
import shlex
from pathlib import Path

import pytest

from labeler.cli.app import app
from labeler.evidence.dictionaries.loading import FAMILIES
from labeler.evidence.importers.registry import CACHE, FORMATS
from labeler.explainers import registry as explainers
from labeler.scorers import registry as judges
from labeler.settings import Settings
from labeler.simulators import registry as simulators
from tests.fakes.command import run

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [command.name for command in app.registered_commands]
GROUPS = {group.name: [one.name for one in group.typer_instance.registered_commands] for group in app.registered_groups}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme_and_has_help(name, tmp_path):
    assert re.search(rf"`(labeler )?{name}\b", README), name
    helped = run(tmp_path, name, "--help")
    assert helped.returncode == 0
    assert len(helped.stdout.strip().splitlines()) > 3


@pytest.mark.parametrize(("group", "name"), [(group, name) for group, names in GROUPS.items() for name in names])
def test_every_command_of_a_group_is_in_the_readme_and_has_help(group, name, tmp_path):
    assert re.search(rf"`(labeler )?{group} {name}\b", README), name
    assert run(tmp_path, group, name, "--help").returncode == 0


def test_every_setting_is_in_the_readme():
    for field in Settings.model_fields.values():
        assert f"`{field.alias}`" in README


def test_every_explainer_simulator_scorer_and_family_is_in_the_readme():
    for name in [
        *explainers.FREE,
        *explainers.ASKING,
        *simulators.FREE,
        *simulators.ASKING,
        *judges.FREE,
        *judges.ASKING,
    ]:
        assert f"| `{name}` |" in README
    for name in [*FAMILIES, *FORMATS, CACHE]:
        assert f"| {name} |" in README


def test_every_option_that_the_readme_shows_is_one(tmp_path):
    shown = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in joined(block)]
    lines = [shlex.split(line, comments=True) for line in shown]
    ours = [words for words in lines if words and words[0] == "labeler"]
    assert len(ours) >= 8
    for words in ours:
        command = words[1:3] if words[1] in GROUPS else words[1:2]
        assert command[-1] in GROUPS.get(words[1], COMMANDS)
        helped = run(tmp_path, *command, "--help").stdout
        for word in words:
            if word.startswith("--"):
                assert word in helped, words


def joined(block: str) -> list[str]:
    """The commands of a block, those over several lines put together, what stands behind ``&`` left out."""
    return [line.removesuffix("&").split(" & ")[0] for line in re.sub(r"\\\n\s*", "", block).splitlines()]


def test_make_says_what_there_is():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert re.search(rf"^{target}:.*##", makefile, re.MULTILINE)
        assert f"make {target}" in README


def test_the_readme_quotes_the_results_as_they_are():
    """Figures between markers are what ``python -m eval … --save`` wrote."""
    from eval import frames, labelled, reference, scarce
    from eval.bench import copies, evidence, free, sequential, start, supply, tokens
    from eval.estimator import tables
    from eval.known import command as known

    assert between("reference") == reference.readme_table().strip()
    assert between("estimator") == tables.readme_table().strip()
    assert between("labelled") == labelled.readme_table().strip()
    assert between("sequential") == sequential.readme_line().strip()
    assert between("known answers") == known.readme_table().strip()
    assert between("tokens") == tokens.readme_table().strip()
    assert between("supply") == supply.readme_table().strip()
    assert between("start") == start.readme_table().strip()
    assert between("free") == free.readme_table().strip()
    assert between("evidence") == evidence.readme_table().strip()
    assert between("scarce") == scarce.readme_table().strip()
    assert between("frames") == frames.readme_table().strip()
    assert between("copies") == copies.readme_table().strip()


def between(mark: str) -> str:
    """What stands between two markers of the README."""
    return README.split(f"<!-- {mark} -->")[1].split(f"<!-- /{mark} -->")[0].strip()
