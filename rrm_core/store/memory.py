"""The memory of this process."""

import ctypes
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # of mallopt, as in malloc.h


def keep_freed() -> bool:
    """Let the C library keep what is freed, of any size, for the next use; whether it can (glibc).

    As it comes, a block above 32 MiB goes back to the kernel, which clears every page of the next
    one: half the time of a large product.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and bool(mallopt(MMAP_MAX, 0) and mallopt(TRIM_THRESHOLD, -1))
