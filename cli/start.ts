import { Command } from 'commander';
import { startRun } from '../workers/runs.ts';
import { loadConfig } from '../config/load.ts';
import { explainMissing, missingAttributes } from '../workers/search-attributes.ts';
import { withServer } from './server.ts';
import { jsonOption, summarize } from './step.ts';

/** `selm start`: a run on a server whose workers are elsewhere. */
export function startCommand(): Command {
  return new Command('start')
    .description('Start a run on the given server and return; its workers run elsewhere (selm worker).')
    .argument('<config>', "A run's YAML file; its paths are those of the workers.")
    .addOption(jsonOption())
    .action(async (file: string, flags: { json?: boolean }) => {
      const config = loadConfig(file);
      const { handle, attached } = await withServer(async (client) => {
        const missing = await missingAttributes(client);
        if (missing.length > 0) console.error(explainMissing(missing, client.options.namespace));
        return startRun(client, config);
      });
      const { name } = config;
      const done = attached ? 'is in progress' : 'is started';
      summarize(flags, { name, workflow_id: handle.workflowId, attached }, `Run "${name}" ${done}: selm watch ${name}`);
    });
}
