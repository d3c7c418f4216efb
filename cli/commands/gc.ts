import type { Client } from '@temporalio/client';
import { Command } from 'commander';
import { z } from 'zod';
import { counted } from '../../data/counted.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { InputError } from '../../data/errors.ts';
import { connectClient, connectionSettings, hasServer } from '../../workers/temporal/connection.ts';
import { TemporalFailed } from '../../workers/temporal/errors.ts';
import { findGarbage, MARGIN_MILLISECONDS, reachedByRuns, type Reached } from '../../workers/garbage.ts';
import { missingServers, namespaceId, registerServer, startableHomes } from '../../workers/store-servers.ts';
import { openStore } from '../../workers/store.ts';
import { withServer, withServerOf } from '../server.ts';
import { SettingsFlags, type GivenFlags } from '../settings.ts';
import { jsonOption, summarize } from '../step.ts';

const DAY = 24 * 3600 * 1000;

const ageFlags = new SettingsFlags(
  z.strictObject({
    keepDays: z.number().min(0).max(1e6).default(7).describe('Keep artifacts that are younger than these days.'),
  }),
);

interface GcFlags {
  delete?: boolean;
  profile?: string[];
  json?: boolean;
}

/** `selm gc`: remove unreachable artifacts from the store. */
export function gcCommand(): Command {
  const command = new Command('gc')
    .description('List the artifacts that no run on the server and no policy name reaches; with --delete, remove them.')
    .option('--delete', 'Remove them, and the leftovers of interrupted work that are as old, and a day or more.')
    .option(
      '--profile <name...>',
      "Further servers whose runs use the store: profiles of Temporal's configuration file.",
    );
  return ageFlags
    .addTo(command)
    .addOption(jsonOption())
    .action(async (flags: GcFlags & GivenFlags) => {
      const { keepDays } = ageFlags.read(flags);
      const before = new Date(Date.now() - Math.max(keepDays * DAY, MARGIN_MILLISECONDS));
      const store = await openStore();
      const garbage = await findGarbage(store, () => readReached(store, flags), before);
      for (const { address, manifest, created } of garbage) {
        console.error(`${address.slice(0, 12)} ${manifest.kind}, ${created.toISOString()}`);
        if (flags.delete) await store.remove(address);
      }
      const leftovers = flags.delete
        ? await store.removeLeftovers(new Date(Math.min(before.getTime(), Date.now() - DAY)))
        : 0;
      const bytes = garbage.flatMap(({ manifest }) => manifest.files).reduce((total, { size }) => total + size, 0);
      const megabytes = (bytes / 1e6).toFixed(1);
      const outcome = flags.delete ? 'removed' : 'can be removed: selm gc --delete';
      const also = leftovers > 0 ? ` Leftovers of ${counted(leftovers, 'interrupted step')} removed.` : '';
      const found =
        garbage.length === 0
          ? `No unreferenced artifacts are older than ${counted(keepDays, 'day')}.`
          : `${counted(garbage.length, 'artifact')} of ${megabytes} MB ${outcome}.`;
      const sentence = found + also;
      const deleted = flags.delete === true;
      const summary = { artifacts: garbage.map(({ address }) => address), bytes, leftovers, deleted };
      summarize(flags, summary, sentence);
    });
}

/**
 * The artifacts that runs need, from all servers that can be read: the environment's, those of `--profile`, and the store's embedded
 * servers on this machine, which are started one after the other.
 * @throws InputError when runs on other servers may need further artifacts, which would be lost
 */
async function readReached(store: ArtifactStore, flags: GcFlags): Promise<Reached> {
  const reached: Reached[] = [];
  const asked = new Set<string>();
  const read = async (client: Client) => {
    asked.add(await namespaceId(client, client.options.namespace));
    reached.push(await reachedByRuns(client));
  };
  const isEmbedded = !hasServer();
  await withServer(async (client) => {
    await read(client);
    if (isEmbedded) await recordMove(store, client);
  });
  for (const profile of flags.profile ?? []) {
    const client = await connectProfile(profile);
    await read(client).finally(() => client.connection.close());
  }
  for (const home of startableHomes(await store.listServers(), asked)) {
    console.error(`Reading the runs of ${home}.`);
    await withServerOf(home, read);
  }
  const problem = missingServers(await store.listServers(), asked);
  if (problem && flags.delete) throw new InputError(`Nothing is removed: ${problem}`);
  if (problem) console.error(`What is listed may be needed: ${problem}`);
  const since = reached.flatMap(({ pendingSince }) => pendingSince?.getTime() ?? []);
  return {
    addresses: reached.flatMap(({ addresses }) => [...addresses]),
    ...(since.length > 0 && { pendingSince: new Date(Math.min(...since)) }),
  };
}

/** Updates the recorded location of this folder's server if the store knows the server. The folder may have been moved. */
async function recordMove(store: ArtifactStore, client: Client): Promise<void> {
  const { namespace } = client.options;
  const id = await namespaceId(client, namespace);
  if (!(await store.listServers()).some((server) => server.id === id)) return;
  await registerServer(store, client, { address: connectionSettings().connectionOptions.address, namespace });
}

const connectProfile = (name: string) =>
  connectClient(name).catch((error: Error) => {
    const message = `--profile ${name}: ${error.message}`;
    throw error instanceof InputError ? new InputError(message) : new TemporalFailed(message);
  });
