"""Which device computes, and the state of torch that makes equal runs give equal bytes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


def best_device() -> torch.device:
    """The GPU where there is one, the rank's own where torchrun started several; else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16: a GPU from compute capability 8 on, a CPU
    with AMX or AVX512-BF16. Elsewhere bfloat16 is emulated, and slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    found = torch.cpu.get_capabilities()
    return device.type == "cpu" and bool(found.get("amx_bf16") or found.get("avx512_bf16"))


@contextmanager
def deterministic(device: torch.device, threads: int) -> Iterator[None]:
    """Deterministic algorithms and `threads` CPU threads, both as they were afterwards. On a GPU an
    operation without a deterministic form is told of and used, on the CPU it raises
    RuntimeError."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    filling: Any = torch.utils.deterministic
    fill_before = filling.fill_uninitialized_memory
    threads_before = torch.get_num_threads()
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    # Nothing here reads memory that was not written; filling it first costs a tenth of a step.
    filling.fill_uninitialized_memory = False
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        filling.fill_uninitialized_memory = fill_before
        torch.set_num_threads(threads_before)
