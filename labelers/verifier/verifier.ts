/**
 * The labeler that checks verifiable instructions. Prompts contain them in IFEval's format (Zhou et al. 2023, arXiv 2311.07911):
 * `instruction_id_list`, and `kwargs` with the arguments of each instruction.
 */
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import type { PromptRecord } from '../../data/records.ts';
import { parseRow } from '../../data/row.ts';
import { labelerKind } from '../labeler.ts';
import { programLabeler } from '../program.ts';
import type { Check } from './instruction.ts';
import { trim } from '../../ports/python.ts';
import { instructionKinds } from './registry.ts';

const constraintsSchema = z.object({
  instruction_id_list: z.array(z.string()).min(1),
  kwargs: z.array(z.record(z.string(), z.unknown())),
});

/** The checks of a prompt's instructions, in order. @throws InputError for an unknown instruction or a missing argument */
export function checksOf(prompt: PromptRecord): Check[] {
  const where = `Prompt "${prompt.id}"`;
  const { instruction_id_list: ids, kwargs } = parseRow({ where, fields: prompt }, constraintsSchema);
  if (ids.length !== kwargs.length) {
    throw new InputError(`${where} has ${ids.length} instructions and ${kwargs.length} kwargs; each needs its own.`);
  }
  return ids.map((id, i) => {
    if (!Object.hasOwn(instructionKinds, id)) {
      const known = Object.keys(instructionKinds).join(', ');
      throw new InputError(`${where} has the unknown instruction "${id}"; remove it, or use one of ${known}.`);
    }
    return instructionKinds[id](kwargs[i], `${where}, ${id},`);
  });
}

/** Which instructions the response follows. An empty response follows none. */
export function followsStrictly(checks: Check[], response: string): boolean[] {
  return checks.map((check) => trim(response) !== '' && check(response));
}

/** IFEval's loose criterion: like {@link followsStrictly}, but an introduction, a closing line and asterisks are ignored. */
export function followsLoosely(checks: Check[], response: string): boolean[] {
  const lines = response.split('\n');
  const shortened = [lines.slice(1), lines.slice(0, -1), lines.slice(1, -1)].map((part) => trim(part.join('\n')));
  const variants = [response, ...shortened].flatMap((text) => [text, text.replaceAll('*', '')]);
  return checks.map((check) => variants.some((text) => trim(text) !== '' && check(text)));
}

/** The score is the share of the instructions that a response follows; it passes if it follows all. */
export const verifier = labelerKind({
  schema: z
    .strictObject({
      // Optional, because verifier is the default labeler.
      by: z.literal('verifier').optional().default('verifier'),
      verdict: z
        .enum(['strict', 'loose'])
        .optional()
        .describe('`loose` ignores an introduction, a closing line and asterisks, as IFEval does. Default: strict.'),
    })
    .describe(
      "Checks the instructions in a prompt's `instruction_id_list`, as IFEval does. The score is the share that a response follows.",
    ),
  create({ verdict = 'strict' }) {
    const follows = verdict === 'strict' ? followsStrictly : followsLoosely;
    return programLabeler('verifier', (prompt) => {
      const checks = checksOf(prompt);
      return (answer) => {
        const followed = follows(checks, answer).filter(Boolean).length;
        return { score: followed / checks.length, pass: followed === checks.length };
      };
    });
  },
});
