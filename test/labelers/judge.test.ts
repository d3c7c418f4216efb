/** The judge labeler with recorded replies: its prompts, and the scores that it reads from replies. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { hashFile } from '../../artifacts/hash.ts';
import { InputError } from '../../data/errors.ts';
import { adviceOnCounts } from '../../labelers/advice.ts';
import { createLabeler, labelSchema } from '../../labelers/index.ts';
import { outcomeOf, pairsOf, sharesOf } from '../../labelers/judge/comparisons.ts';
import { fillTemplate, publishedTemplate, readTemplate } from '../../labelers/judge/templates.ts';
import { withoutThought } from '../../labelers/judge/thoughts.ts';
import { conclusionOf, preferredIn, ratingIn } from '../../labelers/judge/verdicts.ts';
import { candidatesOf, judge } from '../../labelers/labels.ts';
import { isComparative, needsEngine } from '../../labelers/needs.ts';
import { preferencesOf } from '../../labelers/preferences.ts';
import { AnswerCache } from '../../openai/client/response-cache.ts';
import { temporaryFolder } from '../temporary.ts';
import { noTools } from './tools.ts';

const folder = temporaryFolder();
const published = fileURLToPath(new URL('../../labelers/judge/judge_prompts.jsonl', import.meta.url));

const fastChat = JSON.parse(readFileSync(new URL('../fixtures/judge/verdicts.json', import.meta.url), 'utf8')) as {
  judgement: string;
  winner: string;
}[];

const row = (id: string, answers: string[]) => ({
  id,
  prompt: [{ role: 'user', content: `Question ${id}` }],
  responses: answers.map((text) => ({ text, token_ids: [1], finish_reason: 'stop' as const, logp: -1 })),
});

const shown = (question: string, a: string, b: string) => ({
  question: `Question ${question}`,
  answer_a: a,
  answer_b: b,
});

const needs = (more: object) => {
  const settings = labelSchema.parse({ by: 'judge', model: 'm', ...more });
  return [needsEngine(settings), isComparative(settings)];
};

describe('the prompts', () => {
  test("are MT-Bench's, to the byte", async () => {
    expect(await hashFile(published)).toBe('fd283293406d024f44c174b094ef48031d0687a4682fd3a56b29b138f80281b6');
  });

  test('are filled in as Python does it', () => {
    const values = {
      question: 'Why {this}?',
      answer: 'So {answer}.',
      answer_a: '{answer_b} $& \\n',
      answer_b: '[[A]]',
    };
    const python =
      'import json, sys; print(json.dumps({t["name"]: t["prompt_template"].format(**json.loads(sys.argv[2])) for t in map(json.loads, open(sys.argv[1])) if t["name"] in ("pair-v2", "single-v1")}))';
    const expected = JSON.parse(
      execFileSync('python3', ['-c', python, published, JSON.stringify(values)], { encoding: 'utf8' }),
    ) as Record<string, string>;
    for (const name of ['pair-v2', 'single-v1']) {
      const [system, user] = fillTemplate(publishedTemplate(name), values);
      expect(user).toEqual({ role: 'user', content: expected[name] });
      expect(system.role).toBe('system');
    }
  });

  test("of a user's own file must show what is judged", () => {
    const file = join(folder, 'template.yaml');
    const read = (text: string) => {
      writeFileSync(file, text);
      return () => readTemplate(file, ['question', 'answer']);
    };
    expect(
      fillTemplate(read('prompt_template: "{question} {answer} {else}"')(), { question: 'q', answer: 'a' }),
    ).toEqual([{ role: 'user', content: 'q a {else}' }]);
    expect(read('prompt_template: "{question}"')).toThrow(
      `${file} has no {answer} in "prompt_template"; it needs {question}, {answer}.`,
    );
    expect(read('system_prompt: hello')).toThrow(`${file} has no text "prompt_template"`);
    expect(read('a: [')).toThrow(InputError);
    expect(() => readTemplate(join(folder, 'none.yaml'), [])).toThrow(/none\.yaml cannot be read \(ENOENT\)/);
  });
});

test.each([
  ['Both are fine, but A is better. [[A]]', 'A'],
  ['[[B]]', 'B'],
  ['Final verdict: [[C]].', 'C'],
  ['[[A]] it is. So: [[A]]', 'A'],
  ['"[[A]]" if assistant A is better, "[[B]]" if B is', undefined],
  ['[A]', undefined],
  ['[[a]]', undefined],
  ['[[D]]', undefined],
  ['[[A]', undefined],
  ['', undefined],
  ['**Verdict:** **[[B]]**', 'B'],
  ['[[**A**]]', 'A'],
  ['[[ C ]]', 'C'],
  ['\\boxed{[[A]]}', 'A'],
  ['So: \\[\\[A\\]\\]', 'A'],
  ['Final Verdict: A', undefined],
  ['**A**', undefined],
  ['[[A>B]]', undefined],
])('the verdict in %j is %s', (text, verdict) => expect(preferredIn(text)).toBe(verdict));

test.each(fastChat)("$judgement is read as FastChat's own parser reads it: $winner", ({ judgement, winner }) => {
  expect(preferredIn(judgement) ?? 'error').toBe(winner === 'tie' ? 'C' : winner);
});

test.each([
  ['Rating: [[5]]', 5],
  ['[[7.5]]', 7.5],
  ['[[10]] out of 10: [[10]]', 10],
  ['[[3]], no, [[4]]', undefined],
  ['[[0]]', undefined],
  ['[[11]]', undefined],
  ['[[rating]]', undefined],
  ['[5]', undefined],
  ['[[-5]]', undefined],
  ['Rating: 5', undefined],
  ['Rating: [[8/10]]', 8],
  ['Rating: **[[ 7 / 10 ]]**', 7],
  ['[[8]], that is [[8/10]]', 8],
  ['[[4/5]]', undefined],
  ['[[80/100]]', undefined],
  ['Rating: 8/10', undefined],
])('the rating in %j is %s', (text, rating) => expect(ratingIn(text)).toBe(rating));

test.each([
  ['[[A]]', '[[A]]'],
  ['<think>\nIs it [[B]]?\n</think>\n\n[[A]]', '[[A]]'],
  ['<think></think>[[A]]', '[[A]]'],
  ['<think>[[B]]</think> Hm. <think>[[C]]</think> [[A]]', '[[A]]'],
  ['<Thinking>[[B]]</Thinking>[[A]]', '[[A]]'],
  ['<reasoning>[[B]]</reasoning>[[A]]', '[[A]]'],
  ['<seed:think>[[B]]</seed:think>[[A]]', '[[A]]'],
  ['◁think▷[[B]]◁/think▷[[A]]', '[[A]]'],
  ['<|channel>thought\n[[B]]<channel|>[[A]]', '[[A]]'],
  ['<scratchpad>[[B]]</scratchpad>[[A]]', '[[A]]'],
  ['[THINK][[B]][/THINK][[A]]', '[[A]]'],
  ['<|START_THINKING|>[[B]]<|END_THINKING|>[[A]]', '[[A]]'],
  ['<|channel|>analysis<|message|>[[B]]<|end|><|start|>assistant<|channel|>final<|message|>[[A]]', '[[A]]'],
  ['analysisThe user wants [[B]]?assistantfinal[[A]]', '[[A]]'],
  // The opening marker is in the chat template.
  ['Is it [[B]]?\n</think>\n\n[[A]]', '[[A]]'],
  // Reasoning without an end marker.
  ['<think>\nIs it [[B]]?', ''],
  ['\n<think>[[B]]</think><think>[[C]]', ''],
  ['Sure. <think>[[B]]', 'Sure.'],
  ['Let me see.\n\n<think>[[B]]', 'Let me see.'],
  ['A shows its raw <think> block. [[B]]', 'A shows its raw <think> block. [[B]]'],
  ['<think>[[A]]</think>A has a stray <think> tag. [[B]]', 'A has a stray <think> tag. [[B]]'],
  ['<|channel|>analysis<|message|>[[B]]', ''],
  ['analysisThe user wants [[B]]', ''],
  // A judge whose reply mentions a marker.
  ['B leaves `<think>` in its answer. [[A]]', 'B leaves `<think>` in its answer. [[A]]'],
  ['[[A]], for B leaves "</think>" in it.', '[[A]], for B leaves "</think>" in it.'],
  ['<think>B has `</think>`: [[B]]?', ''],
  ['Analysis: B is wrong. [[A]]', 'Analysis: B is wrong. [[A]]'],
])('of %j without its thought is left %j', (text, left) => expect(withoutThought(text)).toBe(left));

const verdictOfCut = (text: string) => preferredIn(conclusionOf({ text, finishReason: 'length' }));

describe('an answer that was cut', () => {
  test.each([
    ['Okay, I lean to [[A]]. But wait, B', undefined],
    ['<think>It is [[A]]', undefined],
    ['', undefined],
    ['A is better: **[[A]]**', 'A'],
    ['B it is.\n\n[[B]]', 'B'],
    ['[[A]]\n\nA names its sources, and', 'A'],
    ['<think>[[B]]?</think>[[A]]\nIt', 'A'],
  ])('%j is %s', (text, verdict) => expect(verdictOfCut(text)).toBe(verdict));
});

test.each([
  ['A', 'B', 1],
  ['B', 'A', 0],
  ['A', 'A', 0.5],
  ['B', 'B', 0.5],
  ['C', 'C', 0.5],
  ['A', 'C', 0.5],
  ['C', 'A', 0.5],
  ['C', 'B', 0.5],
  ['A', undefined, undefined],
  [undefined, 'B', undefined],
  [undefined, undefined, undefined],
] as const)('%s, and with the answers exchanged %s, is %s for the first', (forth, back, outcome) =>
  expect(outcomeOf(forth, back)).toBe(outcome),
);

test('pairs: all of them, or the first with each other', () => {
  expect(pairsOf(3, 'all')).toEqual([
    [0, 1],
    [0, 2],
    [1, 2],
  ]);
  expect(pairsOf(3, 'first')).toEqual([
    [0, 1],
    [0, 2],
  ]);
  for (const which of ['all', 'first'] as const)
    expect([0, 1, 2].map((n) => pairsOf(n, which).length)).toEqual([0, 0, 1]);
});

test('a score is the share of decided comparisons that are won, ties half', () => {
  const pairs = pairsOf(3, 'all');
  // The first beats the second and ties with the third; the second beats the third.
  expect(sharesOf(3, pairs, [1, 0.5, 1])).toEqual([{ score: 0.75 }, { score: 0.5 }, { score: 0.25 }]);
  expect(sharesOf(3, pairs, [1, undefined, undefined])).toEqual([{ score: 1 }, { score: 0 }, {}]);
  expect(sharesOf(3, pairs, [undefined, undefined, undefined])).toEqual([{}, {}, {}]);
});

const server = 'http://127.0.0.1:1/v1';
const settings = (more: object) => labelSchema.parse({ by: 'judge', server, model: 'm', retries: 0, ...more });
/** Labels with the judge's replies in the cache, given by its prompts. No server listens at the judge's address. */
async function label(
  rows: ReturnType<typeof row>[],
  more: Record<string, unknown>,
  words: [Record<string, string>, string, object?][],
  asked = more,
) {
  const cacheFolder = mkdtempSync(join(folder, 'cache-'));
  const cache = new AnswerCache(join(cacheFolder, 'judge'));
  const given = settings(asked);
  const template = publishedTemplate('answer' in words[0][0] ? 'single-v1' : 'pair-v2');
  for (const [values, text, answer] of words) {
    const request = {
      url: server,
      model: 'm',
      messages: fillTemplate(template, values),
      temperature: 0,
      maxTokens: 2048,
      ...(more['extraBody'] !== undefined && { extraBody: more['extraBody'] }),
    };
    await cache.answer(request, async () => ({
      text,
      finishReason: 'stop',
      usage: { promptTokens: 100, completionTokens: 10 },
      ...answer,
    }));
  }
  const labeler = await createLabeler(given, { ...noTools, cacheFolder });
  const candidates = rows.map((row) => candidatesOf(row));
  const labels = await judge(candidates, labeler);
  return { labels, ...preferencesOf(rows, labels) };
}

describe('from words to preferences', () => {
  test('pairwise: wins in both orders count, what cannot be read is neither chosen nor rejected', async () => {
    const { preferences, stats } = await label(
      [row('1', ['good', 'bad', 'odd']), row('2', ['x', 'y']), row('3', ['same', 'same'])],
      { usdPerMillionTokens: { prompt: 2, completion: 50 } },
      [
        [shown('1', 'good', 'bad'), '[[A]]'],
        [shown('1', 'bad', 'good'), '[[B]]'],
        [shown('1', 'good', 'odd'), 'Hm.'],
        [shown('1', 'odd', 'good'), '[[B]]'],
        [shown('1', 'bad', 'odd'), '[[A]] or [[B]]?'],
        [shown('1', 'odd', 'bad'), '[[A]]'],
        [shown('2', 'x', 'y'), 'I prefer the first. [[A]]'],
        [shown('2', 'y', 'x'), 'I prefer the first. [[A]]'],
      ],
    );
    expect(preferences).toHaveLength(1);
    expect(preferences[0]).toMatchObject({ id: '1', score_chosen: 1, score_rejected: 0 });
    expect(preferences[0].chosen).toEqual([{ role: 'assistant', content: 'good' }]);
    expect(preferences[0].rejected).toEqual([{ role: 'assistant', content: 'bad' }]);
    expect(stats).toMatchObject({ answers: 7, unjudged: 1, dropped: { tie: 1, oneCandidate: 1 } });
    const usd = (8 * 100 * 2 + 8 * 10 * 50) / 1e6;
    expect(stats.counts).toEqual({
      judgements: 8,
      refused: 0,
      unparsed: 2,
      promptTokens: 800,
      completionTokens: 80,
      inconsistent: 1,
      usd,
    });
  });

  test('pairs: first compares with the first alone', async () => {
    const { labels } = await label([row('1', ['f', 'g', 'h'])], { pairs: 'first' }, [
      [shown('1', 'f', 'g'), '[[B]]'],
      [shown('1', 'g', 'f'), '[[A]]'],
      [shown('1', 'f', 'h'), '[[C]]'],
      [shown('1', 'h', 'f'), '[[C]]'],
    ]);
    expect(labels.labels[0].candidates.map(({ score }) => score)).toEqual([0.25, 1, 0.5]);
    expect(labels.counts).toMatchObject({ judgements: 4, inconsistent: 0 });
  });

  test('single: a rating is the score', async () => {
    const { labels, preferences } = await label([row('1', ['a', 'b', 'c'])], { mode: 'single' }, [
      [{ question: 'Question 1', answer: 'a' }, 'Rating: [[3]]'],
      [{ question: 'Question 1', answer: 'b' }, 'Rating: [[8.5]]'],
      [{ question: 'Question 1', answer: 'c' }, 'Rating: ten'],
    ]);
    expect(labels.labels[0].candidates).toEqual([{ index: 0, score: 3 }, { index: 1, score: 8.5 }, { index: 2 }]);
    expect(preferences[0]).toMatchObject({ score_chosen: 8.5, score_rejected: 3 });
    expect(labels.counts).toEqual({ judgements: 3, refused: 0, unparsed: 1, promptTokens: 300, completionTokens: 30 });
  });
});

describe('what is no judgement, or not as asked', () => {
  test('is counted by its cause', async () => {
    const { labels } = await label([row('1', ['f', 'g', 'h'])], { pairs: 'first' }, [
      [shown('1', 'f', 'g'), '<think>[[A]]', { finishReason: 'length' }],
      [shown('1', 'g', 'f'), '', { finishReason: 'length' }],
      [shown('1', 'f', 'h'), 'Final verdict: A', { withoutTemperature: true }],
      [shown('1', 'h', 'f'), '[[B]]', { finishReason: 'length' }],
    ]);
    expect(labels.labels[0].candidates.every(({ score }) => score === undefined)).toBe(true);
    expect(labels.counts).toMatchObject({
      judgements: 4,
      refused: 0,
      unparsed: 3,
      truncatedJudgements: 2,
      withoutTemperature: 1,
    });
    expect(adviceOnCounts(labels.counts)).toEqual([
      "2 of the judge's answers were cut before a verdict: raise maxTokens (--judge-max-tokens).",
      "1 of the judge's answers have no verdict, or more than one: the template must ask for [[A]], [[B]] or [[C]], or for a rating such as [[7]].",
      "1 of the judge's answers are at its default temperature: it does not take the one that is set.",
    ]);
    expect(adviceOnCounts({ judgements: 4, refused: 0, unparsed: 0 })).toEqual([]);
  });

  test('an answer to a request with other fields is not taken', async () => {
    const words: [Record<string, string>, string][] = [
      [shown('1', 'f', 'g'), '[[A]]'],
      [shown('1', 'g', 'f'), '[[B]]'],
    ];
    const low = { extraBody: { reasoning_effort: 'low' } };
    expect((await label([row('1', ['f', 'g'])], low, words)).preferences).toHaveLength(1);
    // No server listens at this address.
    const others = label([row('1', ['f', 'g'])], low, words, { extraBody: { reasoning_effort: 'high' } });
    await expect(others).rejects.toThrow('gave no answer');
  });
});

describe('settings', () => {
  test('extraBody is for a server, and has none of the fields that selm sets', async () => {
    const settings = { by: 'judge', model: 'm', extraBody: { reasoning_effort: 'low' } };
    await expect(createLabeler(labelSchema.parse(settings), noTools)).rejects.toThrow(InputError);
    for (const field of ['temperature', 'max_completion_tokens', 'messages']) {
      const { error } = labelSchema.safeParse({ ...settings, server: 'http://h/v1', extraBody: { [field]: 1 } });
      expect(error?.issues[0].message).toContain('expected fields other than');
    }
  });

  test('say where it judges, and whether it only compares', () => {
    expect(needs({})).toEqual([true, true]);
    expect(needs({ server: 'http://h/v1' })).toEqual([false, true]);
    expect(needs({ server: 'http://h/v1', mode: 'single' })).toEqual([false, false]);
    const parts = { by: 'combine', of: [{ by: 'verifier' }, { by: 'judge', server: 'http://h/v1', model: 'm' }] };
    expect([needsEngine, isComparative].map((ask) => ask(labelSchema.parse(parts)))).toEqual([false, true]);
  });

  test("what it is shown is a part of the step's key", async () => {
    const template = join(folder, 'own.json');
    const identityOf = async () =>
      (
        await createLabeler(
          labelSchema.parse({ by: 'judge', server: 'http://h/v1', model: 'm', mode: 'single', template }),
          noTools,
        )
      ).identity;
    writeFileSync(template, JSON.stringify({ prompt_template: '{question} {answer}' }));
    const before = await identityOf();
    expect(before).toEqual({ template: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
    writeFileSync(template, `${readFileSync(template, 'utf8')}\n`);
    expect(await identityOf()).toEqual(before);
    writeFileSync(template, JSON.stringify({ prompt_template: '{question} {answer}!' }));
    expect(await identityOf()).not.toEqual(before);
  });
});
