"""What needs no ranks: objectives, log-probabilities in chunks, packing and plans."""

import json

import pytest
import torch

from selm_torch import logprob
from selm_torch.logprob import OutputLayer, token_logps
from selm_torch.loss import loss_of
from selm_torch.objectives import OBJECTIVES, Responses
from selm_torch.packing import Group, pack, plan
from selm_torch.pairrm import within_budget

from .cases import FIXTURES, ROLES, preferences


@pytest.mark.parametrize("name", ["selm", "dpo", "xpo", "vpo", "se-popo", "geb", "ipo", "simpo", "ln-dpo", "r-dpo"])
def test_objectives_equal_the_fixtures(name: str) -> None:
    """test/fixtures/objectives has each objective's losses by PyTorch, written for each by hand."""
    fixture = json.loads((FIXTURES / "objectives/expected.json").read_text())
    lengths = [{role: row["lengths"][row[role]] for role in ROLES} for row in preferences("llama")]

    def put(rows: list[dict[str, float]], role: str) -> torch.Tensor:
        return torch.tensor([float(row[role]) for row in rows], dtype=torch.float64)

    roles = []
    for role in ROLES:
        policy, reference = put(fixture["policy_logps"], role), put(fixture["reference_logps"], role)
        roles.append(Responses(policy, policy - reference, put(lengths, role)))
    expected = fixture["objectives"][name]
    losses = OBJECTIVES[name](*roles, **expected["settings"])
    torch.testing.assert_close(losses, torch.tensor(expected["losses"], dtype=torch.float64), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("case", ["dpo", "dpo-agreement", "selm", "vpo", "xpo", "se-popo", "geb", "rpo", "ln-dpo", "r-dpo", "simpo"])
def test_label_smoothing_equals_trl(case: str) -> None:
    """test/fixtures/label-smoothing has TRL's losses. The parent gives every row the number that applies to it."""
    fixture = json.loads((FIXTURES / "label-smoothing/expected.json").read_text())
    expected = fixture["objectives"][case]
    settings = dict(expected["settings"])
    rows, logps = preferences("llama"), []
    for row, policy, confidence in zip(rows, fixture["policy_logps"], fixture["confidence"]):
        given = settings["labelSmoothing"]
        row["labelSmoothing"] = given if given != "agreement" else 0.0 if confidence is None else 1 - confidence
        logps.append([policy[next(role for role in ROLES if row[role] == i)] for i in range(len(row["responses"]))])
    loss = loss_of(settings)
    for row, of_row, theirs in zip(rows, logps, expected["losses"]):
        torch.testing.assert_close(loss(torch.tensor(of_row), [row], [row]).item(), theirs, rtol=1e-5, atol=1e-5)
    whole = loss(torch.tensor([logp for of_row in logps for logp in of_row]), rows, rows).item()
    torch.testing.assert_close(whole, expected["loss"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("scale", "softcap"), [(1.0, None), (0.25, None), (1.0, 3.0), (2.0, 5.0)])
@pytest.mark.parametrize("chunk_logits", [1, 350, 10**6])
def test_token_logps_equal_plain_ones(
    monkeypatch: pytest.MonkeyPatch, bias: bool, scale: float, softcap: float | None, chunk_logits: int
) -> None:
    """Values and all gradients, with chunks of one token, of seven and of all."""
    monkeypatch.setattr(logprob, "CHUNK_LOGITS", chunk_logits)
    torch.manual_seed(0)
    leaves = [torch.randn(37, 16), torch.randn(50, 16), torch.randn(50)][: 3 if bias else 2]
    for leaf in leaves:
        leaf.requires_grad_()
    hidden, weight, *rest = leaves
    targets, cotangents = torch.randint(50, (37,)), torch.randn(37)
    ours = token_logps(hidden, OutputLayer(weight, rest[0] if bias else None, scale, softcap), targets)
    logits = scale * torch.nn.functional.linear(hidden, weight, rest[0] if bias else None)
    if softcap:
        logits = softcap * torch.tanh(logits / softcap)
    plain = logits.log_softmax(-1).gather(1, targets[:, None])[:, 0]
    torch.testing.assert_close(ours, plain)
    for a, b in zip(torch.autograd.grad(ours, leaves, cotangents), torch.autograd.grad(plain, leaves, cotangents)):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_pack_shares_the_prompt() -> None:
    """Further responses see the prompt again as keys; masked tokens are no targets; an empty response has none."""
    packed = pack([Group([7, 8], [[1, 2], [], [3]], [[False, True], None, None]), Group([9], [[4]])])
    assert packed.ids.tolist() == [[7, 8, 1, 2, 3, 9, 4]]
    assert packed.positions.tolist() == [[0, 1, 2, 3, 2, 0, 1]]
    assert packed.keys.tolist() == [0, 1, 2, 3, 0, 1, 4, 5, 6]
    assert packed.bounds == [(0, 4, 0, 4), (4, 5, 4, 7), (5, 7, 7, 9)]
    assert packed.rows.tolist() == [2, 1, 5]
    assert packed.targets.tolist() == [2, 3, 4]
    assert packed.owners.tolist() == [0, 2, 3]
    assert (packed.responses, packed.tokens) == (4, 7)


@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
def test_plan_gives_all_ranks_as_many_micro_batches(ranks: int) -> None:
    """Every item once, within the budget of 16 tokens unless it is longer alone."""
    lengths = [5, 9, 30, 2, 2, 8, 11]
    planned = plan(lengths, 16, ranks)
    assert len(planned) == ranks
    assert len({len(of_rank) for of_rank in planned}) == 1
    assert sorted(i for of_rank in planned for part in of_rank for i in part) == list(range(7))
    assert all(len(part) <= 1 or sum(lengths[i] for i in part) <= 30 for of_rank in planned for part in of_rank)


def test_padded_parts_of_a_micro_batch_keep_to_its_budget() -> None:
    """A long pair and many short ones: without parts, all would be as wide as the longest."""
    lengths = [10, 100, 10, 12, 10, 90, 11]
    parts = list(within_budget([6, 0, 1, 3, 4, 5, 2], lengths, 30))
    assert sorted(i for part in parts for i in part) == list(range(7))
    assert parts == [[1], [5], [3, 6], [0, 4, 2]]
