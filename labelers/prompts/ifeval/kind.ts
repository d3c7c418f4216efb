/** The interface of an instruction kind that can be composed into a prompt. */
import type { Random } from '../random.ts';

/** What an instruction demands of a response, to find instructions that cannot be followed together. */
export interface Demands {
  /** The number of words of a natural response: at least, and fewer than. */
  words?: { least?: number; below?: number };
  /** Texts that the response contains. */
  contains?: string[];
  /** Words that the response does not contain. */
  avoids?: string[];
  /** The response contains this text, in any case, fewer than `below` times. */
  fewer?: { text: string; below: number };
  /** The response has fewer words in capital letters. */
  capitalsBelow?: number;
  /** The response has no commas. */
  noComma?: boolean;
}

/** A kind of instruction: how its arguments are drawn and stated. */
export interface ComposableKind<Kwargs> {
  /** Draws arguments for a base prompt with this text. */
  draw(random: Random, base: string): Kwargs;
  /**
   * Wordings of the instruction. The first is that of the authors (`build_description` in google-research,
   * instruction_following_eval/instructions.py); the others are ways in which people write the same, as in IFEval's prompts.
   */
  say(kwargs: Kwargs): [authors: string, ...others: string[]];
  demands?(kwargs: Kwargs): Demands;
}

/** Lets TypeScript infer the arguments, and forgets them, so that kinds fit into one table. */
export const composable = <Kwargs extends object>(kind: ComposableKind<Kwargs>): ComposableKind<object> =>
  kind as ComposableKind<object>;

/** Either of the relations that IFEval's counts have to a threshold. */
export type Relation = 'less than' | 'at least';

export const drawRelation = (random: Random): Relation => random.pick(['less than', 'at least']);

/** A list as Python prints it, as in the authors' wording: `['a', 'b']`. */
export const pythonList = (words: string[]): string => `[${words.map((word) => `'${word}'`).join(', ')}]`;

/** A list in a sentence: `"a", "b" and "c"`. */
export function quotedList(words: string[], joining: string): string {
  const quoted = words.map((word) => `"${word}"`);
  const last = quoted.pop()!;
  return quoted.length === 0 ? last : `${quoted.join(', ')} ${joining} ${last}`;
}
