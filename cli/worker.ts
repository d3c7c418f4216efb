import { Command, Option } from 'commander';
import { InputError } from '../data/errors.ts';
import { ROLES, runWorkers, type Role } from '../workers/worker.ts';
import { exitCodeOf, report } from './errors.ts';
import { hasServer } from '../workers/connection.ts';
import { keepServer } from '../workers/keep-server.ts';

interface WorkerFlags {
  role?: Role;
  deployment?: string;
  buildId?: string;
}

/** `selm worker`: takes work from the given server until SIGTERM or Ctrl-C. */
export function workerCommand(): Command {
  return new Command('worker')
    .description('Work for the given server: control runs workflows and light steps, gpu runs models.')
    .addOption(new Option('--role <role>', 'Only this role (default: both).').choices(ROLES))
    .option(
      '--deployment <name>',
      'Temporal worker deployment that it belongs to: runs stay with the version they began on.',
    )
    .option('--build-id <id>', 'Version within the deployment, such as a commit.')
    .action(async ({ role, deployment, buildId }: WorkerFlags) => {
      if ((deployment === undefined) !== (buildId === undefined)) {
        throw new InputError('A version has a name and a build: give both --deployment and --build-id, or neither.');
      }
      const leaveServer = hasServer()
        ? async () => {}
        : await keepServer((message) => console.error(message), { answers: role !== 'gpu' });
      console.error(`Working as ${role ?? ROLES.join(' and ')}; Ctrl-C stops.`);
      const version =
        deployment !== undefined && buildId !== undefined ? { deploymentName: deployment, buildId } : undefined;
      try {
        await runWorkers(role === undefined ? ROLES : [role], { logLevel: 'INFO', ...(version && { version }) });
      } catch (error) {
        report(error);
        await leaveServer();
        // Temporal's native runtime, once installed, would keep a process alive that has nothing to do.
        process.exit(exitCodeOf(error));
      }
      await leaveServer();
    });
}
