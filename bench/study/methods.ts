/** The methods of the study: objectives with their settings. */
import type { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import type { objectiveFields } from '../../engine/protocol/settings.ts';

/** A method of the study. */
export interface Method {
  name: string;
  objective: z.input<typeof objectiveFields>;
  /** Its loss, where it differs from DPO's. */
  loss: string;
  /** Where its settings are from. */
  source: string;
}

/**
 * beta of all objectives that sum log-ratios over a response: the quickstart's, ten times SELM's, since responses have about eight tokens,
 * not hundreds. It is TRL's default, too, and that of the authors of SE-POPO and GEB.
 */
export const BETA = 0.1;

/** The method that all others are compared with. */
export const BASELINE = 'dpo';

/** The methods whose last term is the bonus of Lemma 3.1 in GEB's paper, estimated on samples. */
export const OPTIMISTIC = ['selm-0.001', 'selm-0.01', 'selm-0.1', 'xpo', 'vpo'];

const selm = (alpha: number, source: string): Method => ({
  name: `selm-${alpha}`,
  objective: { name: 'selm', beta: BETA, alpha },
  loss: `dpo + ${alpha} β s(y), y of the round's reference policy`,
  source,
});

export const METHODS: Method[] = [
  {
    name: BASELINE,
    objective: { name: 'dpo', beta: BETA },
    loss: '−log σ(β (s(c) − s(r)))',
    source: 'arXiv 2305.18290',
  },
  selm(0.001, "arXiv 2405.19332; the paper's α for Zephyr-7B"),
  selm(0.01, 'ten times that'),
  selm(0.1, 'a hundred times that'),
  {
    name: 'xpo',
    objective: { name: 'xpo', beta: BETA, alpha: 1e-5 },
    loss: 'dpo + 1e-5 log π(y), y of the start policy',
    source: "arXiv 2405.21046; TRL's α and β",
  },
  {
    name: 'vpo',
    objective: { name: 'vpo', beta: BETA, alpha: 0.1 },
    loss: 'dpo + 0.1 β s(y), y of the start policy',
    source: 'arXiv 2405.19320; the weight of selm-0.1, so that the two differ only in y',
  },
  {
    name: 'se-popo',
    objective: { name: 'se-popo', beta: BETA, alpha: 0.01 },
    loss: "dpo + 0.01 (σ(β s(y)) − 1/2) / β, y of the round's reference policy",
    source: "arXiv 2502.00666; the authors' β, and their α of the first round",
  },
  {
    name: 'geb',
    objective: { name: 'geb', beta: BETA, alpha: 1 },
    loss: 'dpo + π(r)',
    source: "arXiv 2510.03269, KL form; the authors' β and κ",
  },
  {
    name: 'ipo',
    objective: { name: 'ipo', beta: 0.1 },
    loss: '(m(c) − m(r) − 1 / (2 · 0.1))²',
    source: "arXiv 2310.12036; TRL's β",
  },
  {
    name: 'simpo',
    objective: { name: 'simpo', beta: 2, gamma: 1 },
    loss: '−log σ(2 (ℓ(c) − ℓ(r)) − 1)',
    source: "arXiv 2405.14734; the authors' default β and γ",
  },
  {
    name: 'ln-dpo',
    objective: { name: 'ln-dpo', beta: 5 },
    loss: '−log σ(5 (m(c) − m(r)))',
    source: "length-normalized DPO, arXiv 2411.15124; Tülu 3's β",
  },
];

/** The method with this name. @throws InputError when there is none */
export function methodOf(name: string): Method {
  const found = METHODS.find((method) => method.name === name);
  if (found) return found;
  const known = METHODS.map((method) => method.name).join(', ');
  throw new InputError(`--methods: "${name}" is no method of the study; choose among ${known}.`);
}
