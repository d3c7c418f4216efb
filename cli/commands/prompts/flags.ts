/** Flags that all kinds of `selm prompts` share, and the summary of rows that were dropped. */
import type { Command } from 'commander';
import { readBaseRows, type BaseRow, type Reading } from '../../../labelers/prompts/base.ts';
import { describeDroppedRows, type Dropped } from '../../../labelers/prompts/dropped.ts';
import { HeldOut } from '../../../labelers/prompts/held-out.ts';
import { checkOutputs } from '../../output-files.ts';
import { jsonOption } from '../../step.ts';

export interface SourceFlags {
  from: string;
  heldOut?: string[];
  out: string;
  json?: boolean;
}

/** Adds the flags of the rows that are read, of held-out prompts and of the output. @param from describes the rows */
export const addSources = (command: Command, from: string): Command =>
  command
    .requiredOption('--from <file>', `JSON Lines or Parquet file, or hub data set org/name[/config][:split]: ${from}`)
    .option(
      '--held-out <file...>',
      'Files or hub data sets of held-out prompts. Rows that are, contain, are part of, or nearly copy one of them are dropped and ' +
        'counted.',
    )
    .requiredOption('--out <file>', 'JSON Lines file for the prompts.')
    .addOption(jsonOption());

/**
 * Reads the rows of --from and the prompts of --held-out.
 * @throws InputError also for a file of --out that is one of these, or a folder, before anything is read
 */
export async function readSources(
  { from, heldOut = [], out }: SourceFlags,
  reading: Reading = {},
): Promise<{ rows: BaseRow[]; heldOut: HeldOut }> {
  checkOutputs({ '--out': out }, [from, ...heldOut]);
  const held = await Promise.all(heldOut.map((source) => readBaseRows(source, { ...reading, isHeldOut: true })));
  return { rows: await readBaseRows(from, reading), heldOut: new HeldOut(held.flat()) };
}

/** The dropped rows as the end of a sentence. */
export const droppedText = (dropped: Dropped): string =>
  Object.keys(dropped).length === 0 ? '' : `; ${describeDroppedRows(dropped)}`;
