"""The wheel in an environment of its own: it takes no name but its own, and holds all that the demo needs."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TAKEN = ("eval", "prompts", "tests", "workers")

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder of somebody's own with packages of usual names, and a Python that has the wheel installed."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("labeler", "workers", "prompts", "eval"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    done([*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder / "built"), str(source)])
    (wheel,) = (folder / "built").glob("*.whl")
    done([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")])
    python = folder / "venv/bin/python"
    done([*pip, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)])
    # What it depends on is borrowed; a path in a .pth brings packages, and not what is installed there as editable.
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}))
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    own = folder / "own"
    for name in TAKEN:
        (own / name).mkdir(parents=True)
        (own / name / "__init__.py").write_text("raise ImportError('this is not labeler\\'s')\n")
    return own, python, packages


def done(command, folder=None) -> str:
    """What a command said that ended well."""
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("LABELER_", "ANTHROPIC_", "OPENAI_", "PYTHONPATH"))
    }
    result = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, timeout=500)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_it_installs_no_other_name(installed):
    _, _, packages = installed
    assert sorted(
        path.name for path in packages.iterdir() if path.is_dir() and not path.name.endswith(".dist-info")
    ) == ["labeler"]
    assert (packages / "labeler/workers/app.py").is_file()
    assert list((packages / "labeler/prompts").glob("*.j2"))


def test_folders_of_usual_names_are_in_nobodys_way(installed):
    own, python, packages = installed
    said = done(
        [python, "-c", "import labeler.api, labeler.prompts, labeler.workers.app; print(labeler.__file__)"], own
    )
    assert said.strip() == str(packages / "labeler/__init__.py")


def test_the_demo_runs_beside_them(installed):
    own, python, _ = installed
    assert "sparse" in done([python, "-m", "labeler", "demo"], own)
