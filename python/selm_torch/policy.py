"""A policy over all ranks: a Hugging Face model that FSDP2 shards, frozen, with a LoRA adapter to train, or with all weights to train."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.utils.checkpoint import checkpoint
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from . import attention
from .errors import InputRefused
from .logprob import OutputLayer, token_logps
from .lora import Adapter, add_adapter, read_adapter
from .packing import Group, Packed, pack
from .tensor_files import TensorFiles, model_files
from .weights import load_weights, persistent_buffers
from .world import World

HALF = {"float32": None, "bfloat16": torch.bfloat16}
# A head: from hidden states [T, H] in front of the targets, and the output layer, to what is wanted.
Head = Callable[[Tensor, OutputLayer], Any]


@dataclass
class Source:
    """The files that a policy is loaded from."""

    model: str
    files: TensorFiles
    adapter: Adapter | None


class Policy(nn.Module):
    """A language model over packed groups."""

    def __init__(self, lm: PreTrainedModel, source: Source):
        super().__init__()
        self.lm = lm
        self.source = source

    def forward(self, packed: Packed, head: Head | None = None, tokens: Tensor | None = None) -> Any:
        """The log-probabilities (nats) of the targets [T], float32; or what `head` makes of hidden states.

        The head is computed in here, since the output layer's weight is whole only in the forward pass of FSDP's root.

        Args:
            tokens: whose hidden states `head` gets. Default: those in front of the targets
        """
        hidden = self._hidden(packed, packed.rows if tokens is None else tokens)
        layer = output_layer(self.lm)
        return head(hidden, layer) if head else token_logps(hidden, layer, packed.targets)

    def _hidden(self, packed: Packed, tokens: Tensor) -> Tensor:
        """The final hidden states of tokens, [tokens, H]."""
        output = self.lm.base_model(input_ids=packed.ids, position_ids=packed.positions, use_cache=False, packed=packed)
        return output.last_hidden_state[0].index_select(0, tokens)


def output_layer(lm: PreTrainedModel) -> OutputLayer:
    """A model's output layer, with what its configuration says is done to its logits."""
    head, config = lm.get_output_embeddings(), lm.config
    scale = getattr(config, "logit_scale", None) or 1.0  # Cohere
    scale /= getattr(config, "logits_scaling", None) or 1.0  # Granite
    return OutputLayer(head.weight, getattr(head, "bias", None), scale, getattr(config, "final_logit_softcapping", None))


def open_policy(
    world: World,
    model: str,
    adapter: str | None,
    compute: Literal["float32", "bfloat16"],
    train: Literal["nothing", "adapter", "all"] = "nothing",
    recompute: bool = False,
) -> Policy:
    """Opens a policy: builds it without values, shards it, and reads each rank's part.

    Args:
        model: a Hugging Face model folder
        adapter: a PEFT adapter folder; None: the model alone
        compute: the type of the weights in use and of activations; log-probabilities are float32
        train: what has gradients, and is kept in float32
        recompute: computes activations again in the backward pass
    """
    half = HALF[compute]
    with world.together():
        config = read_config(model)
        source = Source(model, model_files(model), read_adapter(adapter) if adapter else None)
        lm = _build(config, source)
        _prepare_parameters(lm, half, train)
    if recompute:
        for layer in _layers(lm):
            layer.forward = partial(checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=False)
    policy = Policy(lm, source).eval()  # no dropout
    _shard(policy, world, half, train)
    with world.together():
        load_weights(policy.lm, source.files, source.adapter)
    _check_forward(policy, world, 0.1 if half else 1e-3)
    return policy


def read_config(model: str) -> PretrainedConfig:
    """A model's config.json, refused if it asks for what this backend cannot compute."""
    try:
        config = AutoConfig.from_pretrained(model, local_files_only=True)
    except Exception as error:  # each configuration class of transformers has its own
        raise InputRefused(f"{model}/config.json cannot be read ({_line(error)}): use a complete model folder.") from error

    def refuse(what: str) -> None:
        raise InputRefused(f"{model}/config.json asks for {what}, which the torch backend does not support: use another model.")

    if getattr(config, "quantization_config", None):
        refuse("quantized weights (quantization_config)")
    if config.get_text_config() is not config:
        refuse(f"other inputs than text (model_type {config.model_type})")
    others = sorted(set(getattr(config, "layer_types", None) or []) - {"full_attention", "sliding_attention"})
    if others:
        refuse(f"{others[0]} (layer_types)")
    return config


def _line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]


def _build(config: PretrainedConfig, source: Source) -> PreTrainedModel:
    """The model with its parameters on the meta device, and its buffers with the values that no file changes."""
    try:
        with _parameters_on_meta():
            lm = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation=attention.NAME)
    except Exception as error:  # of any kind, by the model's constructor
        raise InputRefused(
            f"{source.model}/config.json describes no language model that transformers can build ({_line(error)}): use another model."
        ) from error
    if not (lm._supports_attention_backend and lm._supports_flash_attn) or getattr(lm, "_is_stateful", False):
        raise InputRefused(
            f"{source.model} is a {type(lm).__name__}, whose attention transformers cannot replace: the torch backend needs models "
            "that support FlashAttention."
        )
    _untie_if_files_do(lm, source)
    if source.adapter:
        with _parameters_on_meta():
            add_adapter(lm, source.adapter)
    return lm


@contextmanager
def _parameters_on_meta() -> Iterator[None]:
    """Parameters of new modules get no memory; buffers are as usual."""
    register = nn.Module.register_parameter

    def on_meta(module: nn.Module, name: str, p: nn.Parameter | None) -> None:
        # A parameter that is there already, such as a tied one, must stay the same object.
        register(module, name, p if p is None or p.is_meta else nn.Parameter(p.to("meta"), p.requires_grad))

    nn.Module.register_parameter = on_meta
    try:
        yield
    finally:
        nn.Module.register_parameter = register


def _untie_if_files_do(lm: PreTrainedModel, source: Source) -> None:
    """As transformers: output weights that differ from the embeddings' in the files are used, whatever config.json says."""
    embedding, head = lm.get_input_embeddings(), lm.get_output_embeddings()
    if head.weight is not embedding.weight:
        return
    names = {name for name, p in lm.named_parameters(remove_duplicate=False) if p is head.weight} & source.files.names
    if len(names) < 2:
        return
    first, second = (source.files.read(name, tuple(head.weight.shape)) for name in sorted(names))
    if not torch.equal(first, second):
        head.weight = nn.Parameter(torch.empty_like(head.weight))


def _layers(lm: PreTrainedModel) -> list[nn.Module]:
    """The layers: what transformers does not split over devices."""
    names = set(lm._no_split_modules or [])
    layers = [module for module in lm.modules() if type(module).__name__ in names]
    if not layers:
        raise InputRefused(f"{type(lm).__name__} of transformers does not name its layers (_no_split_modules): use another model.")
    return layers


def _prepare_parameters(lm: PreTrainedModel, half: torch.dtype | None, train: str) -> None:
    """Sets what is trained; what is not has the type that is computed with."""
    for name, p in lm.named_parameters():
        is_lora = name.endswith(("lora_A", "lora_B"))
        p.requires_grad_(train == "all" or (train == "adapter" and is_lora))
        if half and train != "all" and not is_lora:
            p.data = p.data.to(half)
    if half:
        for _, buffer in persistent_buffers(lm):
            if buffer.is_floating_point():
                buffer.data = buffer.data.to(half)


def _shard(policy: Policy, world: World, half: torch.dtype | None, train: str) -> None:
    """One FSDP group per layer; the root's has embeddings, last norm and output layer. Then memory, without values but for buffers."""
    # Frozen weights are stored as they are used, beside LoRA's float32.
    mixed = MixedPrecisionPolicy(param_dtype=half if train == "all" else None, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for layer in _layers(policy.lm):
        fully_shard(layer, mesh=world.mesh, mp_policy=mixed)
    # Without a backward pass, parameters that stay whole after the forward pass would stay so for good.
    fully_shard(policy, mesh=world.mesh, mp_policy=mixed, reshard_after_forward=train == "nothing")
    buffers = {name: buffer.clone() for name, buffer in policy.named_buffers()}
    policy.to_empty(device=world.device)
    with torch.no_grad():
        for name, buffer in policy.named_buffers():
            buffer.copy_(buffers[name])


@torch.no_grad()
def _check_forward(policy: Policy, world: World, tolerance: float) -> None:
    """Compares packed responses with transformers' own forward pass, so that no architecture is silently computed wrongly."""
    last = policy.lm.config.vocab_size - 1
    prompt, responses = [last, 1, 2], [[3, 4, last], [5, 1]]
    packed = pack([Group(prompt, responses)], world.device)

    def compare(hidden: Tensor, layer: OutputLayer) -> Tensor:
        ours = layer.logits(hidden)
        alone = [pack([Group(prompt, [response])], world.device) for response in responses]
        theirs = torch.cat(
            [policy.lm(input_ids=one.ids, position_ids=one.positions, use_cache=False, packed=one).logits[0, one.rows] for one in alone]
        )
        return (ours - theirs).abs().max() / theirs.abs().max()

    difference = policy(packed, compare).item()
    policy.reshard()  # a backward pass would do it
    if not difference < tolerance:
        raise InputRefused(
            f"{policy.source.model}: logits of packed responses differ from those of transformers' {type(policy.lm).__name__} by "
            f"{difference:.1e} of the largest: the torch backend does not support this architecture, or its weights are damaged."
        )
