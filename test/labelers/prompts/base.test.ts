/** Which column of a data set's row is the base prompt (docs/data.md, "Making prompts that a program can check"). */
import { expect, test } from 'vitest';
import { readBaseRows } from '../../../labelers/prompts/base.ts';
import { fileOf } from '../../data/folder.ts';

test('beside a column with the prompt, responses that are texts are not taken for it', async () => {
  const path = fileOf(
    'base-rows.jsonl',
    // The form of Intel/orca_dpo_pairs; the responses of the second row begin alike.
    { question: 'Is the sea salty?', chosen: 'Yes, it is.', rejected: 'No.' },
    { question: 'What is 2 and 2?', chosen: 'The answer is 4.', rejected: 'The answer is 5.' },
    { instruction: 'Translate.', input: 'Mond', chosen: 'The moon', rejected: 'The month' },
  );
  const bases = (await readBaseRows(path)).map(({ base }) => base);
  expect(bases).toEqual(['Is the sea salty?', 'What is 2 and 2?', 'Translate.\n\nMond']);
});

test('conversations as responses have the prompt, and so have texts without another column', async () => {
  const asked = { role: 'user', content: 'Name a color.' };
  const [red, blue] = ['Red.', 'Blue.'].map((content) => [asked, { role: 'assistant', content }]);
  const path = fileOf(
    'base-responses.jsonl',
    { instruction: 'a topic', chosen: red, rejected: blue },
    { chosen: 'Name an animal. A bee.', rejected: 'Name an animal. A cow.' },
  );
  const bases = (await readBaseRows(path)).map(({ base }) => base);
  expect(bases).toEqual([[asked], 'Name an animal. A']);
});
