"""The objectives of engine/onnx/objectives as functions of tensors: each gives the loss of every preference, [P]."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus


@dataclass
class Responses:
    """The responses of one role (chosen, rejected or reference), one per preference: [P] each."""

    logp: Tensor  # log pi(y | x) in nats, summed over the response's tokens
    ratio: Tensor  # s(y) = log pi(y | x) - log pi_ref(y | x)
    tokens: Tensor  # the number of tokens


# Label smoothing: the assumed probability that the rejected response is the better one, of every preference, [P].
Smoothing = Tensor | None


def logistic(margin: Tensor, smoothing: Smoothing) -> Tensor:
    """-logsigmoid(h) of a margin h.

    With label smoothing eps it is that of cDPO (Mitchell 2023): -(1 - eps) logsigmoid(h) - eps logsigmoid(-h) = -logsigmoid(h) + eps h.
    """
    loss = softplus(-margin)
    return loss if smoothing is None else loss + smoothing * margin


def dpo(chosen: Responses, rejected: Responses, reference: Responses, *, beta: float, smoothing: Smoothing = None) -> Tensor:
    """arXiv 2305.18290, equation 7: -logsigmoid(beta (s(chosen) - s(rejected)))."""
    return logistic(beta * (chosen.ratio - rejected.ratio), smoothing)


def selm(chosen: Responses, rejected: Responses, reference: Responses, *, beta: float, alpha: float, smoothing: Smoothing = None) -> Tensor:
    """arXiv 2405.19332: DPO + alpha beta s(reference). With a response of the start policy it is VPO, arXiv 2405.19320."""
    return dpo(chosen, rejected, reference, beta=beta, smoothing=smoothing) + alpha * beta * reference.ratio


def xpo(chosen: Responses, rejected: Responses, reference: Responses, *, beta: float, alpha: float, smoothing: Smoothing = None) -> Tensor:
    """arXiv 2405.21046, algorithm 1: DPO + alpha log pi(reference)."""
    return dpo(chosen, rejected, reference, beta=beta, smoothing=smoothing) + alpha * reference.logp


def se_popo(
    chosen: Responses, rejected: Responses, reference: Responses, *, beta: float, alpha: float, smoothing: Smoothing = None
) -> Tensor:
    """arXiv 2502.00666, as its authors train it: DPO + alpha (sigmoid(beta s(reference)) - 1/2) / beta."""
    bonus = alpha / beta * (torch.sigmoid(beta * reference.ratio) - 0.5)
    return dpo(chosen, rejected, reference, beta=beta, smoothing=smoothing) + bonus


def geb(chosen: Responses, rejected: Responses, reference: Responses, *, beta: float, alpha: float, smoothing: Smoothing = None) -> Tensor:
    """arXiv 2510.03269 under KL with u = 1 + c - pi, as its authors train it: DPO + alpha pi(rejected), alpha is the paper's kappa."""
    return dpo(chosen, rejected, reference, beta=beta, smoothing=smoothing) + alpha * rejected.logp.exp()


def ipo(chosen: Responses, rejected: Responses, reference: Responses, *, beta: float) -> Tensor:
    """arXiv 2310.12036, equation 17, with s averaged over tokens: (s(chosen) - s(rejected) - 1 / (2 beta))^2."""
    return (chosen.ratio / chosen.tokens - rejected.ratio / rejected.tokens - 1 / (2 * beta)) ** 2


def simpo(
    chosen: Responses, rejected: Responses, reference: Responses, *, beta: float, gamma: float, smoothing: Smoothing = None
) -> Tensor:
    """arXiv 2405.14734, equation 6: -logsigmoid(beta (m(chosen) - m(rejected)) - gamma), m = log pi averaged over tokens."""
    return logistic(beta * (chosen.logp / chosen.tokens - rejected.logp / rejected.tokens) - gamma, smoothing)


def ln_dpo(chosen: Responses, rejected: Responses, reference: Responses, *, beta: float, smoothing: Smoothing = None) -> Tensor:
    """Length-normalized DPO, arXiv 2411.15124: -logsigmoid(beta (s(chosen) / |chosen| - s(rejected) / |rejected|))."""
    return logistic(beta * (chosen.ratio / chosen.tokens - rejected.ratio / rejected.tokens), smoothing)


def r_dpo(
    chosen: Responses, rejected: Responses, reference: Responses, *, beta: float, lengthPenalty: float, smoothing: Smoothing = None
) -> Tensor:
    """Length-regularized DPO, arXiv 2403.19159: -logsigmoid(beta (s(chosen) - s(rejected)) + lengthPenalty (|chosen| - |rejected|))."""
    return logistic(beta * (chosen.ratio - rejected.ratio) + lengthPenalty * (chosen.tokens - rejected.tokens), smoothing)


def sft(chosen: Responses) -> Tensor:
    """-log pi(chosen) / |chosen|, the term of RPO (arXiv 2404.19733) and MPO (2411.10442) that `sftWeight` adds to an objective."""
    return -chosen.logp / chosen.tokens


OBJECTIVES = {
    "selm": selm,
    "dpo": dpo,
    "xpo": xpo,
    "vpo": selm,
    "se-popo": se_popo,
    "geb": geb,
    "ipo": ipo,
    "simpo": simpo,
    "ln-dpo": ln_dpo,
    "r-dpo": r_dpo,
}
