/** What the commands of a deployment have in common: the flag `--config`, and what they need before they ask AWS. */
import { Option, type Command } from 'commander';
import type { DeployConfig } from '../../../config/deployment.ts';
import { loadDeployConfig } from '../../../config/load-deployment.ts';
import { requireDeployPackages } from './packages.ts';

/** The flag `--config` of the deployment commands. */
export const deployConfigOption = () =>
  new Option('--config <file>', 'YAML file of the deployment (docs/deployment-settings.md).').makeOptionMandatory();

/**
 * The flags of a command below `selm deploy`, and the deployment that `--config` names.
 * @throws InputError when the file is not valid, or packages are missing
 */
export function readDeployment<Flags extends object>(command: Command): { config: DeployConfig; flags: Flags } {
  const { config: file, ...flags } = command.opts<Flags & { config: string }>();
  const config = loadDeployConfig(file);
  requireDeployPackages();
  return { config, flags: flags as unknown as Flags };
}
