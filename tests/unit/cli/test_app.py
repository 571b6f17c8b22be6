"""What the command says of what was typed wrong."""

import pytest

from labeler.cli.app import suggested_once


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("No such command 'colect'.", "No such command 'colect'."),
        ("No such command 'colect'. Did you mean 'collect'?", "No such command 'colect'. Did you mean 'collect'?"),
        (
            "No such command 'colect'. Did you mean 'collect'? Did you mean 'collect'?",
            "No such command 'colect'. Did you mean 'collect'?",
        ),
        (
            "No such command 'x'. (Did you mean one of: 'a', 'b'?). Did you mean 'a', 'b'?",
            "No such command 'x'. (Did you mean one of: 'a', 'b'?).",
        ),
        (
            "No such option: --simulater (Possible options: --escalate, --simulator) Did you mean --simulator?",
            "No such option: --simulater (Possible options: --escalate, --simulator)",
        ),
        ("Missing argument 'NAME'.", "Missing argument 'NAME'."),
    ],
)
def test_a_suggestion_is_made_once(message, said):
    assert suggested_once(message) == said
