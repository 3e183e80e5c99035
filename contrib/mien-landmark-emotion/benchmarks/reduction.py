"""How few landmarks do: accuracy and speed at 468, 256, 128, 64 and 32 landmarks, and where relevance falls.

    python benchmarks/reduction.py --out benchmarks/results

Classifiers of six animated expressions are trained on the exact landmarks of the renderer, with a detector's noise, and
judged on participants they have not seen.  The least relevant landmarks of each are dropped and it is trained again;
beside it, landmarks are dropped at random.  Every result is written as it comes (``parts/``), and one that is there is
not made again.  ``reduction.json`` and the figures are made of them at the end.
"""

from __future__ import annotations

import argparse
import logging
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from reduction_figures import draw_curve, draw_faces
from reduction_summary import summary, written_json

import mien
from mien_landmark_emotion.clips import FACE_POINTS, LandmarkClips, displacements, exact_clips
from mien_landmark_emotion.emotions import EMOTIONS
from mien_landmark_emotion.expressions import AnimatedExpressions
from mien_landmark_emotion.network import OneVsRestNetwork, Shape
from mien_landmark_emotion.reduction import Choose, Stage, at_random, by_relevance, landmark_relevance, reduce_landmarks
from mien_landmark_emotion.timing import multiplications, seconds
from mien_landmark_emotion.training import Training, logits

log = logging.getLogger("reduction")

SHAPE = Shape(points=FACE_POINTS)
UNTRAINED = 3
Parts = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Settings:
    """What is measured."""

    counts: tuple[int, ...] = (468, 256, 128, 64, 32)
    seeds: tuple[int, ...] = (0, 1, 2)
    participants: int = 40
    test_participants: int = 12
    repeats: int = 3
    jitter: float = 0.5
    epochs: int = 30

    def dataset(self, seed: int) -> AnimatedExpressions:
        """Return the data set of a seed: other people, poses and expressions."""
        return AnimatedExpressions(
            participants=self.participants,
            test_participants=self.test_participants,
            repeats=self.repeats,
            seed=seed,
        )


def main() -> None:
    """Measure what is not there yet, and write the summary and the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--parts", type=Path, help="where single results go; 'parts' below --out by default")
    parser.add_argument("--quick", action="store_true", help="few people, one seed: to see that it runs")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    small = Settings(seeds=(0,), participants=8, test_participants=3, repeats=1, epochs=3)
    settings, parts = (small if arguments.quick else Settings()), arguments.parts or arguments.out / "parts"
    for folder in (parts, arguments.out):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in settings.seeds:
        measure(settings, seed, parts)
    if not (parts / "timing.npz").is_file():
        log.info("timing")
        save(parts / "timing.npz", **timed(settings, parts))
    about = {**asdict(settings), "mien": mien.__version__, "torch": torch.__version__, "machine": platform.machine()}
    found = summary(about, parts)
    written_json(found, arguments.out / "reduction.json")
    draw_curve(found, arguments.out / "reduction.png")
    draw_faces(parts, settings.seeds, min(settings.counts), arguments.out / "relevance.png")


def measure(settings: Settings, seed: int, parts: Path) -> None:
    """Write the results of one seed: all landmarks, both reductions, and where relevance falls."""
    wanted = [f"seed{seed}_{arm}_{count}" for arm in ("relevance", "random") for count in settings.counts[1:]]
    if all((parts / f"{name}.npz").is_file() for name in (*wanted, f"seed{seed}_all", f"seed{seed}_truth")):
        return
    dataset = settings.dataset(seed)
    train, test = (exact_clips(dataset, split, jitter=settings.jitter) for split in ("train", "test"))
    log.info("seed %d: %d clips train, %d test", seed, len(train), len(test))
    training = Training(epochs=settings.epochs)
    (first,) = reduce_landmarks(train, settings.counts[:1], at_random(seed), SHAPE, len(EMOTIONS), seed, training)
    write_stage(parts / f"seed{seed}_all.npz", first, test)
    save(parts / f"seed{seed}_truth.npz", **truth(dataset, first.network, test, seed))
    arms: dict[str, Choose] = {"relevance": by_relevance(train, seed), "random": at_random(seed)}
    for arm, choose in arms.items():
        rest = settings.counts[1:]
        for stage in reduce_landmarks(train, rest, choose, SHAPE, len(EMOTIONS), seed, training, first):
            write_stage(parts / f"seed{seed}_{arm}_{stage.count}.npz", stage, test)
            log.info("seed %d, %s, %d landmarks", seed, arm, stage.count)


def write_stage(path: Path, stage: Stage, test: LandmarkClips) -> None:
    """Write the logits of held-out clips, and which landmarks were kept."""
    save(
        path,
        logits=logits(stage.network, test).numpy(),
        labels=test.labels.numpy(),
        participants=np.array(test.participants),
        keeps=np.array(stage.keeps),
    )


def truth(dataset: AnimatedExpressions, network: OneVsRestNetwork, test: LandmarkClips, seed: int) -> Parts:
    """Return each held-out clip's relevance for its own emotion, that of untrained networks, and what moved."""
    untrained = []
    for number in range(UNTRAINED):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1000 * (seed + 1) + number)
            untrained.append(OneVsRestNetwork(SHAPE, [()] * len(EMOTIONS)).eval())
    chosen = [one.recording.id for one in dataset.plan().values() if one.recording.split == "test"]
    return {
        "trained": _own_relevance(network, test),
        "untrained": np.stack([_own_relevance(other, test) for other in untrained]),
        "moved": displacements(dataset, chosen).numpy(),
        "labels": test.labels.numpy(),
        "participants": np.array(test.participants),
    }


def _own_relevance(network: OneVsRestNetwork, test: LandmarkClips) -> npt.NDArray[Any]:
    found = np.zeros((len(test), FACE_POINTS))
    for place in range(len(EMOTIONS)):
        rows = np.flatnonzero(test.labels.numpy() == place)
        found[rows] = landmark_relevance(network, test[rows], place).numpy()
    return found


def timed(settings: Settings, parts: Path) -> Parts:
    """Return the seconds of each round, in batches of 1 and 32.

    ``given``: one binary classifier whose input is its landmarks alone; ``one``: one that chooses them from all;
    ``six``: all six, each of which chooses its own.
    """
    random, frames = torch.Generator().manual_seed(0), settings.dataset(settings.seeds[0]).frames
    found: Parts = {}
    for batch in (1, 32):
        clips = torch.randn((batch, frames, FACE_POINTS, 2), generator=random)
        networks: dict[str, tuple[torch.nn.Module, torch.Tensor]] = {}
        for count in settings.counts:
            six = OneVsRestNetwork(SHAPE, _kept(settings, count, parts)).eval()
            given = OneVsRestNetwork(Shape(points=count), [()]).single(0).eval()
            networks |= {f"six_{count}": (six, clips), f"one_{count}": (six.single(0), clips)}
            networks[f"given_{count}"] = given, clips[:, :, :count].contiguous()
        found |= {f"{name}_batch{batch}": times for name, times in seconds(networks).items()}
    counted = [multiplications(SHAPE, count, frames) for count in settings.counts]
    return {**found, "multiplications": np.array(counted)}


def _kept(settings: Settings, count: int, parts: Path) -> list[list[int]]:
    if count == FACE_POINTS:
        return [[] for _ in EMOTIONS]
    with np.load(parts / f"seed{settings.seeds[0]}_relevance_{count}.npz", allow_pickle=False) as part:
        kept: list[list[int]] = part["keeps"].tolist()
    return kept


def save(path: Path, **arrays: npt.NDArray[Any]) -> None:
    """Write arrays, whole or not at all."""
    part = path.with_name(f".{path.name}")
    with part.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    part.replace(path)


if __name__ == "__main__":
    main()
