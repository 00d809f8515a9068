"""The annotations are true: the type checker passes the library and a user's script."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHECKED = ("jaxvis", "weights_convert", "tests/typing_user.py")


def test_the_type_checker_finds_no_error(tmp_path):
    # A folder of its own: nothing that an earlier check left behind counts.
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path), *CHECKED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("Success: ")
