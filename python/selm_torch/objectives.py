"""The objectives of engine/onnx/objectives as functions of tensors: each gives the loss of every preference, [P]."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import softplus


@dataclass
class Responses:
    """The responses of one role (chosen, rejected or reference), one per preference: [P] each."""

    logp: Tensor  # log pi(y | x) in nats, summed over the response's tokens
    ratio: Tensor  # s(y) = log pi(y | x) - log pi_ref(y | x)
    tokens: Tensor  # the number of tokens


def dpo(chosen: Responses, rejected: Responses, reference: Responses, *, beta: float) -> Tensor:
    """arXiv 2305.18290, equation 7: -logsigmoid(beta (s(chosen) - s(rejected)))."""
    return softplus(-beta * (chosen.ratio - rejected.ratio))


def selm(chosen: Responses, rejected: Responses, reference: Responses, *, beta: float, alpha: float) -> Tensor:
    """arXiv 2405.19332: DPO + alpha beta s(reference). With a response of the start policy it is VPO, arXiv 2405.19320."""
    return dpo(chosen, rejected, reference, beta=beta) + alpha * beta * reference.ratio


def xpo(chosen: Responses, rejected: Responses, reference: Responses, *, beta: float, alpha: float) -> Tensor:
    """arXiv 2405.21046, algorithm 1: DPO + alpha log pi(reference)."""
    return dpo(chosen, rejected, reference, beta=beta) + alpha * reference.logp


def ipo(chosen: Responses, rejected: Responses, reference: Responses, *, beta: float) -> Tensor:
    """arXiv 2310.12036, equation 17, with s averaged over tokens: (s(chosen) - s(rejected) - 1 / (2 beta))^2."""
    return (chosen.ratio / chosen.tokens - rejected.ratio / rejected.tokens - 1 / (2 * beta)) ** 2


def simpo(chosen: Responses, rejected: Responses, reference: Responses, *, beta: float, gamma: float) -> Tensor:
    """arXiv 2405.14734, equation 6: -logsigmoid(beta (m(chosen) - m(rejected)) - gamma), m = log pi averaged over tokens."""
    return softplus(gamma - beta * (chosen.logp / chosen.tokens - rejected.logp / rejected.tokens))


OBJECTIVES = {"selm": selm, "dpo": dpo, "xpo": xpo, "vpo": selm, "ipo": ipo, "simpo": simpo}
