import { Command } from 'commander';
import { startRun } from '../../workers/runs/runs.ts';
import type { Settings } from '../../config/changes.ts';
import { loadConfig } from '../../config/load.ts';
import { explainMissing, missingAttributes } from '../../workers/temporal/search-attributes.ts';
import { withServer } from '../server.ts';
import { setOption } from '../set-option.ts';
import { jsonOption, summarize } from '../step.ts';

/** `selm start`: start a run that workers elsewhere carry out. */
export function startCommand(): Command {
  return new Command('start')
    .description(
      'Start a run on the configured Temporal server and return; workers elsewhere (selm worker) carry it out.',
    )
    .argument('<config>', "A run's YAML file (docs/config.md); its paths are those of the workers.")
    .addOption(setOption('Replace a setting of the file.'))
    .addOption(jsonOption())
    .action(async (file: string, flags: { set?: Settings; json?: boolean }) => {
      const config = loadConfig(file, flags.set);
      const { handle, attached } = await withServer(async (client) => {
        const started = await startRun(client, config);
        const missing = await missingAttributes(client);
        if (missing.length > 0) console.error(`selm: warning: ${explainMissing(missing, client.options.namespace)}`);
        return started;
      });
      const { name } = config;
      const state = attached ? 'is already in progress' : 'is started';
      summarize(
        flags,
        { name, workflow_id: handle.workflowId, attached },
        `Run "${name}" ${state}: selm watch ${name}`,
      );
    });
}
