import { Command } from 'commander';
import { webApp } from '../web/app.ts';
import { hasDatabase } from '../workers/dev-server.ts';
import { openStore } from '../workers/store.ts';
import { hostsOf, listen, listenFlags } from './listen.ts';
import { withRuns, withServer } from './server.ts';
import type { GivenFlags } from './settings.ts';

const addressFlags = listenFlags(8080, 'The pages have no authentication.');

/** `selm ui`: serve runs and policies as web pages until Ctrl-C. */
export function uiCommand(): Command {
  const command = new Command('ui').description('Serve runs and policies as read-only web pages.');
  return addressFlags.addTo(command).action(async (flags: GivenFlags) => {
    const at = addressFlags.read(flags);
    const store = await openStore();
    // A folder without a database has no runs. The pages then show policies only, and no worker is needed for queries.
    await (hasDatabase() ? withRuns : withServer)((client) =>
      listen(webApp(client, store, hostsOf(at.host)), at, (address) => console.log(`Serving at ${address}`)),
    );
  });
}
