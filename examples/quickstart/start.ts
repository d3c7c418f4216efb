/** `npm start [-- --seed N --json]`: creates a small model and its prompts, then aligns the model in three SELM rounds. */
import { fileURLToPath } from 'node:url';
import { exitCodeOf, report } from '../../cli/errors.ts';
import { reportRun, runHere } from '../../cli/commands/run.ts';
import { scriptFlags } from '../../cli/script-flags.ts';
import { InputError } from '../../data/errors.ts';
import { loadConfig } from '../../config/load.ts';
import { prepareQuickstart } from './prepare.ts';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

async function quickstart(): Promise<void> {
  const values = scriptFlags({ seed: { type: 'string', default: '0' }, json: { type: 'boolean' } });
  const seed = Number(values.seed);
  if (!Number.isInteger(seed) || seed < 0) throw new InputError(`--seed ${values.seed} is no seed: give 0, 1, 2, ...`);

  // The folder that config.yaml refers to.
  await prepareQuickstart(path('../../.selm/quickstart'));
  const config = loadConfig(path('config.yaml'), { name: `quickstart-${seed}`, seed });
  await reportRun(await runHere(config, values), values, config.output);
}

try {
  await quickstart();
} catch (error) {
  report(error);
  process.exitCode = exitCodeOf(error);
}
