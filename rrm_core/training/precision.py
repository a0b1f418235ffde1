"""bfloat16 or float32: what a training computes in, chosen by what the processor has.

With bfloat16 units a training under autocast takes half of float32's time (AMD Zen 4, Zen 5),
without them seven times as much (AMD Zen 3, as most laptops). What it has is asked, not timed: a
timing beside other work chose now one, now the other.
"""

import torch


def choose(device: torch.device) -> tuple[bool, str]:
    """(whether to train in bfloat16, why) on `device`."""
    if device.type == "cuda":
        units, what = torch.cuda.is_bf16_supported(including_emulation=False), "this GPU"
    elif device.type == "cpu":
        found: dict = getattr(torch.cpu, "get_capabilities", dict)()
        units, what = any(v for k, v in found.items() if k.endswith("bf16")), "this processor"
    else:
        return False, "bfloat16 was not tried on such a device"
    return units, f"{what} has {'' if units else 'no '}bfloat16 units"
