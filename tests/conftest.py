"""What tests of several folders need."""

import logging
import math
import signal
import warnings
from pathlib import Path

import numpy as np
import pytest

from mien.errors import PluginError
from mien.registry import load_registry


def pytest_configure():
    """Let Ctrl-C through: a shell starts what runs in the background with interrupts ignored, and so all below it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _logging_as_before():
    """Take back what a command sets for the whole process, lest another file's test finds a closed stream."""
    loggers = [logging.getLogger(name) for name in ("", "mien", "mien_plugins")]
    before = [(logger, logger.level, logger.handlers[:], logger.propagate) for logger in loggers]
    with warnings.catch_warnings():
        yield
    for logger, level, handlers, propagate in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
        logger.propagate = propagate


@pytest.fixture(scope="session")
def mediapipe_usable():
    """Skip where MediaPipe is not installed, or is of a version that needs a model file which is not here."""
    pytest.importorskip("mediapipe")
    try:
        with load_registry().create("detector", "mediapipe").open("cpu"):
            pass
    except PluginError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def face_alignment_weights(tmp_path_factory) -> Path:
    """Return a folder with seeded random weights of FAN and S3FD under their official names.

    FAN's landmarks are those of noise. S3FD finds a box of about 128 pixels where its random features look like
    those of the portrait's face; a grey frame has none.
    """
    pytest.importorskip("face_alignment")
    import torch

    folder = tmp_path_factory.mktemp("face_alignment")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.save(_random_fan().state_dict(), folder / "2DFAN4-11f355bf06.pth.tar")
        torch.save(_planted_s3fd().state_dict(), folder / "s3fd-619a316812.pth")
    return folder


def _random_fan():
    from face_alignment.models import FAN

    return FAN(4)


def _planted_s3fd():
    import torch
    from face_alignment.detection.sfd.net_s3fd import s3fd

    from mien.testing import face_frames

    network = s3fd().eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim == 4:
                torch.nn.init.kaiming_normal_(parameter, nonlinearity="relu")
            elif "norm.weight" not in name:
                parameter.zero_()
            if name.endswith("conf.weight"):
                parameter.zero_()
            if name.endswith("conf.bias"):
                parameter[:-1], parameter[-1] = 10, -10
        features = _features(network, face_frames(1)[0])
        template = features[:, 7, 8] - features.mean((1, 2))  # the portrait's face
        scores, boxes = network.conv5_3_norm_mbox_conf, network.conv5_3_norm_mbox_loc
        scores.weight[1, :, 1, 1] = 8 * template
        scores.bias[:] = torch.tensor([0.0, -8 * 2.4])
        boxes.weight *= 0.02
        boxes.bias[2:] = math.log(2) / 0.2  # twice the anchor's 64 pixels
    return network


def _features(network, image):
    import torch

    seen = []
    hook = network.conv5_3_norm.register_forward_hook(lambda module, given, made: seen.append(made[0]))
    bgr = torch.from_numpy(np.ascontiguousarray(image[..., ::-1])).permute(2, 0, 1)[None].float()
    network(bgr - torch.tensor([104.0, 117.0, 123.0]).view(1, 3, 1, 1))
    hook.remove()
    return seen[0]
