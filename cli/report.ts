import { Command } from 'commander';
import { InputError } from '../data/errors.ts';
import { writeReport } from '../report/write.ts';
import { readRecord } from '../workers/history.ts';
import { openStore } from '../workers/store.ts';
import { withRuns } from './server.ts';
import { jsonOption, summarize } from './step.ts';

interface Flags {
  out?: string;
  price?: string;
  json?: boolean;
}

/** `selm report`: a run on one page. */
export function reportCommand(): Command {
  return new Command('report')
    .description('Write what a run came to as one HTML page; beside it its numbers, as JSON Lines and for TensorBoard.')
    .argument('<name>', "The run's name.")
    .option('--out <file>', 'The page (default: NAME.html).')
    .option('--price <n>', 'What an hour of a machine that runs the model costs: adds costs to the times.')
    .addOption(jsonOption())
    .action(async (name: string, flags: Flags) => {
      const price = flags.price === undefined ? undefined : Number(flags.price);
      if (price !== undefined && !(price >= 0))
        throw new InputError(`--price ${flags.price} is no price: give a number, such as 2.5.`);
      const record = await withRuns((client) => readRecord(client, name));
      const input = { ...record, ...(price !== undefined && { price }) };
      const files = await writeReport(await openStore(), input, flags.out ?? `${name}.html`);
      summarize(
        flags,
        { ...files },
        `${files.page}: ${record.status.results.length} rounds; ${files.metrics}, ${files.tensorboard} beside it.`,
      );
    });
}
