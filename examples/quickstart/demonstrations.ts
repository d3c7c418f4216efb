/** Demonstrations with systematic errors, for the start model: most of them ignore parts of the instruction. */
import type { DemonstrationRecord } from '../../data/records.ts';
import { shuffled, uniform } from '../../data/random.ts';
import { countOf, things, write, type Instruction, type Request } from './task.ts';

/** The share of the quickstart's demonstrations that follow the instruction. The others always list three things with commas. */
const CAREFUL = 0.2;

/**
 * Creates `count` demonstrations, which are deterministic. Instructions are repeated if there are fewer of them. Because the errors
 * are systematic, a model trained on them ignores the instruction in greedy responses, and follows it in some sampled responses.
 * @param carefulShare the share that follows the instruction
 */
export function demonstrations(
  instructions: Instruction[],
  count: number,
  carefulShare = CAREFUL,
): DemonstrationRecord[] {
  return Array.from({ length: count }, (_, i) => {
    const { text, request } = instructions[i % instructions.length];
    const careful = uniform('quickstart', 'careful', i) < carefulShare;
    return {
      prompt: [{ role: 'user', content: text }],
      completion: [
        { role: 'assistant', content: careful ? answer(request, i) : answer({ ...SLOPPY, kind: request.kind }, i) },
      ],
    };
  });
}

const SLOPPY = { count: 'three', separator: 'commas', letterCase: 'any' } as const;

/** A response that follows the request. Things are listed in the order of `things`, which a small model learns quickly. */
function answer(request: Request, i: number): string {
  const { kind, separator, letterCase, include } = request;
  const drawn = shuffled(things[kind], 'quickstart', 'things', i);
  const wanted = include === undefined ? drawn : [include, ...drawn.filter((thing) => thing !== include)];
  const chosen = wanted.slice(0, countOf(request));
  return write(
    things[kind].filter((thing) => chosen.includes(thing)),
    separator,
    letterCase,
  );
}
