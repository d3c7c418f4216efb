import { Command } from 'commander';
import { InputError } from '../data/errors.ts';
import { addressesOfRuns, findGarbage } from '../workers/garbage.ts';
import { openStore } from '../workers/store.ts';
import { withServer } from './server.ts';
import { jsonOption, summarize } from './step.ts';

const DAY = 24 * 3600 * 1000;

interface GcFlags {
  delete?: boolean;
  keepDays: string;
  json?: boolean;
}

/** `selm gc`: removes what nobody needs from the artifact store. */
export function gcCommand(): Command {
  return new Command('gc')
    .description('Show the artifacts that no run on the server and no policy name reaches; with --delete, remove them.')
    .option('--delete', 'Remove them, and what work that was broken off has left.')
    .option('--keep-days <n>', 'Keep all that is younger.', '7')
    .addOption(jsonOption())
    .action(async (flags: GcFlags) => {
      const days = Number(flags.keepDays);
      if (!(days >= 0)) throw new InputError(`--keep-days ${flags.keepDays} is no number of days: give 0 or more.`);
      const before = new Date(Date.now() - days * DAY);
      const store = await openStore();
      const garbage = await findGarbage(store, await withServer(addressesOfRuns), before);
      for (const { address, manifest, created } of garbage) {
        console.error(`${address.slice(0, 12)} ${manifest.kind}, ${created.toISOString()}`);
        if (flags.delete) await store.remove(address);
      }
      if (flags.delete) await store.removeLeftovers(before);
      const bytes = garbage.flatMap(({ manifest }) => manifest.files).reduce((total, { size }) => total + size, 0);
      const sentence = `${garbage.length} artifacts of ${(bytes / 1e6).toFixed(1)} MB ${flags.delete ? 'are removed' : 'can go: selm gc --delete'}.`;
      const summary = { artifacts: garbage.map(({ address }) => address), bytes, deleted: flags.delete === true };
      summarize(flags, summary, sentence);
    });
}
