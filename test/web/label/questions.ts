/** The artifacts of a round that asks people: responses, and questions about them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GUIDELINES, QUESTIONS } from '../../../activities/people/questions.ts';
import { RESPONSES } from '../../../activities/sample.ts';
import type { Address } from '../../../artifacts/manifest.ts';
import type { ArtifactStore } from '../../../artifacts/store.ts';
import type { Text, Tool } from '../../../data/records.ts';

export interface Asked {
  prompt: Text;
  tools?: Tool[];
  responses: [string, string];
}

const toLines = (rows: unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

/** Questions q1, q2, … about the responses. @returns the address of the artifact `questions` */
export async function writeQuestions(store: ArtifactStore, asked: Asked[], guidelines?: string): Promise<Address> {
  const recipe = { parameters: { test: asked }, seed: 0 };
  const rows = asked.map(({ responses, ...row }, i) => ({
    id: `p${i + 1}`,
    ...row,
    responses: responses.map((text) => ({ text, token_ids: [1], finish_reason: 'stop' })),
  }));
  const responses = await store.create('responses', { ...recipe, step: 'sample', inputs: {} }, async (folder) =>
    writeFileSync(join(folder, RESPONSES), toLines(rows)),
  );
  const questions = rows.map(({ id }, i) => ({
    id: `q${i + 1}`,
    votes: 1,
    prompt_id: id,
    shard: 0,
    candidates: [0, 1],
    random: true,
  }));
  const inputs = { responses: [responses] };
  return store.create('questions', { ...recipe, step: 'ask', inputs }, async (folder) => {
    writeFileSync(join(folder, QUESTIONS), toLines(questions));
    if (guidelines !== undefined) writeFileSync(join(folder, GUIDELINES), guidelines);
  });
}
