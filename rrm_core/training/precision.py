"""bfloat16 or float32: what a training computes in, chosen by what the processor does well.

A processor with bfloat16 units trains 2 to 4 times faster under autocast, one without 7 times
slower (AMD Zen 3, as most laptops), so on a CPU some milliseconds of timing decide.
"""

import time
from functools import cache

import torch
import torch.nn.functional as F

SIZE, TRIES = 128, 5  # of a layer and its batch; of the timings, the least of which counts
MARGIN = 0.8  # of float32's time, which bfloat16 must not exceed to be worth its rounding


def choose(device: torch.device) -> tuple[bool, str]:
    """(whether to train in bfloat16, why) on `device`."""
    if device.type == "cuda":
        units = torch.cuda.is_bf16_supported(including_emulation=False)
        return units, f"this GPU has {'' if units else 'no '}bfloat16 units"
    if device.type != "cpu":
        return False, "bfloat16 was not tried on such a device"
    ratio = slowdown()
    found = f"{1 / ratio:.1f} times faster" if ratio < 1 else f"{ratio:.1f} times slower"
    return ratio < MARGIN, f"bfloat16 is {found} on this processor"


@cache
def slowdown() -> float:
    """Time of a small layer, forward and backward, under bfloat16 over that in float32."""
    v, weight = (torch.ones(SIZE, SIZE, requires_grad=True) for _ in range(2))
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for bf16 in [True, False] * TRIES:
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            out = F.linear(v, weight)
        out.float().sum().backward()
        seconds[bf16].append(time.perf_counter() - start)
    return min(seconds[True]) / min(seconds[False])
