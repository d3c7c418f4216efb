/** Reads and checks the configuration of a deployment. */
import { dirname, resolve } from 'node:path';
import { InputError } from '../data/errors.ts';
import { cronProblem } from './cron.ts';
import { deploySchema, type DeployConfig } from './deployment.ts';
import { readCaBundle } from './deployment/ca-bundle.ts';
import { enterpriseConflict } from './deployment/enterprise-conflicts.ts';
import { imageProblem } from './deployment/images.ts';
import { networkConflict, zonesOf } from './deployment/network.ts';
import { gpuProblem, oldGpuProblem } from './deployment/gpu-problem.ts';
import { readConfig } from './load.ts';
import { locateNothing, pathIn } from './locate.ts';
import { describeProblem } from './problem.ts';
import { readSections, readYaml } from './yaml-file.ts';

/**
 * Reads a deployment's YAML file, and the files of the runs that its schedules name.
 * @throws InputError that names the file and the key
 */
export function loadDeployConfig(file: string): DeployConfig {
  const config = checkDeployConfig(readYaml(file, "a deployment's") ?? {}, file);
  const schedules = config.schedules.map((schedule) => ({
    ...schedule,
    run: loadRun(schedule.run, file),
  }));
  const names = schedules.map(({ run }) => String(run['name']));
  const second = names.findIndex((name, index) => names.indexOf(name) < index);
  if (second >= 0) {
    throw new InputError(
      `${file}: schedules.${names.indexOf(names[second])} and schedules.${second} both have the run "${names[second]}"; ` +
        'give each run its own name.',
    );
  }
  const { caBundle } = config;
  return {
    ...config,
    schedules,
    ...(caBundle !== undefined && { caBundle: readCaBundle(caBundle, dirname(file), file) }),
  };
}

/**
 * Checks a deployment's configuration.
 * @param source names the configuration in errors
 * @returns the configuration with its defaults filled in
 * @throws InputError that names the source and the key
 */
export function checkDeployConfig(document: unknown, source: string): DeployConfig {
  const old = oldGpuProblem(document);
  if (old !== undefined) throw new InputError(`${source}: ${old}`);
  const parsed = deploySchema.safeParse(document);
  if (!parsed.success) {
    const problem = describeProblem(deploySchema, document, parsed.error, 'docs/deployment-settings.md');
    throw new InputError(`${source}: ${problem}`);
  }
  const problem = networkConflict(parsed.data.network) ?? enterpriseConflict(parsed.data) ?? conflictIn(parsed.data);
  if (problem !== undefined) throw new InputError(`${source}: ${problem}`);
  return parsed.data;
}

/** What is wrong with settings that are each valid; undefined if nothing is. */
function conflictIn(config: DeployConfig): string | undefined {
  const { network, images, temporal, gpu, secrets, environment, control, schedules } = config;
  if (network.natGateways === 0 && temporal.kind === 'cloud' && temporal.privateLinkService === undefined) {
    return (
      'temporal.privateLinkService is missing: without a NAT gateway (network.natGateways: 0) ' +
      'Temporal Cloud is reached by PrivateLink only.'
    );
  }
  if (temporal.kind === 'self-hosted' && temporal.minAcu > temporal.maxAcu)
    return `temporal.minAcu: ${temporal.minAcu} is above temporal.maxAcu, which is ${temporal.maxAcu}; lower the one or raise the other.`;
  const image = imageProblem(images, network.natGateways);
  if (image !== undefined) return image;
  const twice = Object.keys(secrets).find((name) => name in environment);
  if (twice !== undefined) return `${twice} is in secrets and in environment; name it once.`;
  const wrong = fargateProblem(control) ?? calendarProblem(schedules);
  if (wrong !== undefined) return wrong;
  return gpuProblem(gpu, zonesOf(network));
}

/** MiB of memory, from and to, that a task on Fargate can have with its CPU units, in steps of 1024; with 256 also 512. */
const FARGATE_MIB = { 256: [512, 2048], 512: [1024, 4096], 1024: [2048, 8192], 2048: [4096, 16_384] } as const;

function fargateProblem({ cpu, memoryMiB }: DeployConfig['control']): string | undefined {
  const [from, to] = FARGATE_MIB[cpu];
  const fits = memoryMiB >= from && memoryMiB <= to && (memoryMiB % 1024 === 0 || memoryMiB === from);
  return fits
    ? undefined
    : `control.memoryMiB: Fargate has no task with cpu: ${cpu} and ${memoryMiB} MiB; give ${from} to ${to}, in steps of 1024.`;
}

/** What the server would refuse, which only the control worker's log would say. */
function calendarProblem(schedules: DeployConfig['schedules']): string | undefined {
  for (const [index, { cron, timezone }] of schedules.entries()) {
    const problem = cronProblem(cron, timezone);
    if (problem !== undefined) return `schedules.${index}.cron: "${cron}" ${problem}`;
    if (!isTimeZone(timezone))
      return `schedules.${index}.timezone: "${timezone}" is not known; give a time zone such as Europe/Berlin.`;
  }
  return undefined;
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/**
 * Reads a run for workers on other machines, which can read no path of this one.
 * @param given its YAML file, or its settings
 * @throws InputError that names the first setting with a path
 */
function loadRun(given: string | Record<string, unknown>, file: string): Record<string, unknown> {
  const source = typeof given === 'string' ? resolve(dirname(file), given) : `${file}: run ${String(given['name'])}`;
  const document = typeof given === 'string' ? readSections(source, "a run's") : given;
  const folder = dirname(typeof given === 'string' ? source : file);
  const run = readConfig(source, document, folder, locateNothing(folder));
  const found = pathIn(run);
  if (!found) return run;
  const remedy =
    found.key === 'output'
      ? 'leave it out; selm export --model NAME@latest writes a released policy'
      : 'give a hub id, or leave it out';
  throw new InputError(
    `${source}: ${found.key} is the path ${found.path}, which workers in AWS cannot read; ${remedy}.`,
  );
}
