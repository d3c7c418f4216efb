import { Command, Option } from 'commander';
import { InputError } from '../../data/errors.ts';
import { ROLES, type Role } from '../../workers/roles.ts';
import { runWorkers } from '../../workers/worker.ts';
import { exitCodeOf, report } from '../errors.ts';
import { hasServer } from '../../workers/temporal/connection.ts';
import { keepServer } from '../../workers/dev-server/keep.ts';

interface WorkerFlags {
  role?: Role;
  deployment?: string;
  buildId?: string;
}

/** `selm worker`: run a Temporal worker until SIGTERM or Ctrl-C. */
export function workerCommand(): Command {
  return new Command('worker')
    .description(
      'Run a worker: the role control runs workflows and steps without a model, the roles gpu and node steps with a model: of ' +
        'runs with workers: single, and with workers: node.',
    )
    .addOption(new Option('--role <role>', 'Role of the worker. Default: all.').choices(ROLES))
    .option(
      '--deployment <name>',
      'Name of the Temporal worker deployment. A run stays on the version that it started on.',
    )
    .option('--build-id <id>', 'Version of the worker in its deployment, such as a commit.')
    .action(async ({ role, deployment, buildId }: WorkerFlags) => {
      if ((deployment === undefined) !== (buildId === undefined)) {
        throw new InputError('--deployment and --build-id belong together: give both, or neither.');
      }
      const leaveServer = hasServer()
        ? async () => {}
        : await keepServer((message) => console.error(message), { answers: role === undefined || role === 'control' });
      console.error(`Working as ${role ?? ROLES.join(', ')}; Ctrl-C stops it.`);
      const version =
        deployment !== undefined && buildId !== undefined ? { deploymentName: deployment, buildId } : undefined;
      try {
        await runWorkers(role === undefined ? ROLES : [role], { logLevel: 'INFO', ...(version && { version }) });
      } catch (error) {
        report(error);
        await leaveServer();
        // Temporal's native runtime keeps the process alive.
        process.exit(exitCodeOf(error));
      }
      await leaveServer();
    });
}
