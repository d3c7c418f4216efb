/** Preferences as a training task: an objective over log-ratios to the reference policy. */
import * as ops from '../graph/ops.ts';
import { objectiveOf } from '../objectives/index.ts';
import { float32, int64 } from '../session.ts';
import type { ObjectiveSettings } from '../settings.ts';
import type { Example, TrainingTask } from './task.ts';

/** A preference, tokenized. */
export interface TokenizedPreference {
  prompt: number[];
  chosen: number[];
  rejected: number[];
  reference: number[];
  /** Whether the prompt by itself has the tokens that it has here. */
  isPrefix?: boolean;
}

const roles = ['chosen', 'rejected', 'reference'] as const;
type Role = (typeof roles)[number];

/** Responses that are the same tokens are computed once; the roles point at them. */
export interface PreferenceExample extends Example, Record<Role, number> {
  referenceLogps: number[];
}

/** Log-probabilities of responses under the reference policy: they never change within a round. */
export type ReferenceScorer = (rows: { prompt: number[]; response: number[] }[]) => Promise<Float64Array>;

export async function preferenceExamples(
  rows: TokenizedPreference[],
  scoreReference: ReferenceScorer,
): Promise<PreferenceExample[]> {
  const examples = rows.map((row) => {
    const responses: number[][] = [];
    const keys: string[] = [];
    const place = (role: Role) => {
      const key = row[role].join();
      const known = keys.indexOf(key);
      if (known >= 0) return known;
      responses.push(row[role]);
      return keys.push(key) - 1;
    };
    const places = Object.fromEntries(roles.map((role) => [role, place(role)])) as Record<Role, number>;
    return { group: { prompt: row.prompt, responses }, ...places };
  });
  const flat = examples.flatMap(({ group }) => group.responses.map((response) => ({ prompt: group.prompt, response })));
  const logps = await scoreReference(flat);
  let next = 0;
  return examples.map((example) => {
    const start = next;
    next += example.group.responses.length;
    return { ...example, referenceLogps: [...logps.subarray(start, next)] };
  });
}

const mean = (values: number[]) => values.reduce((total, value) => total + value, 0) / values.length;

export function preferenceTask(
  examples: PreferenceExample[],
  settings: ObjectiveSettings,
): TrainingTask<PreferenceExample> {
  const objective = objectiveOf(settings);
  return {
    examples,

    loss(g, logps) {
      const ratios = ops.sub(g, logps, g.input('reference_logps', 'float32', logps.shape));
      const tokens = g.input('response_tokens', 'float32', logps.shape);
      const pick = (role: Role) => {
        const places = g.input(role, 'int64', ['P']);
        const [logp, ratio, count] = [logps, ratios, tokens].map((values) => ops.gather(g, values, places));
        return { logp, ratio, tokens: count };
      };
      const preferences = { chosen: pick('chosen'), rejected: pick('rejected'), reference: pick('reference') };
      return ops.reduceSum(g, objective.loss(g, preferences, settings), 0, false);
    },

    feeds(batch) {
      const reference = Float32Array.from(batch.flatMap((example) => example.referenceLogps));
      const tokens = Float32Array.from(batch.flatMap(({ group }) => group.responses.map(({ length }) => length)));
      let start = 0;
      const starts = batch.map(({ group }) => {
        start += group.responses.length;
        return start - group.responses.length;
      });
      const index = (role: Role) => int64(batch.map((example, i) => starts[i] + example[role]), [batch.length]); // prettier-ignore
      return {
        reference_logps: float32(reference, [reference.length]),
        response_tokens: float32(tokens, [tokens.length]),
        chosen: index('chosen'),
        rejected: index('rejected'),
        reference: index('reference'),
      };
    },

    scale: (batch) => 1 / batch.length,

    metrics(batch, logps) {
      const logp = (role: Role) => batch.map((example, i) => logps[i][example[role]]);
      // Without a reference policy the reward is the mean log-probability of a token.
      const reward = (role: Role) =>
        batch.map(({ group, referenceLogps, [role]: place }, i) =>
          objective.referencePolicy
            ? settings.beta * (logps[i][place] - referenceLogps[place])
            : (settings.beta * logps[i][place]) / group.responses[place].length,
        );
      const [chosen, rejected] = [reward('chosen'), reward('rejected')];
      return {
        'rewards/chosen': mean(chosen),
        'rewards/rejected': mean(rejected),
        'rewards/accuracies': mean(chosen.map((value, i) => Number(value > rejected[i]))),
        'rewards/margins': mean(chosen.map((value, i) => value - rejected[i])),
        'rewards/reference': mean(reward('reference')),
        'logps/chosen': mean(logp('chosen')),
        'logps/rejected': mean(logp('rejected')),
        'logps/reference': mean(logp('reference')),
      };
    },
  };
}
