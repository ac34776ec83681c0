"""Names of reviewers."""

from __future__ import annotations

import pytest

from vggss_tools.annotate.reviewers import namesake, reviewer_name
from vggss_tools.errors import WrongUsage


@pytest.mark.parametrize(
    ("text", "name"), [("ada", "ada"), ("  ada ", "ada"), ("Ünal B", "Ünal B")]
)
def test_a_name_is_taken_without_the_blanks_around_it(text: str, name: str) -> None:
    """Any printable name will do."""
    assert reviewer_name(text) == name


@pytest.mark.parametrize("text", ["", "  ", "a\nb", "a\x1b[2J", "x" * 501, "sample-world"])
def test_what_is_no_name_is_a_wrong_command_line(text: str) -> None:
    """Empty, unprintable, too long, or the name of a sample world: one short line, exit code 2."""
    with pytest.raises(WrongUsage) as caught:
        reviewer_name(text)
    assert caught.value.exit_code == 2
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 200


def test_a_namesake_differs_by_case_alone() -> None:
    """A name that is known itself has none, whatever else is known."""
    assert namesake("Ada", ["ada", "bob"]) == "ada"
    assert namesake("ada", ["ada", "Ada"]) is None
    assert namesake("eve", ["ada"]) is None
