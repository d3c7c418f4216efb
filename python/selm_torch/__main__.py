"""A rank: python -m selm_torch, started by the parent or by torchrun. The environment has RANK, WORLD_SIZE and LOCAL_RANK."""

import gc
import os
import sys

from .channel import Channel


def main() -> None:
    """Opens the channel before anything can print, and serves jobs."""
    rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    channel = Channel(rank)
    # Deterministic products of cuBLAS; read when CUDA starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # What is imported stays: looking for garbage among it would take a fifth of the imports' time.
    gc.disable()
    from .serve import serve
    from .world import open_world

    gc.enable()
    code = serve(open_world(rank, size, channel))
    sys.stderr.flush()
    # Ending normally would wait for ranks that are gone, and for threads that read stdin.
    os._exit(code)


main()
