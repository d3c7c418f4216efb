/** The picture of the page where people vote, for the README. */
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { LocalStore } from '../../../artifacts/local-store.ts';
import { memoryDesk } from './memory-desk.ts';
import { writeQuestions, type Asked } from './questions.ts';
import { serveLabelPages } from './serve.ts';
import { visit } from './visitor.ts';

const ASKED: Asked[] = [
  { prompt: 'Name a color.', responses: ['Blue.', 'Red.'] },
  {
    prompt: [
      { role: 'system', content: 'You are a concise assistant for Python developers.' },
      { role: 'user', content: 'How do I remove duplicates from a list and keep the order?' },
    ],
    responses: [
      [
        'Use `dict.fromkeys`: dictionaries keep the order in which keys were added.',
        '```python\nunique = list(dict.fromkeys(items))\n```',
        'It takes **O(n)** time. The items must be hashable.',
      ].join('\n\n'),
      [
        'Convert the list to a set: sets have no duplicates.',
        '```python\nunique = list(set(items))\n```',
        'It takes **O(n)** time. The items must be hashable, and their order may change.',
      ].join('\n\n'),
    ],
  },
];
const GUIDELINES = 'Prefer the response that *solves the task*; among those that do, the shorter one.';

/** Takes the picture after a vote. @param folder an empty one */
export async function drawLabelPage(browser: Browser, folder: string, out: string): Promise<void> {
  const store = new LocalStore(join(folder, 'artifacts'));
  const questions = await writeQuestions(store, ASKED, GUIDELINES);
  const voting = { run: 'helpful', round: 2, questions, blocks: ['selm-helpful/votes-1'] };
  const desk = memoryDesk(voting, ['q1', 'q2']);
  desk.progress = async () => {
    const byPerson = { Ann: { votes: 22, further: 2, skips: 1, last: '2026-01-01T00:00:00Z' } };
    return { asked: 300, votes: 131, open: 169, fromOthers: 0, skips: 2, leases: 3, byPerson, perHour: 120 };
  };
  const served = await serveLabelPages(desk, store, folder);
  try {
    const { page } = await visit(browser, await served.invite('Ann'), { viewport: { width: 1240, height: 740 } });
    await page.goto(`${served.origin}/label/helpful`);
    await page.keyboard.press('4');
    await page.locator('[data-question=q2]').waitFor();
    await page.screenshot({ path: out });
  } finally {
    await served.stop();
  }
}
