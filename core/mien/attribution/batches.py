"""Passes rows through a function in batches: as many at once as memory holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Result = TypeVar("Result")

_SMALL = 400_000  # elements
_FIRST_ON_GPU = 16
_MOST_ON_GPU = 256  # by then a GPU is busy, and more rows are no faster
_FILL = 0.8  # of what is free: a batch of another size may need a little more a row

_highest = 0  # bytes; a device's own peak is that of the last batch, which is measured for itself


def rows_at_once(clip: Tensor) -> int:
    """Return how many variants of a clip pass the network at once: 16 on a GPU, to begin with; on a CPU one, where more
    is slower, and four of clips as small as 8 x 64 x 64, where it is four times faster.
    """
    # Decided by the size alone, never by a timing: the batch size decides the last bits of the relevance.
    return min(4, max(1, _SMALL // clip.numel())) if clip.device.type == "cpu" else _FIRST_ON_GPU


class Batches:
    """Rows in batches of even sizes: halved when memory does not hold one, grown on a GPU while it holds more.

    What one call has learnt of the memory, the next begins with.

    Parameters
    ----------
    at_once : int
        Rows of the first batch at most.
    grow : bool
        Whether batches may grow to fill the memory of a GPU.

    Attributes
    ----------
    at_once : int
        Rows of the next batch at most.
    """

    def __init__(self, at_once: int, *, grow: bool = True) -> None:
        self.at_once = at_once
        self._grow = grow

    def over(self, rows: Tensor, function: Callable[[Tensor], Result]) -> Iterator[Result]:
        """Yield the function's result for each batch of rows, in their order.

        Raises
        ------
        torch.cuda.OutOfMemoryError
            When memory does not hold a single row.
        """
        done = 0
        while done < len(rows):
            # Even sizes: one row alone, left over, takes a slow way through the convolutions.
            left = len(rows) - done
            count = -(-left // -(-left // self.at_once))
            result = self._tried(rows[done : done + count], function)
            if result is not None:
                done += count
                yield result[0]

    def _tried(self, rows: Tensor, function: Callable[[Tensor], Result]) -> tuple[Result] | None:
        """Return the result, or None when there was not enough memory; the next batch is half as large then."""
        import torch

        measured = self._grow and rows.device.type == "cuda"
        if measured:
            _restart_peak(rows.device)
            before = torch.cuda.memory_allocated(rows.device)
        try:
            result = function(rows)
        except torch.cuda.OutOfMemoryError:
            if len(rows) == 1:
                raise
            self.at_once, self._grow = len(rows) // 2, False
        else:
            if measured:
                used = torch.cuda.max_memory_allocated(rows.device) - before
                free = torch.cuda.mem_get_info(rows.device)[0] + torch.cuda.memory_reserved(rows.device) - before
                self.at_once = max(self.at_once, grown(len(rows), used, free))
            return (result,)
        # Only here has the exception let go of the tensors of the batch that was too large.
        torch.cuda.empty_cache()
        return None


def begin_peak(device: torch.device) -> None:
    """Measure the peak of a GPU's memory from here on."""
    global _highest
    _restart_peak(device)
    _highest = 0


def peak(device: torch.device) -> int:
    """Return the most bytes of a GPU that were allocated at once since `begin_peak`, through all batches."""
    import torch

    return max(_highest, torch.cuda.max_memory_allocated(device))


def _restart_peak(device: torch.device) -> None:
    global _highest
    import torch

    _highest = peak(device)
    torch.cuda.reset_peak_memory_stats(device)


def grown(rows: int, used: int, free: int) -> int:
    """Return how many rows the next batch may have: as many as fill the free memory.

    Parameters
    ----------
    rows : int
        Of the last batch.
    used, free : int
        Bytes that it used, and that were free before it.
    """
    return min(int(rows * _FILL * free / max(used, 1)), _MOST_ON_GPU)


def in_batches(function: Callable[[Tensor], Tensor], rows: Tensor, at_once: int) -> Tensor:
    """Return the function's results for all rows, joined on their first axis.

    Parameters
    ----------
    function : callable
        From a batch of rows ``(n, ...)`` to a tensor ``(n, ...)``.
    rows : Tensor, shape (N, ...)
        N at least 1.
    at_once : int
        Rows of a batch, to begin with; halved when memory does not hold them (see `Batches`).
    """
    import torch

    return torch.cat(list(Batches(at_once).over(rows, function)))


def over_clips(function: Callable[[Tensor], Result], clips: Tensor) -> list[Result]:
    """Return the function's results for batches of clips, detached: one by one on a CPU, many on a GPU.

    A clip that passes the network alone does not depend, even in the last bit, on what else is in its batch; and on a
    CPU larger batches are hardly faster.

    Parameters
    ----------
    function : callable
        From clips ``(n, ...)`` to what is found for them.
    clips : Tensor, shape (N, ...)
    """
    batches = Batches(1 if clips.device.type == "cpu" else _FIRST_ON_GPU)
    return list(batches.over(clips.detach(), function))
