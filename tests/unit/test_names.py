"""What `import labeler` gives."""

import inspect
from importlib.resources import files

import pytest

import labeler


def test_it_lists_every_name_that_it_has():
    assert {"Dictionary", "Run", "collect", "dictionaries", "import_evidence", "open", "run", "runs"} <= set(
        dir(labeler)
    )
    assert all(getattr(labeler, name) is not None for name in dir(labeler))
    with pytest.raises(AttributeError, match="has no attribute 'close'"):
        labeler.close  # noqa: B018


def test_all_its_names_at_once_leave_pythons_own_alone():
    names: dict[str, object] = {}
    exec("from labeler import *", names)
    assert "open" not in names
    assert callable(names["import_evidence"])


def test_its_types_are_for_others_too():
    assert files("labeler").joinpath("py.typed").is_file()
    assert all(inspect.get_annotations(labeler.collect).values())
