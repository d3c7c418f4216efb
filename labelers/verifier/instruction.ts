/** What an instruction kind is: its arguments, validated, and a check of a response against them. */
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { compilePattern } from '../../data/patterns.ts';
import { describeIssue } from '../../data/row.ts';

/** Whether a response follows one instruction. */
export type Check = (response: string) => boolean;

/** Makes the check of one instruction from its `kwargs` in the data; `where` names the instruction in errors. */
export type InstructionKind = (kwargs: Record<string, unknown>, where: string) => Check;

/** Instruction kinds by their id, `family:kind`. */
export type Family = Record<string, InstructionKind>;

/** A kind whose arguments fit `shape`. Throws an InputError on others; null counts as absent, as in the hub's IFEval. */
export function kind<S extends z.ZodRawShape>(
  shape: S,
  check: (response: string, kwargs: z.infer<z.ZodObject<S>>) => boolean,
): InstructionKind {
  const schema = z.object(shape);
  return (kwargs, where) => {
    const given = Object.fromEntries(Object.entries(kwargs).filter(([, value]) => value !== null));
    const result = schema.safeParse(given);
    if (!result.success)
      throw new InputError(`${where} ${describeIssue(given, result.error.issues[0], 'this instruction')}`);
    return (response) => check(response, result.data);
  };
}

export const relation = z.enum(['less than', 'at least']);

/** Whether `count` is, as asked, less than or at least `threshold`. */
export function holds(count: number, relation: 'less than' | 'at least', threshold: number): boolean {
  return relation === 'less than' ? count < threshold : count >= threshold;
}

/** A text that the reference checker uses as a pattern; whether it is one is seen when the prompts are read, not in a verdict. */
export const pattern = z.string().min(1).refine(isPattern, 'is used as a regular expression and is not a valid one');

function isPattern(text: string): boolean {
  try {
    return Boolean(compilePattern(text, 'u'));
  } catch {
    return false;
  }
}
