/** IFEval's accuracies, as its reference implementation computes them. */
import { boundedRule } from '../program.ts';
import { checksOf, followsLoosely, followsStrictly } from './verifier.ts';
import type { PromptRecord } from '../../data/records.ts';

/** Accuracies by one criterion, strict or loose. */
export interface Accuracy {
  /** Share of prompts for which the response follows all instructions. */
  promptLevel: number;
  /** Share of instructions that are followed. */
  instructionLevel: number;
  /** Share of instructions that are followed, by kind (`family:kind`), in alphabetical order. */
  byKind: Record<string, number>;
}

interface Accuracies {
  prompts: number;
  instructions: number;
  strict: Accuracy;
  loose: Accuracy;
}

/** The instruction ids of a prompt, and whether the response follows each of them. */
interface Followed {
  ids: string[];
  followed: boolean[];
}

/** IFEval's strict and loose accuracies. @param responses one per prompt, in order */
export function ifevalAccuracies(prompts: PromptRecord[], responses: string[]): Accuracies {
  const judged = prompts.map((prompt, i) => {
    const checks = checksOf(prompt);
    const ids = prompt['instruction_id_list'] as string[];
    return boundedRule(`The instructions of prompt "${prompt.id}", on its response,`, () => ({
      strict: { ids, followed: followsStrictly(checks, responses[i]) },
      loose: { ids, followed: followsLoosely(checks, responses[i]) },
    }));
  });
  return {
    prompts: prompts.length,
    instructions: judged.reduce((total, { strict }) => total + strict.ids.length, 0),
    strict: accuracyOf(judged.map(({ strict }) => strict)),
    loose: accuracyOf(judged.map(({ loose }) => loose)),
  };
}

/** The accuracies over all rows. */
export function accuracyOf(rows: Followed[]): Accuracy {
  const all = rows.flatMap(({ ids, followed }) => ids.map((id, i) => ({ id, followed: followed[i] })));
  const kinds = [...new Set(all.map(({ id }) => id))].sort();
  return {
    promptLevel: share(rows.map(({ followed }) => followed.every(Boolean))),
    instructionLevel: share(all.map(({ followed }) => followed)),
    byKind: Object.fromEntries(
      kinds.map((kind) => [kind, share(all.filter(({ id }) => id === kind).map(({ followed }) => followed))]),
    ),
  };
}

const share = (values: boolean[]) => values.filter(Boolean).length / values.length;
