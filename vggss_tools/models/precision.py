"""In which arithmetic a network is best trained here."""

from __future__ import annotations

import torch


def native_precision() -> str:
    """Return bfloat16 where this CPU multiplies in it natively (AVX512-BF16, AMX), else float32.

    There, with channels last, a training step took 0.6 of the time of float32; emulated, it is
    slower. The answer goes by the processor's abilities, not by a stopwatch, so that two runs on
    one machine agree.
    """
    # Absent before torch 2.10.
    native: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bfloat16" if native.get("avx512_bf16") or native.get("amx_bf16") else "float32"
