"""Run when the GPU image is built: fails unless the packages of the torch backend import, in the versions of the lock file.

The torch backend then trains a tiny model for a step on the CPU, as `selm doctor` does.
"""

import importlib
import re
import runpy
import sys
from importlib.metadata import version
from pathlib import Path

PACKAGES = ["torch", "vllm", "transformers", "peft", "safetensors", "numpy"]
RANKS = Path(__file__).parent / "dist" / "python"


def pinned(lock: str, name: str) -> set[str]:
    """The versions of a package in a lock file: more than one where they depend on Python's."""
    found = set(re.findall(rf"^{name}==(\S+)", lock, re.MULTILINE))
    if not found:
        raise SystemExit(f"The lock file has no {name}.")
    return found


def main(lock_file: str) -> None:
    """Compares versions, imports the packages, and trains for a step."""
    lock = Path(lock_file).read_text(encoding="utf-8")
    for name in PACKAGES:
        importlib.import_module(name)
        # Builds for CUDA have a local version, as in 2.14.0+cu130.
        installed = version(name).split("+")[0]
        if installed not in pinned(lock, name):
            raise SystemExit(f"{name} is {installed}, and the lock file has {', '.join(pinned(lock, name))}.")
        print(name, version(name))
    sys.path.insert(0, str(RANKS))
    for name in ["serve", "training", "scoring", "pairrm", "checkpoint"]:
        importlib.import_module(f"selm_torch.{name}")
    sys.argv = ["selm_torch.check", "cpu"]
    runpy.run_module("selm_torch.check", run_name="__main__")


main(sys.argv[1])
