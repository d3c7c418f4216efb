/**
 * Limits on what a template computes. Jinja's sandbox in Python, which transformers uses, limits ranges. Here time and memory are limited
 * too, because a template is rendered in the worker's own process.
 */

/** A template exceeded a limit. The message is the end of a sentence that begins with the template's name. */
export class TemplateLimit extends Error {}

/** jinja2.sandbox.MAX_RANGE. */
const MAX_RANGE = 100_000;
const MAX_SECONDS = 5;
/** Characters of one text, which are millions of tokens, and items of one list. */
const MAX_CHARACTERS = 2 ** 24;
/** Of all texts and lists that a rendering creates, in characters, including those it drops. */
const MAX_MADE = 2 ** 29;
/** Memory of a list's item, in characters. */
const ITEM = 16;
/** Nested expressions and blocks. V8 aborts a process that compiles a regular expression at the end of its stack. */
const MAX_DEPTH = 500;
/** Steps between two checks of the time. */
const STEPS = 1024;

interface Spent {
  steps: number;
  depth: number;
  made: number;
  /** CPU time of the process: while a worker is stopped or waits for a core, it uses none. */
  start: NodeJS.CpuUsage;
}
let spent: Spent | undefined;

/** Runs `render`, which calls step() and made(). @throws TemplateLimit if it exceeds a limit */
export function bounded<T>(render: () => T): T {
  spent = { steps: 0, depth: 0, made: 0, start: process.cpuUsage() };
  try {
    return render();
  } finally {
    spent = undefined;
  }
}

/** A step of the interpreter. */
export function step(): void {
  if (!spent || ++spent.steps % STEPS !== 0) return;
  const { user, system } = process.cpuUsage(spent.start);
  if (user + system > MAX_SECONDS * 1e6) throw new TemplateLimit(`did not end in ${MAX_SECONDS} s: simplify its loops`);
}

/** A step of the interpreter within the current one. */
export function inside<T>(evaluate: () => T): T {
  step();
  if (!spent) return evaluate();
  if (spent.depth === MAX_DEPTH) throw new TemplateLimit('is nested too deep: simplify its expressions and macros');
  spent.depth++;
  const own = spent;
  try {
    return evaluate();
  } finally {
    own.depth--;
  }
}

/** Checks the length of a text or a list before it is created. */
export function willMake(length: number, what: 'text' | 'list' = 'text'): void {
  if (!spent || length <= MAX_CHARACTERS) return;
  const parts = what === 'text' ? 'characters' : 'items';
  throw new TemplateLimit(`makes a ${what} of more than ${MAX_CHARACTERS} ${parts}: simplify its loops`);
}

/** Counts a text or a list that was created. */
export function made(value: unknown): void {
  if (!spent) return;
  if (typeof value === 'string') {
    willMake(value.length);
    spent.made += value.length;
  } else if (Array.isArray(value)) spent.made += ITEM * value.length;
  if (spent.made > MAX_MADE) throw new TemplateLimit('takes too much memory: simplify its loops');
}

/** Python's range(), as in Jinja's sandbox. */
export function range(start: number, stop?: number, increment = 1): number[] {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  if (increment === 0) throw new Error('range() arg 3 must not be zero');
  const length = Math.max(0, Math.ceil((to - from) / increment));
  if (length > MAX_RANGE)
    throw new Error(`Range too big. The sandbox blocks ranges larger than MAX_RANGE (${MAX_RANGE})`);
  return Array.from({ length }, (_, i) => from + i * increment);
}
