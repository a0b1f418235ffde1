"""Files are never half-written, whatever fails."""

import os
import subprocess
import sys

import pytest

from rrm_core.store import files


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "table.parquet"
    files.write_bytes(b"old", path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device.*earlier file is kept"):
        files.write_bytes(b"new", path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_kill_while_saving_leaves_the_old_file(tmp_path):
    """The process dies between writing and renaming, as a SIGKILL there would do."""
    path = tmp_path / "state.bin"
    files.write_bytes(b"old", path)
    code = (
        "import os; os.replace = lambda *a: os.kill(os.getpid(), 9)\n"
        f"from rrm_core.store import files; files.write_bytes(b'new' * 1000, {str(path)!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -9 and path.read_bytes() == b"old"
    files.write_bytes(b"newer", path)
    assert path.read_bytes() == b"newer"
