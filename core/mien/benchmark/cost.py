"""What one explanation costs: seconds, and the peak of the memory that it takes.

On a GPU the peak is the allocator's own (``torch.cuda.max_memory_allocated``).  On a CPU torch's allocations are read
from its profiler and summed up over time: the rise of the process's memory would also count, and be hidden by, what
was allocated and given back before.  What is not torch's (arrays of numpy) is not seen.  The profiler slows the
explanation down, so time and memory are measured in two explanations, unless only the time is asked for.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from mien.attribution.attributing import attributed
from mien.attribution.batches import begin_peak, peak
from mien.interfaces import AttributionMethod, ExplainedModel
from mien.types import ClipBatch, Explanation

if TYPE_CHECKING:
    from torch import Tensor

_MEGABYTE = 1e6
_LOG_LEVEL = "KINETO_LOG_LEVEL"


@dataclass(frozen=True)
class Cost:
    """An explanation and what it cost.

    Attributes
    ----------
    seconds : float
        For each clip of the batch.
    memory_mb : float
        Peak of the memory beyond what was allocated before, in 10^6 bytes; NaN when it was not measured.
    """

    explanation: Explanation
    seconds: float
    memory_mb: float = float("nan")


def measure_cost(
    method: AttributionMethod,
    model: ExplainedModel,
    batch: ClipBatch,
    target: Callable[[Tensor], Tensor],
    *,
    memory: bool = True,
) -> Cost:
    """Return an explanation of the batch with its cost.

    Parameters
    ----------
    batch : ClipBatch
        On the network's device; one clip, where the memory of one clip is meant.
    memory : bool
        Whether the peak of memory is measured too, which on a CPU takes a second explanation.
    """
    device = batch.inputs.device
    if device.type == "cuda":
        return _on_gpu(method, model, batch, target, device)
    began = time.perf_counter()
    explanation = attributed(method, model, batch, target)
    seconds = (time.perf_counter() - began) / len(batch)
    if not memory:
        return Cost(explanation, seconds)
    return Cost(explanation, seconds, peak_on_cpu(lambda: attributed(method, model, batch, target)))


def _on_gpu(
    method: AttributionMethod,
    model: ExplainedModel,
    batch: ClipBatch,
    target: Callable[[Tensor], Tensor],
    device: torch.device,
) -> Cost:
    torch.cuda.synchronize(device)
    begin_peak(device)
    before, began = torch.cuda.memory_allocated(device), time.perf_counter()
    explanation = attributed(method, model, batch, target)
    torch.cuda.synchronize(device)
    seconds = (time.perf_counter() - began) / len(batch)
    return Cost(explanation, seconds, (peak(device) - before) / _MEGABYTE)


def peak_on_cpu(work: Callable[[], Any]) -> float:
    """Return the peak of torch's memory on the CPU while ``work`` runs, beyond what was there before; 10^6 bytes."""
    from torch.profiler import ProfilerActivity, profile

    with warnings.catch_warnings(), _quiet_profiler():
        warnings.simplefilter("ignore")  # the profiler warns of what it does not see, such as a missing GPU
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            work()
        with tempfile.TemporaryDirectory() as folder:
            trace = Path(folder) / "trace.json"
            profiler.export_chrome_trace(str(trace))
            events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    return _peak(events) / _MEGABYTE


@contextmanager
def _quiet_profiler() -> Iterator[None]:
    """Keep the profiler's library from writing to standard error."""
    before = os.environ.get(_LOG_LEVEL)
    os.environ[_LOG_LEVEL] = "99"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_LOG_LEVEL]
        else:
            os.environ[_LOG_LEVEL] = before


def _peak(events: list[dict[str, Any]]) -> float:
    """Return the largest sum of allocations less what was freed, in the order of time."""
    changes = [
        (float(event["ts"]), place, int(event["args"]["Bytes"]))
        for place, event in enumerate(events)
        if event.get("name") == "[memory]" and event["args"].get("Device Type") == 0
    ]
    total = peak = 0
    for _, _, change in sorted(changes):
        total += change
        peak = max(peak, total)
    return float(peak)
