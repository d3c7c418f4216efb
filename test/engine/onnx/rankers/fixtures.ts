/** Small random models and what their authors' code says of answers: test/fixtures/rankers/make_rankers.py. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixture, readJson } from '../../reference-case.ts';

interface Rewards {
  rewards: number[][];
  tokens: number[][];
}
interface Ranking {
  scores: number[][];
  ranks: number[][];
}

export const expected = readJson<
  Record<'llama' | 'qwen2' | 'qwen3' | 'onnx-reward', Rewards> & {
    prompts: string[];
    answers: string[][];
    tokenizer: { text: string; ids: number[] }[];
    'pairrm-hf': Ranking & { sources: string[]; candidates: string[][]; logits: number[][][]; truncated: number[] };
    pairrm: Ranking & { conversation: { answers: string[]; difference: number } };
  }
>(fixture('rankers/expected.json'));

export const folderOf = (name: string) => fixture(`rankers/${name}`);

/** The fixture's prompts with their answers. */
export const rows = expected.prompts.map((prompt, i) => ({ id: `p${i}`, prompt, answers: expected.answers[i] }));

/** The texts that the rankers compared. */
export const compared = expected['pairrm-hf'].sources.map((prompt, i) => ({
  id: `p${i}`,
  prompt,
  answers: expected['pairrm-hf'].candidates[i],
}));

/** A copy of a model with other settings in its config.json. */
export function changed(target: string, name: string, settings: Record<string, unknown>): string {
  cpSync(folderOf(name), target, { recursive: true });
  const file = join(target, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(file, JSON.stringify({ ...config, ...settings }));
  return target;
}

/** The largest difference between two lists of lists of numbers of the same shape. */
export function difference(a: number[][], b: number[][]): number {
  const [x, y] = [a.flat(), b.flat()];
  if (a.map(({ length }) => length).join() !== b.map(({ length }) => length).join()) return Infinity;
  return Math.max(...x.map((value, i) => Math.abs(value - y[i])));
}
