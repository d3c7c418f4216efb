/** Message contents that are not text: every reader reports the row. */
import { expect, test } from 'vitest';
import { readPrompts } from '../../data/prompts.ts';
import { readAnswered, readDemonstrations, readPreferences, readSampled, readScoreRows } from '../../data/readers.ts';
import { fileOf } from './folder.ts';

const image = [{ type: 'image_url', image_url: {} }];
const user = { role: 'user', content: 'Hi' };
const [asked, answered] = [[{ role: 'user', content: image }], [{ role: 'assistant', content: image }]];
const responses = [{ text: 'a', token_ids: [1], finish_reason: 'stop' }];

test.each<[string, (path: string) => Promise<unknown>, object]>([
  ['a prompt', readPrompts, { prompt: asked }],
  ['a chosen answer', readPrompts, { prompt: [user], chosen: answered, rejected: 'b' }],
  ['a sampled prompt', readSampled, { prompt: asked, responses }],
  ["a data set's own answer", readAnswered, { prompt: 'Hi', responses, chosen: answered }],
  ['a response', readAnswered, { prompt: [user], response: answered }],
  ['a preference', readPreferences, { prompt: [user], chosen: answered, rejected: 'b' }],
  ['a response to score', readScoreRows, { prompt: [user], response: answered }],
  ['a demonstration', readDemonstrations, { messages: [user, ...answered] }],
])('%s', async (name, read, row) => {
  const path = fileOf(`${name.replaceAll(/\W/g, '-')}.jsonl`, row);
  await expect(read(path)).rejects.toThrow(
    /line 1: the (user|assistant) message has a content part of type "image_url", and selm aligns models of text: leave it out\.$/,
  );
});
