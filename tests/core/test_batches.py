"""Batches: order kept, even sizes, halved where memory ends, grown where it does not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mien
from mien.attribution import Batches, in_batches, over_clips, rows_at_once
from mien.attribution.batches import grown
from mien.benchmark import cost
from mien.types import Explanation


class SmallMemory:
    """Squares rows, and holds no more than ``most`` of them."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.asked: list[int] = []

    def __call__(self, rows: Tensor) -> Tensor:
        self.asked.append(len(rows))
        if len(rows) > self.most:
            raise torch.cuda.OutOfMemoryError("planted")
        return rows.square()


def test_rows_come_back_in_order_in_even_batches() -> None:
    rows, function = torch.arange(10.0), SmallMemory(100)
    assert torch.equal(in_batches(function, rows, 4), rows.square())
    assert function.asked == [4, 3, 3]


def test_a_batch_that_memory_does_not_hold_is_halved_and_the_work_goes_on() -> None:
    rows, function = torch.arange(32.0), SmallMemory(5)
    assert torch.equal(in_batches(function, rows, 16), rows.square())
    assert function.asked == [16, 8, *[4] * 8]


def test_what_was_learnt_of_the_memory_is_kept() -> None:
    batches, function = Batches(16), SmallMemory(5)
    list(batches.over(torch.arange(16.0), function))
    function.asked.clear()
    list(batches.over(torch.arange(8.0), function))
    assert function.asked == [4, 4]
    assert batches.at_once == 4


def test_memory_for_not_even_one_row_is_an_error() -> None:
    with pytest.raises(torch.cuda.OutOfMemoryError):
        in_batches(SmallMemory(0), torch.arange(4.0), 4)


def test_other_errors_pass() -> None:
    def broken(rows: Tensor) -> Tensor:
        raise RuntimeError("planted")

    with pytest.raises(RuntimeError, match="planted"):
        in_batches(broken, torch.arange(4.0), 4)


@pytest.mark.parametrize(("rows", "used", "free", "expected"), [(16, 10, 100, 128), (16, 100, 100, 12), (1, 0, 1, 0)])
def test_batches_grow_to_fill_what_is_free(rows: int, used: int, free: int, expected: int) -> None:
    assert grown(rows, used, free) == expected


def test_batches_do_not_grow_beyond_what_a_gpu_needs() -> None:
    assert grown(16, 1, 10**12) == 256


def test_on_a_cpu_clips_pass_one_by_one_and_variants_by_their_size() -> None:
    sizes = over_clips(len, torch.zeros(3, 2))
    assert sizes == [1, 1, 1]
    assert not over_clips(lambda clips: clips.requires_grad, torch.zeros(1, requires_grad=True))[0]
    assert rows_at_once(torch.zeros(3, 8, 64, 64)) == 4
    assert rows_at_once(torch.zeros(3, 16, 112, 112)) == 1


class Narrow(nn.Module):
    """A network whose memory holds a few rows."""

    def __init__(self, most: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner = nn.Sequential(nn.Conv3d(3, 4, 3), nn.Softplus(), nn.AdaptiveAvgPool3d(1), nn.Flatten())
        self.head = nn.Linear(4, 1)
        self.most = most
        self.refused: list[int] = []

    def forward(self, clips: Tensor) -> Tensor:
        if len(clips) > self.most:
            self.refused.append(len(clips))
            raise torch.cuda.OutOfMemoryError("planted")
        found: Tensor = self.head(self.inner(clips))
        return found


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("integrated_gradients", {"steps": 8, "max_steps": 8}),
        ("smoothgrad", {"samples": 9}),
        ("smoothgrad", {"samples": 5, "base": "integrated_gradients"}),
        ("gradient_shap", {"samples": 9}),
    ],
)
def test_methods_go_on_where_memory_ends(method: str, fields: dict[str, object]) -> None:
    narrow, wide, clips = Narrow(1), Narrow(100), torch.randn(2, 3, 3, 6, 6)
    found = mien.explain(narrow, clips, method=method, **fields)
    assert narrow.refused
    expected = mien.explain(wide, clips, method=method, **fields)
    torch.testing.assert_close(found.relevance, expected.relevance, rtol=1e-4, atol=1e-6)
    assert not wide.refused


class Allocator:
    """What torch's allocator of a GPU counts."""

    def __init__(self) -> None:
        self.now = self.peak = 0

    def use(self, size: int) -> int:
        """Allocate and give back."""
        self.peak = max(self.peak, self.now + size)
        return size

    def restart(self, device: torch.device) -> None:
        self.peak = self.now

    def take_the_place_of_cuda(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
        monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", self.restart)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: self.now)
        monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: self.peak)
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: self.now)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (200_000_000, 0))


class RowsOnGpu:
    """Rows that say that they are on a GPU."""

    device = torch.device("cuda:0")

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, rows: slice) -> RowsOnGpu:
        return RowsOnGpu(len(range(*rows.indices(self.count))))


def test_the_peak_of_an_explanation_is_that_of_its_largest_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """25 samples in batches of 16 and 9, 10 MB a row, beside 50 MB that were there before; then 3 rows."""
    allocator, sizes = Allocator(), [[16, 9], [3]]
    allocator.now = 50_000_000
    allocator.take_the_place_of_cuda(monkeypatch)

    def explain(*_arguments: Any) -> Explanation:
        batches = Batches(16)
        for count in sizes.pop(0):
            rows: Any = RowsOnGpu(count)
            list(batches.over(rows, lambda some: allocator.use(len(some) * 10_000_000)))
        return Explanation(torch.zeros(1), torch.zeros(1))

    monkeypatch.setattr(cost, "attributed", explain)
    batch: Any = type("Batch", (), {"inputs": RowsOnGpu(1), "__len__": lambda self: 1})()
    nothing: Any = None
    peaks = [cost.measure_cost(nothing, nothing, batch, nothing).memory_mb for _ in range(2)]
    assert peaks == [160, 30]
