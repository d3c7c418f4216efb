"""Loading and saving: each rank reads its shards of the model's files; rank 0 writes whole tensors, one after the other."""

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import WeightRenaming, rename_source_key

from . import lora
from .tensor_files import INDEX, SINGLE, TensorFiles
from .world import World

if TYPE_CHECKING:
    from .policy import Policy

# Of one file of a model.
MAX_FILE_BYTES = 5 * 10**9


def local_part(p: Tensor) -> Tensor:
    """This rank's rows of a parameter."""
    return p.to_local() if isinstance(p, DTensor) else p


def read_local(files: TensorFiles, name: str, p: Tensor) -> Tensor | None:
    """This rank's rows of the tensor that a parameter has in its files; None if this rank has none."""
    if not isinstance(p, DTensor):
        return files.read(name, tuple(p.shape))
    rows = p.to_local().shape[0]
    # FSDP2 divides as torch.chunk does.
    size = -(-p.shape[0] // p.device_mesh.size())
    first = min(p.device_mesh.get_local_rank() * size, p.shape[0])
    part = files.read(name, tuple(p.shape), first, first + rows)
    return part if rows else None


@torch.no_grad()
def load_weights(lm: nn.Module, files: TensorFiles, adapter: lora.Adapter | None) -> None:
    """Fills the parameters and persistent buffers of a model, and its adapter's, converting from the files' types."""
    names = names_in_files(lm, files)
    for name, p in lm.named_parameters():
        if name.endswith(("lora_A", "lora_B")):
            part = read_local(adapter.files, adapter.tensor_name(name), p)
        else:
            part = read_local(files, names[name], p)
        if part is not None:
            local_part(p).copy_(part)
    for name, buffer in persistent_buffers(lm):
        if name in names:
            buffer.copy_(files.read(names[name], tuple(buffer.shape)))


def names_in_files(lm: nn.Module, files: TensorFiles) -> dict[str, str]:
    """The files' names by those of transformers, which renames tensors of some architectures when it loads them (GPT-NeoX).

    A tied weight has several names, of which the files may have any. A parameter that the files lack has its own name.
    """
    renamings = [one for one in get_model_conversion_mapping(lm) if isinstance(one, WeightRenaming)]
    names = {rename_source_key(name, renamings, [])[0]: name for name in sorted(files.names)}
    names |= {name: name for name in files.names}
    of_tied = {id(p): names[name] for name, p in lm.named_parameters(remove_duplicate=False) if name in names}
    return {name: of_tied.get(id(p), name) for name, p in lm.named_parameters()} | names


def persistent_buffers(lm: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The buffers that files have beside the parameters, such as Gemma 4's scales of layers."""
    for prefix, module in lm.named_modules():
        for name, buffer in module.named_buffers(recurse=False):
            if name not in module._non_persistent_buffers_set:
                yield f"{prefix}.{name}" if prefix else name, buffer


def full_tensor(p: Tensor) -> Tensor:
    """A parameter's whole value, on every rank; collective."""
    return p.full_tensor() if isinstance(p, DTensor) else p


def _whole_parameters(policy: "Policy") -> Iterator[tuple[str, Tensor]]:
    """The trained parameters by name; all ranks must go on together."""
    for name, p in policy.lm.named_parameters():
        if p.requires_grad:
            yield name, full_tensor(p).detach()


def save_adapter(policy: "Policy", world: World, folder: str) -> None:
    """Writes the trained adapter as PEFT does."""
    adapter = policy.source.adapter
    tensors = {adapter.tensor_name(name): value.cpu().contiguous() for name, value in _whole_parameters(policy)}
    with world.together():
        if world.rank == 0:
            Path(folder).mkdir(parents=True, exist_ok=True)
            save_file(tensors, Path(folder, lora.WEIGHTS), metadata={"format": "pt"})
            config = json.loads(Path(adapter.folder, lora.CONFIG).read_text())
            Path(folder, lora.CONFIG).write_text(json.dumps({**config, "inference_mode": True}, indent=2) + "\n")


def save_model(policy: "Policy", world: World, folder: str, max_bytes: int = MAX_FILE_BYTES) -> None:
    """Writes the trained weights in float32: one file, or several of at most `max_bytes` with an index.

    Rank 0 has the tensors of at most one file in memory. The parent adds config.json and tokenizer.
    """
    out = Path(folder)
    written: list[list[str]] = []  # the tensors of each file
    part: dict[str, Tensor | None] = {}  # values on rank 0 only
    size = total = 0

    def flush() -> None:
        if world.rank == 0:
            save_file(part, out / _numbered(len(written)), metadata={"format": "pt"})
        written.append(list(part))
        part.clear()

    if world.rank == 0:
        out.mkdir(parents=True, exist_ok=True)
    names = names_in_files(policy.lm, policy.source.files)
    buffers = ((name, buffer.float() if buffer.is_floating_point() else buffer) for name, buffer in persistent_buffers(policy.lm))
    for name, value in chain(_whole_parameters(policy), buffers):
        if part and size + value.nbytes > max_bytes:
            flush()
            size = 0
        part[names.get(name, name)] = value.cpu().contiguous() if world.rank == 0 else None
        size += value.nbytes
        total += value.nbytes
    flush()
    with world.together():
        if world.rank == 0:
            _name_files(out, written, total)


def _numbered(index: int) -> str:
    return f"model-{index + 1:05}.safetensors"


def _name_files(out: Path, written: list[list[str]], total: int) -> None:
    """Gives files their final names, which have the number of files in them."""
    if len(written) == 1:
        (out / _numbered(0)).rename(out / SINGLE)
        return
    weight_map = {}
    for i, names in enumerate(written):
        file = f"model-{i + 1:05}-of-{len(written):05}.safetensors"
        (out / _numbered(i)).rename(out / file)
        weight_map.update(dict.fromkeys(names, file))
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (out / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
