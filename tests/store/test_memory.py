"""The memory of this process: what is freed is used again, and asks the kernel for no pages."""

import subprocess
import sys

from rrm_core.sudoku import sets

FAULTS = """
import resource
import numpy as np
from rrm_core.store import memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        np.ones(2**23)  # 64 MiB, above what the C library keeps by itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first = faults()
can = memory.keep_freed()
faults()
print(int(can), first, faults())
"""


def test_a_large_block_is_used_again_without_asking_the_kernel_for_its_pages():
    found = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True)
    can, before, after = map(int, found.stdout.split())
    assert before >= 4 * 32, "as it comes every page is asked for again, of 2 MiB at most"
    assert after < before / 4 if can else after > before / 4


def test_elsewhere_than_on_linux_nothing_is_changed(monkeypatch):
    from rrm_core.store import memory

    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert not memory.keep_freed()


def test_a_measurement_keeps_what_is_freed_whoever_calls_it(monkeypatch):
    from rrm_core.models.config import Config
    from rrm_core.models.recursive import RecursiveModel
    from rrm_core.runs import measure

    kept = []
    monkeypatch.setattr(measure.memory, "keep_freed", lambda: kept.append(True))
    model = RecursiveModel(Config("trm", "mlp", 4, 8, 1, 0, 1, 1, heads=2, prefix=1)).eval()
    measure.roll(model, sets.boards(sets.table("4x4-test").head(2))[0], 2, segments=1, k=1)
    assert kept
