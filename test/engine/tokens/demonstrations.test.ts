/** Demonstrations as the tokens that are trained on. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../../data/errors.ts';
import type { DemonstrationRecord } from '../../../data/records.ts';
import { trainingSchema } from '../../../engine/protocol/settings.ts';
import { openLlamaPolicy } from '../../../engine/tokens/policy.ts';
import { demonstrationExamples } from '../../../engine/training/demonstrations.ts';
import { temporaryFolder } from '../../temporary.ts';
import { tinyModel } from '../../tiny-model.ts';

const opened = openLlamaPolicy({ model: tinyModel(join(temporaryFolder(), 'model')) });
const examples = (rows: DemonstrationRecord[], limits: { maxLength: number; maxPromptLength?: number }) =>
  demonstrationExamples({ rows, training: trainingSchema.parse(limits) }, opened);

const say = (role: string, content: string) => ({ role, content });
const [short, long] = ['Hello', 'Hello, and a good morning to you all'];
const lengthOf = (prompt: string) => opened.tokenizer().encodePrompt(prompt).length;

test('a row whose prompt alone fills maxLength is left out and counted: TRL has no completion token left either', () => {
  const rows = [short, long].map((prompt) => ({ prompt, completion: 'Yes' }));
  const limits = { maxLength: lengthOf(long) };
  const { examples: trained, counts } = examples(rows, limits);
  expect(trained.map(({ group }) => group.prompt)).toEqual([opened.tokenizer().encodePrompt(short)]);
  expect(counts).toEqual({ rows: 2, truncated: 0, equal: 0, promptTooLong: 1, promptNotPrefix: 0 });
  const one = examples(rows, { maxLength: limits.maxLength + 1 });
  expect(one.examples.map(({ group }) => group.responses[0].length)).toEqual([4, 1]);
  expect(one.counts).toMatchObject({ truncated: 1, promptTooLong: 0 });
});

test('a prompt that is cut to maxPromptLength fills a maxLength that is not larger', () => {
  const rows = [{ prompt: long, completion: 'Yes' }];
  expect(() => examples(rows, { maxLength: 4, maxPromptLength: 4 })).toThrow(
    new InputError(
      "None of 1 row is left to train on: in 1 the prompt alone fills maxLength or the model's context; " +
        'raise maxLength, or lower maxPromptLength.',
    ),
  );
  const { examples: trained, counts } = examples(rows, { maxLength: 5, maxPromptLength: 4 });
  expect(trained[0].group).toMatchObject({ prompt: opened.tokenizer().encodePrompt(long).slice(-4) });
  expect([trained[0].group.responses[0].length, counts.truncated]).toEqual([1, 1]);
});

test('a conversation is left out if its first assistant turn is cut off', () => {
  const messages = [say('user', long), say('assistant', 'Yes'), say('user', short), say('assistant', 'No')];
  expect(() => examples([{ messages }], { maxLength: lengthOf(long) })).toThrow(/^None of 1 row is left/);
  expect(examples([{ messages }], { maxLength: lengthOf(long) + 1 }).counts.truncated).toBe(1);
});

function trainedOf(row: DemonstrationRecord) {
  const [{ group }] = examples([row], { maxLength: 200 }).examples;
  return { ids: [...group.prompt, ...group.responses[0]], from: group.prompt.length };
}

describe('a prompt that ends with an assistant message', () => {
  const prompt = [say('user', short), say('assistant', 'Green is ')];
  const turns = [say('assistant', 'one.'), say('user', 'And?'), say('assistant', 'Blue.')];
  const joined = [say('user', short), say('assistant', 'Green is one.'), ...turns.slice(1)];

  test('is continued by a completion, of one message or of several', () => {
    const open = opened.tokenizer().encodePrompt(prompt).length;
    const whole = opened.tokenizer().encodeConversation(joined);
    expect(trainedOf({ prompt, completion: turns })).toEqual({ ids: whole.ids, from: open });
    const { prompt: one, responses } = opened.tokenizer().encodeExchange([say('user', short)], ['Green is one.']);
    expect(trainedOf({ prompt, completion: turns.slice(0, 1) })).toEqual({
      ids: [...one, ...responses[0]],
      from: open,
    });
  });

  test('is followed by a completion if it is complete', () => {
    const whole = opened.tokenizer().encodeConversation([...prompt, ...turns]);
    const row = { prompt, completion: turns, continue_final_message: false };
    expect(trainedOf(row).ids).toEqual(whole.ids);
  });
});
