"""PairRM (arXiv 2306.02561), the ranker of the SELM paper: compares two candidates of a prompt."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DebertaV2Config, DebertaV2Model

from .passes import memory_of, passes
from .scoring import read_rows
from .tensor_files import model_files
from .world import World


class PairRM(nn.Module):
    """DeBERTa-v3 with a head over the hidden states of the tokens in front of the prompt, the first and the second candidate.

    Parameters have the names of llm-blender's files.
    """

    def __init__(self, settings: dict[str, Any]):
        super().__init__()
        config = DebertaV2Config(
            vocab_size=settings["vocabSize"],
            hidden_size=settings["hiddenSize"],
            intermediate_size=settings["intermediateSize"],
            num_hidden_layers=settings["layers"],
            num_attention_heads=settings["heads"],
            layer_norm_eps=settings["normEpsilon"],
            position_buckets=settings["positionBuckets"],
            max_relative_positions=settings["maxRelativePositions"],
            relative_attention=True,
            share_att_key=True,
            norm_rel_ebd="layer_norm",
            position_biased_input=False,
            pos_att_type=["p2c", "c2p"],
            type_vocab_size=0,
        )
        hidden = settings["hiddenSize"]
        self.pretrained_model = DebertaV2Model(config)
        self.head_layer = nn.Sequential(
            nn.Dropout(), nn.Linear(2 * hidden, hidden), nn.Tanh(), nn.Dropout(), nn.Linear(hidden, settings["tasks"])
        )

    def forward(self, ids: Tensor, mask: Tensor, judged: Tensor) -> Tensor:
        """Logits [N], positive where the first candidate is better; the mean over tasks.

        Args:
            ids: [N, S], padded
            mask: [N, S], 1 at tokens and 0 at padding
            judged: [N, 3], the positions of the tokens in front of prompt, first and second candidate
        """
        hidden = self.pretrained_model(input_ids=ids, attention_mask=mask).last_hidden_state
        source, first, second = hidden[torch.arange(len(ids), device=ids.device)[:, None], judged].unbind(1)
        scores = [self.head_layer(torch.cat([source, candidate], -1)) for candidate in (first, second)]
        return (scores[0] - scores[1]).mean(-1)


def open_pairrm(world: World, model: str, settings: dict[str, Any]) -> PairRM:
    """Opens a PairRM in float32; every rank has all of it (0.4 B parameters). `settings` are the parent's PairRmConfig."""
    with world.together(), torch.no_grad():
        files = model_files(model)
        pairrm = PairRM(settings).float().eval().requires_grad_(False)
        for name, p in pairrm.named_parameters():
            p.copy_(files.read(name, tuple(p.shape)))
    return pairrm.to(world.device)


@torch.no_grad()
def rank(world: World, pairrm: PairRM, job: dict[str, Any]) -> dict[str, Any]:
    """Compares pairs, which the parent laid out: {"logits": by pair}."""
    pairs, budget = read_rows(job["rows"]), job["microBatchTokens"]
    lengths = [len(pair["ids"]) for pair in pairs]
    mine: dict[int, float] = {}
    for micro_batch in passes(world, lengths, budget, stopped="the job was stopped"):
        for indices in within_budget(micro_batch, lengths, budget):
            batch = [pairs[i] for i in indices]
            ids = torch.zeros(len(batch), lengths[indices[0]], dtype=torch.int64)
            mask = torch.zeros_like(ids)
            for row, pair in enumerate(batch):
                ids[row, : len(pair["ids"])] = torch.tensor(pair["ids"])
                mask[row, : len(pair["ids"])] = 1
            judged = torch.tensor([pair["judged"] for pair in batch])
            with memory_of("PairRM", ids.numel()):
                logits = pairrm(*(tensor.to(world.device) for tensor in (ids, mask, judged)))
                mine.update(zip(indices, logits.tolist()))
    values = {i: value for part in world.gather(mine) for i, value in part.items()}
    return {"logits": [values[i] for i in range(len(pairs))]}


def within_budget(indices: list[int], lengths: list[int], budget: int) -> Iterator[list[int]]:
    """Divides a micro-batch into parts that have at most `budget` tokens with their padding, unless one alone is longer; longest first."""
    part: list[int] = []
    for i in sorted(indices, key=lambda i: -lengths[i]):
        if part and (len(part) + 1) * lengths[part[0]] > budget:
            yield part
            part = []
        part.append(i)
    if part:
        yield part
