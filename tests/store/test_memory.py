"""The memory of this process: what is freed is used again, and asks the kernel for no pages."""

import subprocess
import sys

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
