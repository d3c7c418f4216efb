/** IFEval's accuracies, as its reference prints them. */
import { boundedRule } from '../program.ts';
import { checksOf, followsLoosely, followsStrictly } from './verifier.ts';
import type { PromptRecord } from '../../data/records.ts';

export interface Accuracy {
  /** Share of prompts all of whose instructions are followed. */
  promptLevel: number;
  /** Share of instructions followed. */
  instructionLevel: number;
  /** The same by kind, `family:kind`, in alphabetical order. */
  byKind: Record<string, number>;
}

interface Accuracies {
  prompts: number;
  instructions: number;
  strict: Accuracy;
  loose: Accuracy;
}

/** Which instructions a response follows, by their ids. */
interface Followed {
  ids: string[];
  followed: boolean[];
}

/** @param responses one a prompt, in their order */
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
