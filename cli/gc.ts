import type { Client } from '@temporalio/client';
import { Command } from 'commander';
import type { ArtifactStore } from '../artifacts/store.ts';
import { InputError } from '../data/errors.ts';
import { connectClient } from '../workers/connection.ts';
import { TemporalFailed } from '../workers/errors.ts';
import { findGarbage, MARGIN_MILLISECONDS, reachedByRuns, type Reached } from '../workers/garbage.ts';
import { missingServers, namespaceId } from '../workers/store-servers.ts';
import { openStore } from '../workers/store.ts';
import { withServer } from './server.ts';
import { jsonOption, summarize } from './step.ts';

const DAY = 24 * 3600 * 1000;

interface GcFlags {
  delete?: boolean;
  keepDays: string;
  profile?: string[];
  json?: boolean;
}

/** `selm gc`: removes what nobody needs from the artifact store. */
export function gcCommand(): Command {
  return new Command('gc')
    .description('Show the artifacts that no run on the server and no policy name reaches; with --delete, remove them.')
    .option('--delete', 'Remove them, and what work that was broken off at least a day ago has left.')
    .option('--keep-days <n>', 'Keep all that is younger, and what is in use.', '7')
    .option(
      '--profile <name...>',
      "Further servers whose runs use the store: profiles of Temporal's configuration file.",
    )
    .addOption(jsonOption())
    .action(async (flags: GcFlags) => {
      if (!/^\d{1,6}(\.\d+)?$/.test(flags.keepDays)) {
        throw new InputError(`--keep-days ${flags.keepDays} is no number of days: give 0 or more.`);
      }
      const before = new Date(Date.now() - Math.max(Number(flags.keepDays) * DAY, MARGIN_MILLISECONDS));
      const store = await openStore();
      const garbage = await findGarbage(store, () => withServer((client) => readReached(store, client, flags)), before);
      for (const { address, manifest, created } of garbage) {
        console.error(`${address.slice(0, 12)} ${manifest.kind}, ${created.toISOString()}`);
        if (flags.delete) await store.remove(address);
      }
      if (flags.delete) await store.removeLeftovers(new Date(Math.min(before.getTime(), Date.now() - DAY)));
      const bytes = garbage.flatMap(({ manifest }) => manifest.files).reduce((total, { size }) => total + size, 0);
      const sentence = `${garbage.length} artifacts of ${(bytes / 1e6).toFixed(1)} MB ${flags.delete ? 'are removed' : 'can go: selm gc --delete'}.`;
      const summary = { artifacts: garbage.map(({ address }) => address), bytes, deleted: flags.delete === true };
      summarize(flags, summary, sentence);
    });
}

/** What the runs need, on all servers that are asked. @throws InputError when others may need more, and would lose it */
async function readReached(store: ArtifactStore, client: Client, flags: GcFlags): Promise<Reached> {
  const others = await Promise.all((flags.profile ?? []).map(connectProfile));
  const clients = [client, ...others];
  try {
    const asked = await Promise.all(clients.map((each) => namespaceId(each, each.options.namespace)));
    const problem = missingServers(await store.listServers(), asked);
    if (problem && flags.delete) throw new InputError(`Nothing is removed: ${problem}`);
    if (problem) console.error(`What is listed may be needed: ${problem}`);
    const reached: Reached[] = [];
    for (const each of clients) reached.push(await reachedByRuns(each));
    const since = reached.flatMap(({ pendingSince }) => pendingSince?.getTime() ?? []);
    return {
      addresses: reached.flatMap(({ addresses }) => [...addresses]),
      ...(since.length > 0 && { pendingSince: new Date(Math.min(...since)) }),
    };
  } finally {
    await Promise.all(others.map(({ connection }) => connection.close()));
  }
}

const connectProfile = (name: string) =>
  connectClient(name).catch((error: Error) => {
    const message = `--profile ${name}: ${error.message}`;
    throw error instanceof InputError ? new InputError(message) : new TemporalFailed(message);
  });
