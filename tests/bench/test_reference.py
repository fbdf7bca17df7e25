"""The reference the product measures itself against stays as it was handed over."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ROOT / "bench" / "reference"
FILES = ("README.md", "flow.py", "raw_flow.py", "stub.py")


def handed_over() -> Path | None:
    """``../shared/bench`` beside the repository, wherever that is."""
    return next((found for parent in ROOT.parents if (found := parent / "shared" / "bench").is_dir()), None)


@pytest.mark.skipif(handed_over() is None, reason="the folder it was handed over in is not on this machine")
@pytest.mark.parametrize("name", FILES)
def test_reference_is_the_one_handed_over(name):
    assert (OURS / name).read_bytes() == (handed_over() / name).read_bytes()
