"""Architectures of transformers: log-probabilities and gradients against its own eager implementation, one plain sequence after another."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from selm_torch.errors import InputRefused
from selm_torch.packing import Group, pack
from selm_torch.policy import Policy, open_policy
from selm_torch.scoring import sums_by_response
from selm_torch.weights import save_model
from selm_torch.world import World

SIZES = {
    "vocab_size": 101,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GEMMA = {**SIZES, "head_dim": 8, "sliding_window": 6}
MIXED = {"layer_types": ["sliding_attention", "full_attention"]}
# Name: configuration class, and settings that make the case.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", {**SIZES, "attention_bias": True, "mlp_bias": True}),
    "mistral-window": ("MistralConfig", {**SIZES, "sliding_window": 5}),
    "qwen2-window": ("Qwen2Config", {**SIZES, "use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1}),
    "qwen3": ("Qwen3Config", {**SIZES, "head_dim": 16, "tie_word_embeddings": True}),
    "gemma": ("GemmaConfig", {**SIZES, "head_dim": 8}),
    "gemma2": ("Gemma2Config", {**GEMMA, **MIXED, "final_logit_softcapping": 2.0, "attn_logit_softcapping": 1.0}),
    "gemma3": ("Gemma3TextConfig", {**GEMMA, **MIXED}),
    "phi3": ("Phi3Config", {**SIZES, "sliding_window": 7, "resid_pdrop": 0.1}),
    "phi": ("PhiConfig", SIZES),  # LayerNorm, and an output layer with a bias
    "granite": ("GraniteConfig", {**SIZES, "logits_scaling": 4.0, "residual_multiplier": 0.5, "embedding_multiplier": 3.0}),
    "cohere": ("CohereConfig", {**SIZES, "logit_scale": 0.25}),
    # Files with buffers: scales of the layers, and an activation's constants.
    "gemma4": ("Gemma4TextConfig", {**GEMMA, **MIXED, "global_head_dim": 8, "hidden_size_per_layer_input": 0, "num_kv_shared_layers": 0}),
    "apertus": ("ApertusConfig", {**SIZES, "hidden_act": "xielu"}),
    "gptneox": ("GPTNeoXConfig", SIZES),  # transformers renames its output layer
}
GROUPS = [
    Group([1, 50, 60, 70, 80, 90, 33, 44], [[5, 6, 7, 2], [8, 9, 100, 11, 12, 2], [13]]),
    Group([1, 9], [[20, 21, 22, 23, 24, 25, 26, 27, 28, 2]]),
]


@pytest.fixture
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with a random model of the case that the test names."""
    return save_random_model(request.param, tmp_path / "model")


def save_random_model(name: str, folder: Path) -> Path:
    """Weights large enough for responses to differ, norms near one."""
    kind, settings = CASES[name]
    torch.manual_seed(3)
    lm = AutoModelForCausalLM.from_config(getattr(transformers, kind)(**settings), dtype=torch.float32)
    with torch.no_grad():
        for p in lm.parameters():
            p.copy_(torch.randn_like(p) * 0.15 if p.dim() > 1 else p + torch.randn_like(p) * 0.2)
        for name, buffer in lm.named_buffers():
            if name in lm.state_dict():
                buffer.mul_(0.6)
    lm.save_pretrained(folder)
    return folder


def plain_logps(lm: torch.nn.Module) -> torch.Tensor:
    """The log-probability of every response, each computed alone."""
    logps = []
    for prompt, responses, _ in GROUPS:
        for response in responses:
            logits = lm(input_ids=torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1].float()
            logps.append(logits.log_softmax(-1).gather(1, torch.tensor(response)[:, None]).sum())
    return torch.stack(logps)


def packed_logps(policy: Policy) -> torch.Tensor:
    """The same of packed groups."""
    packed = pack(GROUPS)
    return sums_by_response(policy(packed), packed)


@pytest.mark.parametrize("recompute", [False, True], ids=["", "recompute"])
@pytest.mark.parametrize("model", CASES, indirect=True)
def test_packed_equals_plain(world: World, model: Path, recompute: bool) -> None:
    """Log-probabilities and the gradients of all weights."""
    plain = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="eager").eval()
    policy = open_policy(world, str(model), None, "float32", train="all", recompute=recompute)
    ours, theirs = packed_logps(policy), plain_logps(plain)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)
    cotangents = torch.linspace(-1, 1, len(ours))
    (ours * cotangents).sum().backward()
    (theirs * cotangents).sum().backward()
    expected = dict(plain.named_parameters())
    gradients = {name: p.grad.full_tensor() for name, p in policy.lm.named_parameters()}
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        largest = expected[name].grad.abs().max().item()
        torch.testing.assert_close(gradient, expected[name].grad, rtol=1e-3, atol=1e-3 * largest, msg=name)


@pytest.mark.parametrize("model", ["gemma2", "phi3", "gemma4", "apertus", "gptneox"], indirect=True)
def test_saved_model_is_the_same(world: World, model: Path, tmp_path: Path) -> None:
    """Files of limited size with an index, which transformers and this package read back; and from float16."""
    policy = open_policy(world, str(model), None, "float32", train="all")
    out = tmp_path / "out"
    save_model(policy, world, str(out), max_bytes=20_000)
    shutil.copyfile(model / "config.json", out / "config.json")
    index = json.loads((out / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) > 1
    assert index["weight_map"].keys() == load_file(model / "model.safetensors").keys()
    start, saved = (AutoModelForCausalLM.from_pretrained(of, dtype=torch.float32).state_dict() for of in (model, out))
    assert start.keys() == saved.keys()
    for name, value in saved.items():
        assert torch.equal(value, start[name]), name
    with torch.no_grad():
        assert torch.equal(packed_logps(open_policy(world, str(out), None, "float32")), packed_logps(policy))


def test_untied_weights_in_the_files_are_used(world: World, tmp_path: Path) -> None:
    """As transformers: config.json says tied, but the files have an output layer of its own."""
    folder = save_random_model("llama", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": True}))
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    policy = open_policy(world, str(folder), None, "float32")
    with torch.no_grad():
        torch.testing.assert_close(packed_logps(policy), plain_logps(plain), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"layer_types": ["linear_attention", "full_attention"]}, "linear_attention (layer_types)"),
        ({"quantization_config": {"quant_method": "fp8"}}, "quantization_config"),
        ({"model_type": "mamba"}, "mamba"),
        ({"model_type": "no-such-model"}, "no-such-model"),
        ({"num_hidden_layers": 3, "layer_types": ["full_attention"] * 3}, "lacks the tensor"),
        ({"intermediate_size": 64}, "has the shape"),
    ],
)
def test_refused_models(world: World, changes: dict[str, Any], named: str, tmp_path: Path) -> None:
    """One sentence that names file and setting."""
    folder = save_random_model("qwen3", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(InputRefused) as refused:
        open_policy(world, str(folder), None, "float32")
    assert named.lower() in str(refused.value).lower()
    assert str(folder) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_refused_attention(world: World, tmp_path: Path) -> None:
    """Nemotron's layers do not pass on what the attention needs."""
    config = transformers.NemotronConfig(**SIZES)
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(tmp_path / "model")
    with pytest.raises(InputRefused, match="NemotronAttention"):
        open_policy(world, str(tmp_path / "model"), None, "float32")


def test_forward_check_finds_wrong_logits(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An architecture whose logits are scaled in a way that this package does not know is refused."""
    folder = save_random_model("granite", tmp_path / "model")
    from selm_torch import policy as module

    monkeypatch.setattr(module, "output_layer", lambda lm: module.OutputLayer(lm.get_output_embeddings().weight))
    with pytest.raises(InputRefused, match="GraniteForCausalLM"):
        open_policy(world, str(folder), None, "float32")


@pytest.mark.parametrize("model", ["llama", "gemma3", "phi3"], indirect=True)
@pytest.mark.parametrize("rslora", [False, True])
def test_adapters_equal_peft(world: World, model: Path, rslora: bool, tmp_path: Path) -> None:
    """Matrices and scales by PEFT, also of fused layers, with patterns of ranks and alphas."""
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="eager")
    config = LoraConfig(
        r=4,
        lora_alpha=8,
        target_modules="all-linear",
        rank_pattern={"o_proj": 2},
        alpha_pattern={"o_proj": 6, "layers.1.mlp.down_proj": 3},
        use_rslora=rslora,
    )
    peft = get_peft_model(base, config).eval()
    torch.manual_seed(5)
    with torch.no_grad():
        for name, p in peft.named_parameters():
            if "lora_" in name:
                p.normal_(std=0.1)
    peft.save_pretrained(tmp_path / "adapter")
    policy = open_policy(world, str(model), str(tmp_path / "adapter"), "float32", train="adapter")
    with torch.no_grad():
        torch.testing.assert_close(packed_logps(policy), plain_logps(peft), rtol=1e-5, atol=1e-4)
