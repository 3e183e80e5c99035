"""torchvision can be imported next to any torch, in any process."""

from __future__ import annotations

import subprocess
import sys


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_torchvision_and_what_imports_it_can_be_imported_in_a_fresh_process() -> None:
    code = (
        "from mien.compat import prepare_torchvision\n"
        "first = prepare_torchvision()\n"
        "assert prepare_torchvision() is first\n"  # a second call declares nothing twice
        "import torch, torchvision.models.video\n"
        "print(torchvision.models.video.r3d_18(num_classes=2).eval()(torch.zeros(1, 3, 2, 8, 8)).shape[1])"
    )
    assert run(code) == "2"


def test_with_a_matching_pair_nothing_is_declared() -> None:
    code = (
        "import sys, types\n"
        "package, extension = types.ModuleType('torchvision'), types.ModuleType('torchvision.extension')\n"
        "package.__path__ = []; package.__spec__ = types.SimpleNamespace(); package.extension = extension\n"
        "sys.modules.update({'torchvision': package, 'torchvision.extension': extension})\n"
        "from mien import compat\n"
        "print(compat.prepare_torchvision(), compat._library)"
    )
    assert run(code) == "False []"


def test_importing_the_module_imports_no_torch() -> None:
    assert run("import sys, mien.compat; print('torch' in sys.modules)") == "False"
