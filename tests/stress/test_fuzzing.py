"""Hostile input. Whatever is made up by a fuzzer that watches the code it runs."""

import importlib.util
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import live_server
from tests.stress.fuzz import TARGETS

REQUIRED = os.environ.get("CAREERS_USERS_TEST_FUZZ") == "required"
SECONDS = 2
FUZZ = (sys.executable, "-m", "tests.stress.fuzz")
_RUNS = re.compile(r"^Done (\d+) runs", re.MULTILINE)
_INPUTS = re.compile(r"^#\d+\s+DONE\s+cov: (\d+) ", re.MULTILINE)


def fuzz(target: str, folder: Path) -> tuple[int, int]:
    """Fuzz a target in a process of its own; return inputs tried and branches seen."""
    words = (target, f"-max_total_time={SECONDS}", "-timeout=20", "-max_len=4096")
    ended = live_server.run(folder, *words, command=FUZZ)
    # The cause is at the end: the traceback, and the input in Base64.
    assert ended.returncode == 0, ended.stderr[-6000:]
    runs, inputs = _RUNS.search(ended.stderr), _INPUTS.search(ended.stderr)
    assert runs, ended.stderr[-3000:]
    assert inputs, ended.stderr[-3000:]
    return int(runs[1]), int(inputs[1])


@pytest.mark.quick
def test_nothing_the_fuzzer_makes_up_breaks(
    tmp_path: Path, figures: dict[str, str], whole: bool
) -> None:
    """Coverage-guided fuzzing (atheris) of the input gate, paths, cursors, the header
    Authorization and text folding finds nothing but documented refusals."""
    if importlib.util.find_spec("atheris") is None and not REQUIRED:
        figures["left out"] = "atheris is not installed"
        pytest.skip("atheris is not installed: pip install -e '.[fuzz]'")
    targets = TARGETS if whole else ["mixed"]
    folders = [tmp_path / target for target in targets]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(fuzz, targets, folders))
    for target, (runs, branches) in zip(targets, found, strict=True):
        assert runs > 20
        # It has seen the code that it is to break, not only ours around it.
        assert branches > 10
        figures[f"{target}: inputs"] = f"{runs:,}"
        figures[f"{target}: branches"] = str(branches)
