import { Command, Option } from 'commander';
import { ROLES, runWorkers, type Role } from '../workers/worker.ts';
import { useRunningServer } from './server.ts';

/** `selm worker`: takes work from the given server until SIGTERM or Ctrl-C. */
export function workerCommand(): Command {
  return new Command('worker')
    .description('Work for the given server: control runs workflows and light steps, gpu runs models.')
    .addOption(new Option('--role <role>', 'Only this role (default: both).').choices(ROLES))
    .action(async ({ role }: { role?: Role }) => {
      useRunningServer();
      console.error(`Working as ${role ?? ROLES.join(' and ')}; Ctrl-C stops.`);
      await runWorkers(role === undefined ? ROLES : [role], 'INFO');
    });
}
