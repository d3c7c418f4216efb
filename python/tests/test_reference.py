"""PyTorch's numbers for small models, by one rank and by two: tolerances are several times the differences seen."""

import itertools
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from .cases import COMMON, FIXTURES, MODELS, REFERENCE, ROLES, expected_of, preferences, training_job, write_rows
from .ranks import Ranks


def worst(actual: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """The largest difference of any tensor, as a share of the tensor's largest value."""
    assert actual.keys() == expected.keys()
    return max(((actual[name] - expected[name]).abs().max() / expected[name].abs().max()).item() for name in expected)


@pytest.mark.parametrize("name", MODELS)
def test_lora(ranks: Ranks, name: str, tmp_path: Path) -> None:
    """Three AdamW steps: losses, gradient norms, log-probabilities and the matrices after them."""
    case, rows = REFERENCE / name, preferences(name)
    # One case with activation recomputation, one with a micro-batch for each row.
    job = training_job(tmp_path, name, training={"recompute": name == "mistral"})
    job["microBatchTokens"] = 30 if name == "qwen3" else 1024
    value, messages = ranks.run(job)
    steps = [message for message in messages if message["type"] == "step"]
    assert value == {"steps": 3, "damagedCheckpoints": [], "unchanged": False}
    for step, expected in zip(steps, expected_of(name)["steps"], strict=True):
        assert step["loss"] == pytest.approx(expected["loss"], abs=1e-5)
        assert step["grad_norm"] == pytest.approx(expected["grad_norm"], abs=1e-4)
        for row, logps, theirs in zip(rows, step["logps"], expected["policy_logps"], strict=True):
            assert {role: logps[row[role]] for role in ROLES} == pytest.approx(theirs, abs=1e-4)
    start, final, ours = (
        load_file(folder / "adapter_model.safetensors") for folder in (case / "adapter_init", case / "adapter_final", tmp_path / "out")
    )
    assert worst({k: ours[k] - start[k] for k in start}, {k: final[k] - start[k] for k in start}) < 1e-2
    assert json.loads((tmp_path / "out/adapter_config.json").read_text())["inference_mode"] is True


@pytest.mark.parametrize("name", ["llama-tied", "qwen2"])
def test_full_fine_tuning(ranks: Ranks, name: str, tmp_path: Path) -> None:
    """Three AdamW steps of all weights, with weight decay. The fixture has the updates in float16."""
    _, messages = ranks.run(training_job(tmp_path, name, training={"full": True, "weightDecay": 0.1}))
    steps = [message for message in messages if message["type"] == "step"]
    for step, expected in zip(steps, json.loads((FIXTURES / f"full-fine-tuning/{name}.json").read_text())["selm"], strict=True):
        assert step["loss"] == pytest.approx(expected["loss"], abs=1e-5)
        assert step["grad_norm"] == pytest.approx(expected["grad_norm"], abs=1e-3)
    updates = load_file(FIXTURES / f"full-fine-tuning/{name}.safetensors")
    start, ours = load_file(REFERENCE / name / "model/model.safetensors"), load_file(tmp_path / "out/model.safetensors")
    assert ours.keys() == start.keys() == updates.keys()
    assert max((ours[k] - start[k] - updates[k].float()).abs().max().item() for k in updates) < 3e-5


@pytest.mark.parametrize("name", ["llama-tied", "qwen2"])
def test_sft(ranks: Ranks, name: str, tmp_path: Path) -> None:
    """Transformers' own loss of the pairs' chosen responses, and its gradient norm."""
    rows = [{"prompt": row["prompt"], "responses": [row["responses"][row["chosen"]]]} for row in preferences(name)]
    job = training_job(tmp_path, name, steps=1, training={"full": True}, objective={"name": "sft"})
    _, messages = ranks.run({**job, "rows": write_rows(tmp_path, rows)})
    step = next(message for message in messages if message["type"] == "step")
    expected = json.loads((FIXTURES / f"full-fine-tuning/{name}.json").read_text())["sft"]
    assert step["loss"] == pytest.approx(expected["loss"], abs=1e-5)
    assert step["grad_norm"] == pytest.approx(expected["grad_norm"], abs=1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_score(ranks: Ranks, name: str, tmp_path: Path) -> None:
    """The reference policy's log-probabilities; with a mask, those of the tokens that count."""
    rows, case = preferences(name), REFERENCE / name
    job = {**COMMON, "method": "score", "model": str(case / "model"), "adapter": str(case / "adapter_reference")}
    value, messages = ranks.run({**job, "rows": write_rows(tmp_path, rows), "microBatchTokens": 40})
    assert [len(logps) for logps in value["logps"]] == [3, 2, 2]
    for row, logps in zip(rows, value["logps"]):
        assert logps == pytest.approx(row["referenceLogps"], abs=1e-4)
    passes = [message for message in messages if message["type"] == "pass"]
    assert passes[-1]["done"] == passes[-1]["total"]
    assert passes[-1]["tokens"] == sum(len(row["prompt"]) + sum(row["lengths"]) for row in rows)
    # A response's logp is that of its beginning and its end.
    masks = [[[i < 2 for i in range(n)] for n in row["lengths"]] for row in rows]
    others = [[[not counts for counts in mask] for mask in row] for row in masks]
    parts = [
        ranks.run({**job, "rows": write_rows(tmp_path, [{**row, "trained": m} for row, m in zip(rows, mask)])})[0]["logps"]
        for mask in (masks, others)
    ]
    for both, whole in zip(zip(*parts), value["logps"]):
        assert [a + b for a, b in zip(*both)] == pytest.approx(whole, abs=1e-4)


@pytest.mark.parametrize("name", ["llama", "qwen2"])
def test_features(ranks: Ranks, name: str, tmp_path: Path) -> None:
    """Transformers' final hidden state of each response's last token, in the order of the job; the last response has no tokens."""
    fixture, case = json.loads((FIXTURES / f"features/{name}.json").read_text()), REFERENCE / name
    given = fixture["rows"]
    prompts = [list(key) for key in dict.fromkeys(tuple(row["prompt"]) for row in given)]
    rows = []
    for prompt in reversed(prompts):
        indices = [i for i, row in enumerate(given) if row["prompt"] == prompt]
        rows.append({"prompt": prompt, "responses": [given[i]["response"] for i in indices], "rows": indices})
    job = {**COMMON, "method": "score", "model": str(case / "model"), "adapter": str(case / "adapter_init"), "microBatchTokens": 40}
    file = tmp_path / "features.safetensors"
    features = {"file": str(file), "rows": len(given)}
    value, _ = ranks.run({**job, "rows": write_rows(tmp_path, rows), "features": features})
    logps = [logp for row in value["logps"] for logp in row]
    assert logps == pytest.approx([fixture["logps"][i] for row in rows for i in row["rows"]], abs=1e-4)
    torch.testing.assert_close(load_file(file), load_file(FIXTURES / f"features/{name}.safetensors"), rtol=1e-4, atol=1e-4)


def kl_cases() -> list[dict]:
    """Cases between policies of test/fixtures/reference: the fixture has others, whose weights are sums of files."""
    cases = json.loads((FIXTURES / "kl/kl.json").read_text())["cases"]
    return [case for case in cases if "full" not in (case["policy"][0], case["reference"][0])]


@pytest.mark.parametrize("case", kl_cases()[::3] + kl_cases()[-1:], ids=lambda case: "-".join(map(str, case["policy"])))
def test_divergence(ranks: Ranks, case: dict, tmp_path: Path) -> None:
    """KL along responses, by torch.nn.functional.kl_div of whole logits. A response without tokens has none."""
    rows = json.loads((FIXTURES / "kl/kl.json").read_text())["rows"]
    rows = [{"prompt": row["prompt"], "responses": [row["response"], []]} for row in rows]
    (model, adapter), (reference, reference_adapter) = case["policy"], case["reference"]
    job = {
        **COMMON,
        "method": "divergence",
        "model": str(REFERENCE / model / "model"),
        "adapter": adapter and str(REFERENCE / model / adapter),
        "referenceModel": str(REFERENCE / reference / "model"),
        "referenceAdapter": reference_adapter and str(REFERENCE / reference / reference_adapter),
        "rows": write_rows(tmp_path, rows),
        "microBatchTokens": 100,
    }
    value, _ = ranks.run(job)
    assert [row[0]["kl"] for row in value["rows"]] == pytest.approx(case["kl"], rel=1e-5, abs=1e-5)
    assert [row[0]["tokens"] for row in value["rows"]] == [len(row["responses"][0]) for row in rows]
    assert all(row[1] == {"kl": 0.0, "tokens": 0} for row in value["rows"])


def test_pairrm(ranks: Ranks, tmp_path: Path) -> None:
    """Logits of llm_blender's DebertaV2PairRM, of texts whose tokens the fixture has."""
    folder = FIXTURES / "rankers/pairrm-hf"
    expected = json.loads((FIXTURES / "rankers/expected.json").read_text())
    config = json.loads((folder / "config.json").read_text())
    known = {text["text"]: text["ids"] for text in expected["tokenizer"]}
    prefixes = [config[name] for name in ("source_prefix_id", "cand1_prefix_id", "cand2_prefix_id")]
    fixture = expected["pairrm-hf"]
    pairs, logits = [], []
    for row, (source, candidates) in enumerate(list(zip(fixture["sources"], fixture["candidates"]))[:2]):
        for i, j in itertools.permutations(range(len(candidates)), 2):
            ids = []
            for prefix, text in zip(prefixes, (source, candidates[i], candidates[j])):
                first, *tokens = known[text]
                ids += [first, prefix, *tokens]
            pairs.append({"ids": ids, "judged": [ids.index(prefix) for prefix in prefixes]})
            logits.append(fixture["logits"][row][i][j])
    settings = {
        "vocabSize": config["vocab_size"],
        "hiddenSize": config["hidden_size"],
        "intermediateSize": config["intermediate_size"],
        "layers": config["num_hidden_layers"],
        "heads": config["num_attention_heads"],
        "normEpsilon": config["layer_norm_eps"],
        "positionBuckets": config["position_buckets"],
        "maxRelativePositions": config["max_position_embeddings"],
        "tasks": config["n_tasks"],
    }
    job = {**COMMON, "method": "rank", "model": str(folder), "pairrm": settings, "rows": write_rows(tmp_path, pairs)}
    value, _ = ranks.run({**job, "microBatchTokens": 200})
    assert value["logits"] == pytest.approx(logits, abs=1e-4)
