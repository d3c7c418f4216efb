/** Reads and checks the configuration of a deployment. */
import { dirname, resolve } from 'node:path';
import { InputError } from '../data/errors.ts';
import { isDatasetId, isModelId } from '../data/hub-ids.ts';
import { deploySchema, type DeployConfig } from './deployment.ts';
import { loadConfig } from './load.ts';
import { describeProblem } from './problem.ts';
import { readYaml } from './yaml-file.ts';

/**
 * Reads a deployment's YAML file, and the files of the runs that its schedules name.
 * @throws InputError that names the file and the key
 */
export function loadDeployConfig(file: string): DeployConfig {
  const config = checkDeployConfig(readYaml(file, "a deployment's") ?? {}, file);
  const schedules = config.schedules.map((schedule) => ({
    ...schedule,
    run: typeof schedule.run === 'string' ? loadRun(resolve(dirname(file), schedule.run)) : schedule.run,
  }));
  return { ...config, schedules };
}

/**
 * Checks a deployment's configuration.
 * @param source names the configuration in errors
 * @returns the configuration with its defaults filled in
 * @throws InputError that names the source and the key
 */
export function checkDeployConfig(document: unknown, source: string): DeployConfig {
  const parsed = deploySchema.safeParse(document);
  if (!parsed.success) {
    const problem = describeProblem(deploySchema, document, parsed.error, 'docs/deployment-settings.md');
    throw new InputError(`${source}: ${problem}`);
  }
  const problem = conflictIn(parsed.data);
  if (problem !== undefined) throw new InputError(`${source}: ${problem}`);
  return parsed.data;
}

/** What is wrong with settings that are each valid; undefined if nothing is. */
function conflictIn({ network, temporal, gpu, secrets, environment }: DeployConfig): string | undefined {
  if (network.natGateways === 0 && temporal.kind === 'cloud' && temporal.privateLinkService === undefined) {
    return (
      'temporal.privateLinkService is missing: without a NAT gateway (network.natGateways: 0) ' +
      'Temporal Cloud is reached by PrivateLink only.'
    );
  }
  if (gpu.capacityBlock !== undefined && gpu.capacity !== 'auto-scaling-group') {
    return 'gpu.capacityBlock needs gpu.capacity: auto-scaling-group.';
  }
  if (gpu.capacity === 'managed-instances' && gpu.accelerators.every((name) => name === 'a100')) {
    return (
      'gpu.accelerators: no instance type has a single A100, so no worker could start. A p4d.24xlarge has 8: give ' +
      'gpu.capacity: auto-scaling-group and gpu.instanceType: p4d.24xlarge; selm deploy doctor checks the quota of ' +
      'its 96 vCPUs.'
    );
  }
  const twice = Object.keys(secrets).find((name) => name in environment);
  return twice === undefined ? undefined : `${twice} is in secrets and in environment; name it once.`;
}

/** Reads a run for workers on other machines: it may name no path of this one. */
function loadRun(file: string): Record<string, unknown> {
  const run = loadConfig(file);
  const { train, heldOut } = run.prompts;
  if (!isModelId(run.model))
    throw new InputError(`${file}: model is a folder, which workers in AWS cannot read; give a hub id.`);
  for (const prompts of [train, heldOut]) {
    if (typeof prompts === 'number' || isDatasetId(prompts)) continue;
    throw new InputError(`${file}: ${prompts} is a file, which workers in AWS cannot read; give a hub data set.`);
  }
  return run;
}
