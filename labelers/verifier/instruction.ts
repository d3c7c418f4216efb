/** The interface of instruction kinds: their arguments, and the check of a response. */
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { compilePattern } from '../../data/patterns.ts';
import { describeIssue } from '../../data/row.ts';

/** Whether a response follows one instruction. */
export type Check = (response: string) => boolean;

/** Creates the check of one instruction from its `kwargs`. `where` identifies the instruction in error messages. */
type InstructionKind = (kwargs: Record<string, unknown>, where: string) => Check;

/** Instruction kinds by their id, `family:kind`. */
export type Family = Record<string, InstructionKind>;

/**
 * An instruction kind with arguments of this shape. A null argument is treated as absent, as in the IFEval data set on the hub. The
 * kind throws an InputError for invalid arguments.
 */
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

/** How the count of a feature must relate to a threshold. */
export const relation = z.enum(['less than', 'at least']);

/** Whether `count` is less than, or at least, `threshold`. */
export function holds(count: number, relation: 'less than' | 'at least', threshold: number): boolean {
  return relation === 'less than' ? count < threshold : count >= threshold;
}

/** An argument that the reference checker uses as a regular expression. It is validated when the prompts are read. */
export const pattern = z.string().min(1).refine(isPattern, 'is used as a regular expression and is not a valid one');

function isPattern(text: string): boolean {
  try {
    return Boolean(compilePattern(text, 'u'));
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
