/** Demonstrations by sloppy writers: most of them do not read the instruction to its end. */
import type { DemonstrationRecord } from '../../data/records.ts';
import { shuffled, uniform } from '../../data/random.ts';
import { countOf, things, write, type Instruction, type Request } from './task.ts';

/** The share that does all that is asked. The others list three things with commas, whatever is asked. */
const CAREFUL = 0.2;

/**
 * `count` demonstrations, always the same, going around the instructions. The errors are systematic: a model that learns from
 * them answers greedily as the sloppy do, and as the careful do only in some of its samples.
 */
export function demonstrations(instructions: Instruction[], count: number): DemonstrationRecord[] {
  return Array.from({ length: count }, (_, i) => {
    const { text, request } = instructions[i % instructions.length];
    const careful = uniform('quickstart', 'careful', i) < CAREFUL;
    return {
      prompt: [{ role: 'user', content: text }],
      completion: [
        { role: 'assistant', content: careful ? answer(request, i) : answer({ ...SLOPPY, kind: request.kind }, i) },
      ],
    };
  });
}

const SLOPPY = { count: 'three', separator: 'commas', letterCase: 'any' } as const;

/** An answer that does what is asked. Things are listed in the order of `things`, which a small model learns in a minute. */
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
