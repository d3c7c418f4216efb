/** `npm start [-- --seed N --json]`: makes a small model and its prompts, then aligns it in three SELM rounds. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { exitCodeOf, report } from '../../cli/errors.ts';
import { showProgress } from '../../cli/progress.ts';
import { reportRun, runHere } from '../../cli/run.ts';
import { InputError } from '../../data/errors.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { startEngine } from '../../engine/host.ts';
import { loadConfig } from '../../workflows/config.ts';
import { makeModel } from './model.ts';
import { instructions, promptOf } from './task.ts';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
/** Where the configuration looks for what is made here. */
const made = path('../../.selm/quickstart');

async function quickstart(): Promise<void> {
  const { values } = parseArgs({ options: { seed: { type: 'string', default: '0' }, json: { type: 'boolean' } } });
  const seed = Number(values.seed);
  if (!Number.isInteger(seed) || seed < 0) throw new InputError(`--seed ${values.seed} is no seed: give 0, 1, 2, ...`);

  mkdirSync(made, { recursive: true });
  const { training, heldOut } = instructions();
  await writeJsonl(join(made, 'train.jsonl'), training.map(promptOf));
  await writeJsonl(join(made, 'held-out.jsonl'), heldOut.map(promptOf));
  await makeModelOnce(join(made, 'model'));

  const status = await runHere(loadConfig(path('config.yaml'), { name: `quickstart-${seed}`, seed }));
  if (status) reportRun(status, values);
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

try {
  await quickstart();
} catch (error) {
  report(error);
  process.exitCode = exitCodeOf(error);
}
