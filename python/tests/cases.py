"""Jobs made of the fixtures in test/fixtures."""

import json
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parents[2] / "test/fixtures"
REFERENCE = FIXTURES / "reference"
MODELS = ["llama", "llama-tied", "llama3-rope", "mistral", "qwen2", "qwen3"]
ROLES = ("chosen", "rejected", "reference")
COMMON = {"compute": "float32", "device": "cpu", "threads": 1, "microBatchTokens": 1024}
TRAINING = {
    "full": False,
    "weightDecay": 0.0,
    "adamBeta1": 0.9,
    "adamBeta2": 0.999,
    "adamEpsilon": 1e-8,
    "maxGradNorm": 1.0,
    "recompute": False,
}


def expected_of(name: str) -> dict[str, Any]:
    """PyTorch's numbers for a case of the reference."""
    return json.loads((REFERENCE / name / "expected.json").read_text())


def preferences(name: str) -> list[dict[str, Any]]:
    """A case's pairs as the parent sends them: equal responses once."""
    pairs = json.loads((REFERENCE / name / "batch.json").read_text())["pairs"]
    rows = []
    for pair, logps in zip(pairs, expected_of(name)["reference_logps"]):
        responses: list[list[int]] = []
        reference: list[float] = []
        for role in ROLES:
            if pair[role] not in responses:
                responses.append(pair[role])
                reference.append(logps[role])
        roles = {role: responses.index(pair[role]) for role in ROLES}
        lengths = [len(response) for response in responses]
        rows.append({"prompt": pair["prompt"], "responses": responses, "referenceLogps": reference, "lengths": lengths, **roles})
    return rows


def write_rows(folder: Path, rows: list[dict[str, Any]]) -> str:
    """Writes a job's rows."""
    file = folder / f"rows-{len(list(folder.iterdir()))}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def training_job(folder: Path, name: str, *, steps: int = 3, **changes: Any) -> dict[str, Any]:
    """A training on a case's preferences. `changes`: fields of the job; `training` is added to the usual settings."""
    expected, case = expected_of(name), REFERENCE / name
    rows = preferences(name)
    job = {
        **COMMON,
        "method": "optimize",
        "model": str(case / "model"),
        "adapter": str(case / "adapter_init"),
        "rows": write_rows(folder, rows),
        "objective": {"name": "selm", "beta": expected["beta"], "alpha": expected["alpha"]},
        "steps": [{"rows": list(range(len(rows))), "learningRate": expected["learning_rate"]}] * steps,
        "outDir": str(folder / "out"),
        "checkpoint": None,
    }
    training = {**TRAINING, **changes.pop("training", {})}
    return {**job, **changes, "training": training}
