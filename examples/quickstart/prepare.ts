/** Creates the prompts and the model of the quickstart. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { showProgress } from '../../cli/progress.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { makeModel } from './model.ts';
import { instructions, promptOf } from './task.ts';
import { startEngine } from '../../engine/backends.ts';

/** Paths of the model and of the files of prompts. */
export interface Prepared {
  model: string;
  train: string;
  heldOut: string;
}

/** Writes the prompts to `folder`, and creates the model there unless it exists. */
export async function prepareQuickstart(folder: string): Promise<Prepared> {
  const prepared = {
    model: join(folder, 'model'),
    train: join(folder, 'train.jsonl'),
    heldOut: join(folder, 'held-out.jsonl'),
  };
  mkdirSync(folder, { recursive: true });
  const { training, heldOut } = instructions();
  await writeJsonl(prepared.train, training.map(promptOf));
  await writeJsonl(prepared.heldOut, heldOut.map(promptOf));
  await makeModelOnce(prepared.model);
  return prepared;
}

async function makeModelOnce(folder: string): Promise<void> {
  const engine = startEngine();
  const bar = showProgress('sft');
  let announced = false;
  try {
    await makeModel(engine, folder, (progress) => {
      if (!announced)
        console.error('Training the start model on sloppy demonstrations, once: about a minute and a half.');
      announced = true;
      bar.update(progress);
    });
  } finally {
    bar.stop();
    await engine.close();
  }
}
