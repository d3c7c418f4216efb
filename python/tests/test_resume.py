"""Determinism, checkpoints, stopping and failing, with two real ranks."""

import json
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from .cases import COMMON, REFERENCE, training_job, write_rows
from .ranks import Ranks

STEPS = 8


def bits(folder: Path) -> dict[str, bytes]:
    """The content of the trained weights' files."""
    return {path.name: path.read_bytes() for path in sorted((folder / "out").glob("*.safetensors"))}


def steps_of(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps as reported, without their times; those of a resumed training with the ones before."""
    steps = [step for message in messages if message["type"] == "resumed" for step in message["steps"]]
    steps += [message for message in messages if message["type"] == "step"]
    return [{name: value for name, value in step.items() if name not in ("seconds", "type")} for step in steps]


def job_in(folder: Path, full: bool, every_seconds: float = 3600) -> dict[str, Any]:
    """A training with checkpoints."""
    folder.mkdir(exist_ok=True)
    checkpoint = {"dir": str(folder / "checkpoints"), "everySeconds": every_seconds, "fingerprint": "f"}
    return training_job(folder, "llama-tied", steps=STEPS, training={"full": full}, checkpoint=checkpoint)


def stop_after(ranks: Ranks, job: dict[str, Any], step: int) -> list[dict[str, Any]]:
    """Runs a job and stops it after a step: its messages."""
    messages = []
    for message in ranks.start(job):
        messages.append(message)
        if message.get("step") == step and message["type"] == "step":
            ranks.abort()
    assert messages[-1]["kind"] == "aborted"
    return messages


@pytest.mark.parametrize("full", [False, True], ids=["lora", "full"])
def test_same_bits(two_ranks: Ranks, full: bool, tmp_path: Path) -> None:
    """Two trainings, and one that is stopped and resumed, give the same weights and report the same steps."""
    results = []
    # The second writes checkpoints while it trains, as often as they are done.
    for name, every in (("a", 3600.0), ("b", 0.0)):
        value, messages = two_ranks.run(job_in(tmp_path / name, full, every))
        assert "resumedFromStep" not in value
        results.append((steps_of(messages), bits(tmp_path / name)))
    assert [message for message in messages if message["type"] == "checkpoint"]
    job = job_in(tmp_path / "c", full)
    stopped = stop_after(two_ranks, job, 3)
    written = next(message for message in stopped if message["type"] == "checkpoint")
    assert written["path"].endswith(f"/step-{written['step']:08}")
    assert f"stopped after {written['step']} of {STEPS} steps" in stopped[-1]["message"]
    value, messages = two_ranks.run(job)
    assert value["resumedFromStep"] == written["step"] >= 3
    assert messages[0]["step"] == written["step"]
    results.append((steps_of(messages), bits(tmp_path / "c")))
    assert len(results[0][0]) == STEPS
    assert results[0] == results[1] == results[2]


def test_no_checkpoint_that_would_be_too_late(two_ranks: Ranks, tmp_path: Path) -> None:
    """A training that is stopped begins no checkpoint that takes too long, says what is lost, and goes on from the one before."""
    undisturbed = job_in(tmp_path / "a", full=True)
    _, messages = two_ranks.run(undisturbed)
    expected = (steps_of(messages), bits(tmp_path / "a"))
    job = job_in(tmp_path / "b", full=True)
    stop_after(two_ranks, job, 2)
    (earlier,) = (tmp_path / "b/checkpoints").iterdir()
    resumed_from = int(earlier.name[5:])
    # Written in time, but not uploaded.
    (tmp_path / "b/checkpoints/.uploaded.json").write_text('{"seconds": 240}')
    job["checkpoint"]["stopSeconds"] = 200
    message = stop_after(two_ranks, job, 5)[-1]["message"]
    assert [path.name for path in sorted((tmp_path / "b/checkpoints").glob("step-*"))] == [earlier.name]
    lost = f"steps after step {resumed_from} are computed again"
    assert re.search(rf"stopped after \d of {STEPS} steps; a checkpoint would take 24\d s, .*: \d {lost}$", message)
    # One that is in time is written.
    job["checkpoint"]["stopSeconds"] = 1000
    written = next(message for message in stop_after(two_ranks, job, 5) if message["type"] == "checkpoint")
    value, messages = two_ranks.run(job)
    assert value["resumedFromStep"] == written["step"]
    assert (steps_of(messages), bits(tmp_path / "b")) == expected


def test_no_checkpoint_during_an_upload(two_ranks: Ranks, tmp_path: Path) -> None:
    """While the parent uploads a checkpoint, no other one is begun, which would take its place on the disk."""
    job = job_in(tmp_path / "a", full=False, every_seconds=0)
    (tmp_path / "a/checkpoints/.upload/step-00000001").mkdir(parents=True)
    _, messages = two_ranks.run(job)
    assert not [message for message in messages if message["type"] == "checkpoint"]


def test_damaged_checkpoints_are_not_resumed(two_ranks: Ranks, tmp_path: Path) -> None:
    """A changed byte in any file of a checkpoint is found. The training starts from an earlier one, or anew, and says so."""
    job = job_in(tmp_path / "a", full=False)
    stop_after(two_ranks, job, 2)
    (earlier,) = (tmp_path / "a/checkpoints").iterdir()
    kept = tmp_path / "kept"
    shutil.copytree(earlier, kept)
    stop_after(two_ranks, job, 5)
    (newest,) = (tmp_path / "a/checkpoints").iterdir()
    assert newest.name > earlier.name
    shutil.copytree(kept, earlier)
    undamaged = tmp_path / "undamaged"
    shutil.copytree(newest, undamaged)
    resumed_from = int(earlier.name[5:])
    results = []
    for file in sorted(path.name for path in newest.iterdir()):
        for folder in (tmp_path / "a/checkpoints").iterdir():
            shutil.rmtree(folder)
        shutil.copytree(kept, earlier)
        shutil.copytree(undamaged, newest)
        content = bytearray((newest / file).read_bytes())
        content[len(content) // 2] ^= 1
        (newest / file).write_bytes(content)
        value, messages = two_ranks.run(job)
        assert value["damagedCheckpoints"] == messages[0]["damaged"] == [str(newest)], file
        assert value["resumedFromStep"] == messages[0]["step"] == resumed_from
        results.append((steps_of(messages), bits(tmp_path / "a")))
    assert len(results) == 4  # a file of each rank, DCP's metadata and the summary
    assert all(result == results[0] for result in results)
    # Without an earlier one.
    shutil.rmtree(earlier)
    value, messages = two_ranks.run(job)
    assert "resumedFromStep" not in value
    assert value["damagedCheckpoints"] == [str(newest)]
    assert (steps_of(messages), bits(tmp_path / "a")) == results[0]


def test_checkpoints_of_other_trainings_are_ignored(two_ranks: Ranks, tmp_path: Path) -> None:
    """Another fingerprint is another training."""
    job = job_in(tmp_path / "a", full=False)
    stop_after(two_ranks, job, 2)
    job["checkpoint"]["fingerprint"] = "another"
    value, messages = two_ranks.run(job)
    assert value["damagedCheckpoints"] == []
    assert "resumedFromStep" not in value
    assert len(steps_of(messages)) == STEPS


def test_failed_jobs_leave_the_ranks_ready(two_ranks: Ranks, tmp_path: Path) -> None:
    """A training that diverges and a model that is not there are errors of their kinds; the next job runs."""
    job = training_job(tmp_path, "llama", steps=4)
    job["steps"] = [{"rows": [0, 1, 2], "learningRate": 1e30}] * 4
    error = two_ranks.error(job)
    assert error["kind"] == "diverged"
    assert error["message"].startswith("Training diverged at step ")
    assert error["message"].endswith("; lower the learning rate.")
    assert "NaN" in error["message"]
    error = two_ranks.error({**job, "model": str(tmp_path / "nowhere")})
    assert error["kind"] == "input"
    assert f"{tmp_path}/nowhere/config.json" in error["message"]
    shutil.copytree(REFERENCE / "llama/model", tmp_path / "half")
    weights = (tmp_path / "half/model.safetensors").read_bytes()
    (tmp_path / "half/model.safetensors").write_bytes(weights[: len(weights) // 2])
    error = two_ranks.error({**job, "model": str(tmp_path / "half")})
    assert error["kind"] == "input"
    assert "half/model.safetensors cannot be read" in error["message"]
    error = two_ranks.error({**job, "model": str(REFERENCE / "qwen3/model")})
    assert error["kind"] == "input"
    assert "has the shape" in error["message"]
    value, _ = two_ranks.run(training_job(tmp_path, "llama", steps=1))
    assert value["steps"] == 1
    # A learning rate that float32 does not see.
    job["steps"] = [{"rows": [0, 1, 2], "learningRate": 1e-12}]
    assert two_ranks.run(job)[0]["unchanged"]
    assert two_ranks.run({**job, "training": {**job["training"], "full": True}})[0]["unchanged"]


def test_a_killed_rank_ends_all(tmp_path: Path) -> None:
    """Rank 0 reports a fault instead of waiting for it."""
    ranks = Ranks(2)
    job = training_job(tmp_path, "llama", steps=10_000)
    messages = ranks.start(job)
    next(message for message in messages if message["type"] == "step")
    ranks.processes[1].kill()
    *_, last = messages
    assert last["kind"] == "fault"
    assert [process.wait(60) for process in ranks.processes] == [1, -signal.SIGKILL]


def test_ranks_end_with_their_parent(tmp_path: Path) -> None:
    """The end of stdin during a job ends them with a code of its own; SIGTERM stops the job, then the ranks."""
    ranks = Ranks(1)
    messages = ranks.start(training_job(tmp_path, "llama", steps=10_000))
    next(message for message in messages if message["type"] == "step")
    assert ranks.close() == [86]
    ranks = Ranks(1)
    messages = ranks.start(training_job(tmp_path, "llama", steps=10_000))
    next(message for message in messages if message["type"] == "step")
    ranks.first.terminate()
    *_, last = messages
    assert last["kind"] == "aborted"
    assert ranks.first.wait(60) == 0


def test_policies_stay_open(two_ranks: Ranks, tmp_path: Path) -> None:
    """A policy whose files are gone after its first job answers the next, and not one after a training."""
    shutil.copytree(REFERENCE / "llama/model", tmp_path / "model")
    rows = write_rows(tmp_path, [{"prompt": [1, 2], "responses": [[3, 4], [5]]}])
    job = {**COMMON, "method": "score", "model": str(tmp_path / "model"), "adapter": None, "rows": rows}
    first, _ = two_ranks.run(job)
    (tmp_path / "model/config.json").unlink()
    assert two_ranks.run(job)[0] == first
    two_ranks.run(training_job(tmp_path, "llama", steps=1))
    assert two_ranks.error(job)["kind"] == "input"


def test_messages_are_json(two_ranks: Ranks) -> None:
    """What the ranks report first names versions and device."""
    assert {name: two_ranks.ready[name] for name in ("type", "device", "deviceName", "ranks")} == {
        "type": "ready",
        "device": "cpu",
        "deviceName": "cpu",
        "ranks": 2,
    }
    json.dumps(two_ranks.ready, allow_nan=False)
