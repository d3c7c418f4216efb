/** Creates the prompts and the model of the quickstart. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { showProgress } from '../../cli/progress.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { makeModel } from './model.ts';
import { instructions, promptOf } from './task.ts';
import { startEngine } from '../../engine/backends.ts';
import type { Progress } from '../../engine/protocol/jobs.ts';

/** Paths of the model and of the files of prompts. */
export interface Prepared {
  model: string;
  train: string;
  heldOut: string;
}

/**
 * Writes the prompts to `folder`, and creates the model there unless it exists.
 * @param variation another task in place of the quickstart's: its instructions, and the share of demonstrations that follow them
 */
export async function prepareQuickstart(
  folder: string,
  variation?: ReturnType<typeof instructions> & { carefulShare: number },
): Promise<Prepared> {
  const prepared = {
    model: join(folder, 'model'),
    train: join(folder, 'train.jsonl'),
    heldOut: join(folder, 'held-out.jsonl'),
  };
  mkdirSync(folder, { recursive: true });
  const { training, heldOut } = variation ?? instructions();
  await writeJsonl(prepared.train, training.map(promptOf));
  await writeJsonl(prepared.heldOut, heldOut.map(promptOf));
  await makeModelOnce(prepared.model, variation && { instructions: training, carefulShare: variation.carefulShare });
  return prepared;
}

async function makeModelOnce(folder: string, taught?: Parameters<typeof makeModel>[3]): Promise<void> {
  const engine = startEngine();
  const bar = showProgress('sft');
  let announced = false;
  try {
    const onProgress = (progress: Progress) => {
      if (!announced)
        console.error('Training the start model on sloppy demonstrations, once: about a minute and a half.');
      announced = true;
      bar.update(progress);
    };
    await makeModel(engine, folder, onProgress, taught);
  } finally {
    bar.stop();
    await engine.close();
  }
}
