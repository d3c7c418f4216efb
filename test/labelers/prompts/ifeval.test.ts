/** Prompts composed in the style of IFEval, compared with the authors' own generator (test/fixtures/ifeval/make_composition.py). */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import { readPrompts } from '../../../data/prompts.ts';
import type { PromptRecord } from '../../../data/records.ts';
import { readBaseRows, type BaseRow } from '../../../labelers/prompts/base.ts';
import { HeldOut } from '../../../labelers/prompts/held-out.ts';
import { composePrompts, type Composed, type ComposedPrompt } from '../../../labelers/prompts/ifeval/compose.ts';
import { authorsConflict, conflict, kindIds, type KindId } from '../../../labelers/prompts/ifeval/conflicts.ts';
import { composableKinds } from '../../../labelers/prompts/ifeval/kinds.ts';
import { Random } from '../../../labelers/prompts/random.ts';
import { checksOf, followsStrictly } from '../../../labelers/verifier/verifier.ts';
import { witness } from './witness.ts';

const authors = JSON.parse(readFileSync('test/fixtures/ifeval/composition.json', 'utf8')) as {
  conflicts: Record<string, string[]>;
  descriptions: { id: KindId; kwargs: object; description: string }[];
};

let bases: BaseRow[];
let heldOut: HeldOut;
let composed: Composed;
beforeAll(async () => {
  bases = await readBaseRows('examples/ifeval/base.jsonl');
  heldOut = new HeldOut(await readBaseRows('examples/ifeval/prompts.jsonl'));
  composed = composePrompts(bases, heldOut, { count: 4096, seed: 0 });
});

const base = (prompt: PromptRecord['prompt'], further: object = {}): BaseRow => ({
  where: 'base.jsonl line 1',
  record: { id: 'p', prompt, ...further },
  base: prompt,
});
const none = new HeldOut([]);
const record = (prompt: ComposedPrompt) => ({ id: 'p', ...prompt }) as unknown as PromptRecord;

const shape = (kwargs: object) =>
  Object.entries(kwargs)
    .map(([key, value]) => `${key}: ${typeof value}`)
    .toSorted();
const shares = (lists: unknown[][]) =>
  [1, 2, 3].map((n) => lists.filter(({ length }) => length === n).length / lists.length);
const small = (seed: number) => composePrompts(bases, heldOut, { count: 300, seed }).prompts;
const texts = (prompts: ComposedPrompt[]) => prompts.map(({ prompt }) => prompt);
/** A comparison of its own: letters and digits only. */
const letters = (text: unknown) =>
  String(text)
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '');

describe('against the authors', () => {
  test('the kinds and their conflicts are those of their registry', () => {
    const ours = Object.fromEntries(kindIds.map((a) => [a, kindIds.filter((b) => authorsConflict(a, b)).toSorted()]));
    expect(ours).toEqual(authors.conflicts);
  });

  test('the first wording of each kind is their description', () => {
    const said = authors.descriptions.map(({ id, kwargs }) => ({
      id,
      kwargs,
      description: composableKinds[id].say(kwargs)[0],
    }));
    expect(said).toEqual(authors.descriptions);
    expect(new Set(said.map(({ id }) => id)).size).toBe(25);
  });

  test("the training set's arguments have the names and types that theirs have", () => {
    const theirs = new Map(authors.descriptions.map(({ id, kwargs }) => [id, shape(kwargs)]));
    for (const { instruction_id_list: ids, kwargs } of composed.prompts)
      for (const [i, id] of ids.entries()) expect([id, shape(kwargs[i])]).toEqual([id, theirs.get(id)]);
  });
});

describe('composed prompts', () => {
  test('can all be followed: a response to each passes the verifier, and a response without content does not', () => {
    const failed = composed.prompts.flatMap((prompt) => {
      const followed = followsStrictly(checksOf(record(prompt)), witness(prompt));
      return followed.every(Boolean) ? [] : [{ prompt: prompt.prompt, followed, response: witness(prompt) }];
    });
    expect(failed).toEqual([]);
    const open = composed.prompts.filter((prompt) => !followsStrictly(checksOf(record(prompt)), 'a, B').every(Boolean));
    expect(open.length).toBeGreaterThan(0.85 * composed.prompts.length);
  });

  test('have one to three instructions as often as IFEval, without conflicts, and each kind', async () => {
    const ifeval = await readPrompts('examples/ifeval/prompts.jsonl');
    const lists = composed.prompts.map(({ instruction_id_list: ids }) => ids);
    const expected = shares(ifeval.map(({ instruction_id_list: ids }) => ids as string[]));
    for (const [i, share] of shares(lists).entries()) expect(share).toBeCloseTo(expected[i], 1);
    for (const ids of lists) {
      for (const [i, id] of ids.entries()) for (const other of ids.slice(0, i)) expect(conflict(id, other)).toBe(false);
      expect(ids.slice(0, -1)).not.toContain('combination:repeat_prompt');
    }
    const counts = kindIds.map((kind) => lists.flat().filter((id) => id === kind).length);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(60);
    expect(Math.max(...counts)).toBeLessThan(400);
  });

  test('state every argument', () => {
    const random = new Random('wordings');
    for (const kind of kindIds) {
      for (let i = 0; i < 50; i++) {
        const drawn = composableKinds[kind].draw(random, 'Write a story about lighthouses and storms.');
        const { language, ...kwargs } = drawn as Record<string, unknown>;
        for (const text of composableKinds[kind].say(drawn)) {
          for (const value of Object.values(kwargs).flat()) {
            if (value === 'at least' || value === 'less than') continue;
            // "less than 5" may be stated as "at most 4", and 1 as "once".
            const ways = typeof value === 'number' ? [value, value - 1].map(String) : [String(value)];
            expect(
              [...ways.filter((way) => text.includes(way)), ...(value === 2 || value === 1 ? ['once'] : [])],
              text,
            ).not.toEqual([]);
          }
          if (language !== undefined) expect(text).toMatch(/\b(?!ENTIRE|Your|Use|Respond)[A-Z][a-z]+\b/);
        }
      }
    }
  });

  test('begin with the base prompt, and repeat all before the last instruction where that is asked', () => {
    for (const { prompt, base_prompt: start, instruction_id_list: ids, kwargs } of composed.prompts) {
      expect(prompt.slice(0, start.length)).toBe(start);
      if (ids.at(-1) !== 'combination:repeat_prompt') continue;
      const { prompt_to_repeat: repeated } = kwargs.at(-1) as { prompt_to_repeat: string };
      expect((prompt as string).slice(0, repeated.length)).toBe(repeated);
      expect((prompt as string).slice(repeated.length).trim()).toMatch(/^(First repeat|Before you answer)/);
    }
  });

  test('are the same for the same seed, all different, and others for another seed', () => {
    expect(small(0)).toEqual(composed.prompts.slice(0, 300));
    expect(new Set(texts(composed.prompts)).size).toBe(4096);
    expect(texts(small(1)).filter((prompt) => texts(composed.prompts).includes(prompt)).length).toBeLessThan(10);
  });

  test("are the example's training set", () => {
    const rows = readFileSync('examples/ifeval/train.jsonl', 'utf8').trim().split('\n');
    expect(rows).toEqual(composed.prompts.map((prompt) => JSON.stringify(prompt)));
  });

  test('of a conversation end its last message, with its tools', () => {
    const conversation = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: ' Tell me about tides. ' },
    ];
    const tools = [{ type: 'function' }];
    const [prompt] = composePrompts([base(conversation, { tools })], none, { count: 1, seed: 0 }).prompts;
    expect(prompt.tools).toEqual(tools);
    expect(prompt.prompt).toEqual([
      conversation[0],
      { role: 'user', content: expect.stringMatching(/^Tell me about tides\.\s\S/) },
    ]);
  });
});

describe('held-out prompts', () => {
  test("are not in the example's training set: none of IFEval's 541 prompts contains its base, or is contained in it", async () => {
    const ifeval = (await readPrompts('examples/ifeval/prompts.jsonl')).map(({ prompt }) => letters(prompt));
    expect(ifeval).toHaveLength(541);
    for (const { prompt, base_prompt: start } of composed.prompts) {
      const [whole, part] = [letters(prompt), letters(start)];
      expect(ifeval.filter((held) => whole.includes(held) || held.includes(part))).toEqual([]);
    }
  });

  test.each([
    ['the same prompt, written otherwise', 'write a LIMERICK, about writing a limerick', 'heldOut'],
    ['a part of one', 'Write a cover letter for a job', 'heldOut'],
    [
      'a prompt that contains one',
      "Write a limerick about writing a limerick. Don't use any commas in your entire reply. Thanks!",
      'heldOut',
    ],
    ['a near copy', 'Quickly plan a 2 week Europe trip and visit London, Paris, and Rome with my dog.', 'nearHeldOut'],
  ])('%s is dropped and counted', (_, prompt, reason) => {
    const rows = [base(prompt), base('Write a poem about an unheard-of comet.')];
    const { prompts, dropped } = composePrompts(rows, heldOut, { count: 5, seed: 0 });
    expect(dropped).toEqual({ [reason]: 1 });
    expect(new Set(prompts.map(({ base_prompt: start }) => start))).toEqual(
      new Set(['Write a poem about an unheard-of comet.']),
    );
  });

  test('of this command are recognized by their base prompt', () => {
    const { prompts } = composePrompts([base('Write a poem about an unheard-of comet.')], none, { count: 1, seed: 0 });
    const held = new HeldOut(
      prompts.map((prompt) => ({ where: 'out.jsonl', record: record(prompt), base: prompt.base_prompt })),
    );
    const rows = [base('Write a poem about an unheard-of comet!'), base('Describe a quiet harbor.')];
    expect(composePrompts(rows, held, { count: 3, seed: 1 })).toMatchObject({ dropped: { heldOut: 1 }, bases: 1 });
  });

  test('leave no prompt: one sentence says how many rows were dropped and why', async () => {
    const ifeval = await readBaseRows('examples/ifeval/prompts.jsonl');
    const rows = [...ifeval.slice(0, 3), base('Hi'), base('hi.'), base([{ role: 'assistant', content: 'Hello' }])];
    const compose = () => composePrompts(rows, new HeldOut([base('Hi')]), { count: 10, seed: 0 });
    expect(compose).toThrow(InputError);
    expect(compose).toThrow(
      'Only 0 of 10 prompts can be composed from 6 rows (6 dropped (3 with instructions already, 2 held out, 1 not ending with a user ' +
        'message)); give more base prompts.',
    );
  });
});
