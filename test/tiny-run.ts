/** The inputs and the configuration of a short run. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { jsonl } from './jsonl.ts';
import { tinyModel, tinyPrompts } from './tiny-model.ts';

/**
 * Writes a run's inputs and its `run.yaml` into a folder. With one response per prompt, its first round waits for a decision.
 * @param settings in place of the configuration's, or beside them
 * @returns the path of run.yaml
 */
export function tinyRun(folder: string, settings: object = {}): string {
  tinyModel(join(folder, 'model'));
  writeFileSync(join(folder, 'train.jsonl'), jsonl(tinyPrompts(8)));
  writeFileSync(join(folder, 'held-out.jsonl'), jsonl(tinyPrompts(4, 1000)));
  const config = {
    name: 'tiny',
    model: './model',
    prompts: { train: './train.jsonl', heldOut: './held-out.jsonl' },
    rounds: 1,
    sample: { maxNewTokens: 4 },
    evaluate: { maxNewTokens: 4 },
    ...settings,
  };
  const file = join(folder, 'run.yaml');
  writeFileSync(file, stringify(config));
  return file;
}
