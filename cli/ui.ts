import { Command } from 'commander';
import { webApp } from '../web/app.ts';
import { hasDatabase } from '../workers/dev-server.ts';
import { openStore } from '../workers/store.ts';
import { hostsOf, listen, portSchema } from './listen.ts';
import { withRuns, withServer } from './server.ts';
import { addSettings, readSettings } from './settings.ts';

const schema = portSchema(8080);

/** `selm ui`: runs and policies as web pages, until Ctrl-C. */
export function uiCommand(): Command {
  const command = new Command('ui').description('Show runs and policies as read-only web pages.');
  addSettings(command, schema, ['port']);
  return command
    .option('--host <address>', 'Address to listen on. There is no authentication.', '127.0.0.1')
    .action(async (flags: { host: string } & Record<string, unknown>) => {
      const { port } = readSettings(schema, flags, ['port']);
      const store = await openStore();
      // Where nothing has run yet there are policies to show, and nobody to answer.
      await (hasDatabase() ? withRuns : withServer)((client) =>
        listen(webApp(client, store, hostsOf(flags.host)), { host: flags.host, port }, (address) =>
          console.log(`Serving at ${address}`),
        ),
      );
    });
}
