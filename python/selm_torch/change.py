"""Whether a training has changed a policy, by the rule of engine/onnx/training/change.ts: a change that float32 cannot resolve beside
the weights is none."""

import torch
from torch import Tensor

from .policy import Policy
from .weights import full_tensor, local_part, names_in_files, read_local
from .world import World

# Half of the distance between 1 and the next float32: adding a smaller share to a number does not change it.
RESOLUTION = 2.0**-24


@torch.no_grad()
def is_changed(policy: Policy, world: World) -> bool:
    """Whether any trained weight, or the weight of any layer with an adapter, differs from that in the source's files."""
    return _is_adapter_changed(policy, world) if policy.source.adapter else _is_model_changed(policy, world)


def _is_change(squared_change: float, squared_norm: float) -> bool:
    """Negated, so that NaN counts as a change."""
    return not squared_change <= RESOLUTION**2 * squared_norm


def _is_model_changed(policy: Policy, world: World) -> bool:
    sums: list[float] = []
    names = names_in_files(policy.lm, policy.source.files)
    for name, p in policy.lm.named_parameters():
        before = read_local(policy.source.files, names[name], p)
        if before is None:
            sums += [0.0, 0.0]
            continue
        before = before.double()
        sums += [_squared(local_part(p).cpu().double() - before), _squared(before)]
    totals = world.sum(sums)
    return any(_is_change(change, norm) for change, norm in zip(totals[::2], totals[1::2]))


def _is_adapter_changed(policy: Policy, world: World) -> bool:
    """||scale (B' A' - B A)||^2 in the Frobenius norm, without a matrix of the size of the layer (change.ts has the derivation)."""
    adapter, changes, norms = policy.source.adapter, [], []
    for layer, (_, scale) in adapter.layers.items():
        module = policy.lm.get_submodule(layer)
        names = [f"{layer}.lora_A", f"{layer}.lora_B"]
        after_a, after_b = (full_tensor(p).cpu().double() for p in (module.lora_A, module.lora_B))
        before_a, before_b = (
            adapter.files.read(adapter.tensor_name(name), tuple(p.shape)).double() for name, p in zip(names, (after_a, after_b))
        )
        left = torch.cat([after_b - before_b, before_b], 1)
        right = torch.cat([after_a, after_a - before_a])
        changes.append(scale**2 * ((left.T @ left) * (right @ right.T)).sum().item())
        norms.append(_squared(local_part(module.weight)))
    return any(change != 0 and _is_change(change, norm) for change, norm in zip(changes, world.sum(norms)))


def _squared(values: Tensor) -> float:
    return values.double().square().sum().item()
