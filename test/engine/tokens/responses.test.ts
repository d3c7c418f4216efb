/** Responses to be scored, as tokens. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openLlamaPolicy } from '../../../engine/tokens/policy.ts';
import { tokenizeResponses } from '../../../engine/tokens/responses.ts';
import { temporaryFolder } from '../../temporary.ts';
import { tinyModel } from '../../tiny-model.ts';

const opened = openLlamaPolicy({ model: tinyModel(join(temporaryFolder(), 'model')) });

test('a row of texts is encoded, whatever token ids it has beside them', () => {
  const texts = { prompt: 'Hello', response: 'Yes' };
  const ids = { prompt_input_ids: [5, 6], response_input_ids: [7] };
  const [alone, withPromptIds, withBoth] = tokenizeResponses(opened, [
    texts,
    { ...texts, prompt_input_ids: ids.prompt_input_ids },
    { ...texts, ...ids },
  ]);
  expect(alone.prompt).toEqual(opened.tokenizer().encodePrompt('Hello'));
  expect([withPromptIds, withBoth]).toEqual([alone, alone]);
  expect(tokenizeResponses(opened, [ids])).toEqual([{ prompt: [5, 6], response: [7], isPrefix: true }]);
});

test('the sampled tokens of a response follow a prompt that is a text', () => {
  const [sampled] = tokenizeResponses(opened, [{ prompt: 'Hello', response_input_ids: [7] }]);
  expect(sampled).toEqual({ prompt: opened.tokenizer().encodePrompt('Hello'), response: [7], isPrefix: true });
});
