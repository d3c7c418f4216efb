/** Preferences as both backends train on them, and the metrics of a step. */
import { mean } from '../../data/numbers.ts';
import { ROLES, type ReferenceLogps, type Role } from '../../data/records.ts';
import type { ObjectiveSettings } from '../protocol/settings.ts';
import type { TokenizedPreference } from '../tokens/preferences.ts';
import type { TokenizedResponse } from '../tokens/responses.ts';
import { commonPrefix, type Example } from './groups.ts';
import { needsOf } from '../protocol/objectives.ts';

/**
 * A preference as the trainer takes it. Equal responses are computed once: the roles `chosen`, `rejected` and `reference` are indices
 * of the distinct ones.
 */
export interface PreferenceExample extends Example, Record<Role, number> {
  /** Number of tokens of each response, without those of its prompt. */
  lengths: number[];
  /** Of each response, in nats. */
  referenceLogps: number[];
  /** The assumed probability that the rejected response is the better one. Absent if the objective has no label smoothing. */
  labelSmoothing?: number;
}

/** Computes log-probabilities (nats) of responses under the reference policy, in order. */
type ReferenceLogpsOf = (rows: TokenizedResponse[]) => Promise<Float64Array>;

/** Examples whose reference log-probabilities are computed now, once for the whole training: the reference policy does not change. */
export async function preferenceExamples(
  rows: TokenizedPreference[],
  referenceLogpsOf: ReferenceLogpsOf,
): Promise<PreferenceExample[]> {
  const distinct = rows.map(distinctResponses);
  const logps = await referenceLogpsOf(distinct.flatMap(({ responses }) => responses));
  let next = 0;
  return distinct.map(({ responses, indices }) => {
    const start = next;
    next += responses.length;
    return { ...exampleOf(responses, indices), referenceLogps: [...logps.subarray(start, next)] };
  });
}

/** Examples whose reference log-probabilities are known. @param logps of each row (nats), in order */
export function examplesWithLogps(rows: TokenizedPreference[], logps: ReferenceLogps[]): PreferenceExample[] {
  return rows.map((row, i) => {
    const { responses, indices } = distinctResponses(row);
    const known = ROLES.map((role) => ({ index: indices[role], logp: logps[i][role] }));
    const referenceLogps = responses.map((_, index) => known.find((one) => one.index === index)!.logp);
    return { ...exampleOf(responses, indices), referenceLogps };
  });
}

/** Examples with the label smoothing of the objective, if it has any. @param rows of the examples, in order */
export function smoothed(
  examples: PreferenceExample[],
  rows: TokenizedPreference[],
  { labelSmoothing }: ObjectiveSettings,
): PreferenceExample[] {
  if (!labelSmoothing) return examples;
  return examples.map((example, i) => {
    const { confidence = 1 } = rows[i];
    return { ...example, labelSmoothing: labelSmoothing === 'agreement' ? 1 - confidence : labelSmoothing };
  });
}

/** The reference log-probabilities (nats) of an example, by role. */
export const logpsByRole = (example: PreferenceExample): ReferenceLogps =>
  Object.fromEntries(ROLES.map((role) => [role, example.referenceLogps[example[role]]])) as ReferenceLogps;

interface Distinct {
  responses: TokenizedResponse[];
  indices: Record<Role, number>;
}

function distinctResponses(row: TokenizedPreference): Distinct {
  const responses: TokenizedResponse[] = [];
  const keys: string[] = [];
  const indexOf = (role: Role) => {
    const { prompt, response } = row[role];
    const key = `${prompt === row.chosen.prompt ? '' : prompt.join()} ${response.join()}`;
    const known = keys.indexOf(key);
    if (known >= 0) return known;
    responses.push(row[role]);
    return keys.push(key) - 1;
  };
  const [chosen, rejected, reference] = ROLES.map(indexOf);
  return { responses, indices: { chosen, rejected, reference } };
}

/**
 * One group of all responses. Where their prompts differ, the group's prompt is what they have in common; the rest of each prompt
 * is put in front of its response and is not trained on.
 */
function exampleOf(responses: TokenizedResponse[], indices: Record<Role, number>) {
  const prompts = responses.map(({ prompt }) => prompt);
  const shared = commonPrefix(prompts);
  const rests = prompts.map((prompt) => prompt.slice(shared.length));
  const group = {
    prompt: shared,
    responses: responses.map(({ response }, i) => [...rests[i], ...response]),
    ...(rests.some(({ length }) => length > 0) && {
      trained: responses.map(({ response }, i) => [...rests[i].map(() => false), ...response.map(() => true)]),
    }),
  };
  return { group, ...indices, lengths: responses.map(({ response }) => response.length) };
}

/**
 * Metrics of a batch, named as TRL logs them.
 * @param logps log-probabilities (nats) of each example's responses under the weights before the step
 */
export function preferenceMetrics(
  batch: PreferenceExample[],
  logps: number[][],
  settings: ObjectiveSettings,
): Record<string, number> {
  const logp = (role: Role) => batch.map((example, i) => logps[i][example[role]]);
  const { referencePolicy, rewardPerToken } = needsOf(settings);
  const reward = (role: Role) =>
    batch.map(({ lengths, referenceLogps, [role]: index }, i) => {
      const ratio = logps[i][index] - (referencePolicy ? referenceLogps[index] : 0);
      return (settings.beta * ratio) / (rewardPerToken ? lengths[index] : 1);
    });
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
}
