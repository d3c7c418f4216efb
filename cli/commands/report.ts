import { Command } from 'commander';
import { z } from 'zod';
import { counted } from '../../data/counted.ts';
import { writeReport } from '../../report/write.ts';
import { readRecord } from '../../workers/runs/history.ts';
import { openStore } from '../../workers/store.ts';
import { checkOutputs } from '../output-files.ts';
import { withRuns } from '../server.ts';
import { SettingsFlags, type GivenFlags } from '../settings.ts';
import { jsonOption, summarize } from '../step.ts';

const priceFlags = new SettingsFlags(
  z.strictObject({
    price: z.number().min(0).optional().describe('Price of a GPU worker per hour: adds costs to the times.'),
  }),
);

interface Flags {
  out?: string;
  json?: boolean;
}

/** `selm report`: write the report of a run. */
export function reportCommand(): Command {
  const command = new Command('report')
    .description('Write the report of a run: an HTML page, and its metrics as JSON Lines and for TensorBoard.')
    .argument('<name>', 'Name of the run.')
    .option('--out <file>', 'File of the page; the metrics are written beside it. Default: NAME.html.')
    .addOption(jsonOption());
  return priceFlags.addTo(command).action(async (name: string, flags: Flags & GivenFlags) => {
    const { price } = priceFlags.read(flags);
    const out = flags.out ?? `${name}.html`;
    checkOutputs({ '--out': out });
    const record = await withRuns((client) => readRecord(client, name));
    const input = { ...record, ...(price !== undefined && { price }) };
    const files = await writeReport(await openStore(), input, out);
    summarize(
      flags,
      { ...files },
      `${files.page}: ${counted(record.status.results.length, 'round')}; metrics in ${files.metrics} and ${files.tensorboard}.`,
    );
  });
}
