"""[training] precision + device -> the precision to train in: a lower one only where the device is faster in it.

A processor without units for bf16 computes it too, sixty times slower than fp32; torch does not say which it is. So on
a CPU a small product is timed in both.
"""

import logging
import time

import torch

from mtl_export.config import Auto, Precision

__all__ = ["choose_precision", "time_matmul"]

_log = logging.getLogger(__name__)

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# Autocast converts weights and activations at each layer; below this gain of the products, that costs more.
_WORTHWHILE_GAIN = 1.5
_WARN_FROM = 1.2  # times slower than fp32
_ROUNDS = 5
_TOKENS, _HIDDEN = 256, 384  # of the product: a small batch in a small encoder
_SECONDS = 0.2  # after so many, a dtype is not timed again


def choose_precision(asked: Precision | Auto, device: torch.device, *, processes: int = 1) -> Precision:
    """The precision that a run is trained in; the choice, or a slow one that was asked for, is logged.

    Args:
        asked: of the config.
        device: that trains.
        processes: that train together; on CPUs several of them take fp32, since each would time for itself.
    """
    if asked != "auto":
        _warn_if_slow(asked, device)
        return asked
    if device.type == "cuda":
        return _choose_on_cuda(device)
    if device.type != "cpu" or processes > 1:
        return "fp32"
    gain = time_matmul("fp32", device) / time_matmul("bf16", device)
    chosen: Precision = "bf16" if gain >= _WORTHWHILE_GAIN else "fp32"
    _log.info("precision: %s (bf16 multiplies %.3g times as fast as fp32 here)", chosen, gain)
    return chosen


def time_matmul(precision: Precision, device: torch.device) -> float:
    """Seconds that a product of (256, 384) and (384, 384) takes on ``device``, the shortest of five."""
    left = torch.ones(_TOKENS, _HIDDEN, dtype=_DTYPES[precision], device=device)
    right = torch.ones(_HIDDEN, _HIDDEN, dtype=_DTYPES[precision], device=device)
    shortest, deadline = float("inf"), time.perf_counter() + _SECONDS
    for _ in range(1 + _ROUNDS):
        start = time.perf_counter()
        torch.matmul(left, right)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        shortest = min(shortest, time.perf_counter() - start)
        if time.perf_counter() > deadline:
            break
    return shortest


def _choose_on_cuda(device: torch.device) -> Precision:
    major, minor = torch.cuda.get_device_capability(device)
    # bf16 has units from compute capability 8.0 (Ampere) on, fp16 from 7.0 (Volta) on.
    chosen: Precision = "bf16" if major >= 8 else "fp16" if major == 7 else "fp32"
    _log.info("precision: %s (%s, compute capability %d.%d)", chosen, torch.cuda.get_device_name(device), major, minor)
    return chosen


def _warn_if_slow(asked: Precision, device: torch.device) -> None:
    if asked == "fp32" or device.type not in ("cpu", "cuda"):
        return
    slower = time_matmul(asked, device) / time_matmul("fp32", device)
    if slower >= _WARN_FROM:
        _log.warning(
            '[training] precision is "%s", in which this device multiplies %.3g times slower than in fp32; '
            'write precision = "auto"',
            asked,
            slower,
        )
