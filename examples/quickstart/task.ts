/** The toy task: instructions such as "List four colors joined by dashes.". A program can check the responses. */
import type { PromptRecord } from '../../data/records.ts';
import { uniformStream } from '../../data/random.ts';

/** The things that can be listed, by kind. */
export const things: Record<string, string[]> = {
  colors: ['red', 'blue', 'green', 'yellow', 'orange', 'purple', 'pink', 'brown'],
  animals: ['dog', 'cat', 'horse', 'cow', 'sheep', 'goat', 'pig', 'lion'],
  birds: ['owl', 'eagle', 'hawk', 'crow', 'robin', 'duck', 'goose', 'swan'],
  fruits: ['apple', 'banana', 'cherry', 'grape', 'lemon', 'mango', 'melon', 'peach'],
  vegetables: ['carrot', 'onion', 'potato', 'tomato', 'pepper', 'bean', 'pea', 'corn'],
  drinks: ['water', 'tea', 'coffee', 'milk', 'juice', 'cocoa', 'soda', 'cider'],
  tools: ['hammer', 'saw', 'drill', 'wrench', 'pliers', 'file', 'axe', 'shovel'],
  flowers: ['rose', 'lily', 'tulip', 'daisy', 'iris', 'orchid', 'violet', 'poppy'],
  instruments: ['piano', 'violin', 'guitar', 'flute', 'drum', 'trumpet', 'harp', 'cello'],
  metals: ['iron', 'copper', 'gold', 'silver', 'tin', 'lead', 'zinc', 'nickel'],
};
const counts = { two: 2, three: 3, four: 4, five: 5, six: 6 };
const separators = { commas: ', ', semicolons: '; ', dashes: ' - ', slashes: ' / ', 'plus signs': ' + ' };
const cases = { any: '', lower: ' Use lowercase letters.', upper: ' Use capital letters.' };
const openings = ['List', 'Name', 'Give me'];
const joins = ['joined by', 'separated by'];

/** The requirements of an instruction. */
export interface Request {
  kind: string;
  count: keyof typeof counts;
  separator: keyof typeof separators;
  letterCase: keyof typeof cases;
  /** A thing that must be listed. */
  include?: string;
}

/** An instruction and its requirements. */
export interface Instruction {
  text: string;
  request: Request;
}

const HELD_OUT = 400;
const TRAINING = 6000;

/**
 * The instructions of the quickstart, which are deterministic. No training instruction has the same requirements as a held-out one.
 */
export function instructions(): { training: Instruction[]; heldOut: Instruction[] } {
  const next = uniformStream('quickstart', 'instructions');
  const heldOut = new Map<string, Instruction>();
  while (heldOut.size < HELD_OUT) {
    const request = drawRequest(next);
    heldOut.set(JSON.stringify(request), { request, text: phrase(request, next) });
  }
  const training = new Map<string, Instruction>();
  while (training.size < TRAINING) {
    const request = drawRequest(next);
    const text = phrase(request, next);
    if (!heldOut.has(JSON.stringify(request))) training.set(text, { request, text });
  }
  return { training: [...training.values()], heldOut: [...heldOut.values()] };
}

function drawRequest(next: () => number): Request {
  const kind = pick(Object.keys(things), next);
  const request: Request = {
    kind,
    count: pick(keysOf(counts), next),
    separator: pick(keysOf(separators), next),
    letterCase: pick(keysOf(cases), next),
  };
  return next() < 1 / 3 ? { ...request, include: pick(things[kind], next) } : request;
}

function phrase({ kind, count, separator, letterCase, include }: Request, next: () => number): string {
  const inclusion = include === undefined ? '' : ` Include ${include}.`;
  return `${pick(openings, next)} ${count} ${kind} ${pick(joins, next)} ${separator}.${cases[letterCase]}${inclusion}`;
}

const keysOf = <K extends string>(object: Record<K, unknown>) => Object.keys(object) as K[];

const pick = <T>(values: T[], next: () => number): T => values[Math.floor(next() * values.length)];

/** The list as text, with the named separator. Words are in lower case, upper case or, for `any`, in title case. */
export function write(list: string[], separator: Request['separator'], letterCase: Request['letterCase']): string {
  const words = {
    any: (word: string) => word[0].toUpperCase() + word.slice(1),
    lower: (word: string) => word,
    upper: (word: string) => word.toUpperCase(),
  };
  return list.map(words[letterCase]).join(separators[separator]);
}

/** The requested number of things. */
export const countOf = (request: Request): number => counts[request.count];

/** The instruction as a prompt with constraints in the format of the verifier. */
export function promptOf({ text, request }: Instruction): PromptRecord {
  const { kind, count, separator, letterCase, include } = request;
  const constraints: [string, object][] = [
    ['list:members', { members: things[kind] }],
    ['list:count', { count: counts[count] }],
    ['list:separator', { separator: separators[separator] }],
  ];
  if (letterCase !== 'any') constraints.push(['list:case', { case: letterCase }]);
  if (include !== undefined) constraints.push(['keywords:existence', { keywords: [include] }]);
  return {
    id: text,
    prompt: [{ role: 'user', content: text }],
    instruction_id_list: constraints.map(([id]) => id),
    kwargs: constraints.map(([, kwargs]) => kwargs),
  };
}
