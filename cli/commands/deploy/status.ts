import { Command } from 'commander';
import type { DeployedStack, DeployedVersion } from '../../../cdk/deployed.ts';
import type { Target } from '../../../cdk/target.ts';
import { deployConfigOption, readDeployment } from './options.ts';
import { jsonOption } from '../../step.ts';

/** `selm deploy status`: show what is deployed. */
export function deployStatusCommand(): Command {
  return new Command('status')
    .description('Show the versions and the outputs of a deployment. Changes nothing.')
    .addOption(deployConfigOption())
    .addOption(jsonOption())
    .action(async (_flags: object, command: Command) => {
      const { config: target, flags } = readDeployment<{ json?: boolean }>(command);
      const { checkAccount } = await import('../../../cdk/deployed.ts');
      await checkAccount(target);
      const { stacks, versions } = await readDeployed(target);
      if (flags.json) return console.log(JSON.stringify({ versions, outputs: outputsOf(stacks) }));
      showDeployed(stacks, versions);
    });
}

/** The stacks and versions of a deployment. */
export async function readDeployed(target: Target) {
  const { deployedStacks, deployedVersions } = await import('../../../cdk/deployed.ts');
  const stacks = await deployedStacks(target);
  return { stacks, versions: await deployedVersions(target, stacks) };
}

const MEANING: Record<DeployedVersion['state'], string> = {
  current: 'new runs start on it',
  stopped: 'its runs continue when it is deployed without temporal.stopped',
  draining: 'runs in progress stay on it',
  drained: 'all its runs have ended; the next selm deploy deletes its stacks',
};

/** Prints versions and outputs. */
export function showDeployed(stacks: DeployedStack[], versions: DeployedVersion[]): void {
  for (const { id, state } of versions) console.log(`Version ${id}: ${state} (${MEANING[state]}).`);
  for (const [stack, outputs] of Object.entries(outputsOf(stacks)))
    for (const [key, value] of Object.entries(outputs)) console.log(`${stack} ${key}: ${value}`);
}

/** The outputs of each stack, without those that only other stacks use. */
const outputsOf = (stacks: DeployedStack[]): Record<string, Record<string, string>> =>
  Object.fromEntries(
    stacks
      .toReversed()
      .map(({ name, outputs }) => [
        name,
        Object.fromEntries(Object.entries(outputs).filter(([key]) => !key.startsWith('ExportsOutput'))),
      ]),
  );
