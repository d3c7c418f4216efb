import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import type { DeployedVersion } from '../../../cdk/deployed.ts';
import { obsoleteStacks } from '../../../cdk/removed-sections.ts';
import type { Version } from '../../../cdk/versions.ts';
import { CONTEXT_KEY, isStopped, type DeployConfig } from '../../../config/deployment.ts';
import { loadDeployConfig } from '../../../config/load-deployment.ts';
import { InputError } from '../../../data/errors.ts';
import { deployDiffCommand } from './diff.ts';
import { deployDestroyCommand } from './destroy.ts';
import { deployDoctorCommand } from './doctor.ts';
import { deployConfigOption } from './options.ts';
import { requireDeployPackages } from './packages.ts';
import { deployStatusCommand, readDeployed, showDeployed } from './status.ts';
import { FAILED } from '../../../data/exit-codes.ts';

/** The folder that contains cdk.json: a checkout, or dist/ of the installed package. */
const root = fileURLToPath(new URL('../../..', import.meta.url));

/** `selm deploy`: deploy selm to an AWS account. */
export function deployCommand(): Command {
  return (
    new Command('deploy')
      .addCommand(deployDoctorCommand())
      .addCommand(deployStatusCommand())
      .addCommand(deployDiffCommand())
      .addCommand(deployDestroyCommand())
      .description(
        'Deploy selm to AWS with CDK, which reads credentials and region from the AWS environment (docs/deploy.md).',
      )
      // Its own commands have the flag, too, so that it is not mandatory for them here.
      .addOption(deployConfigOption().makeOptionMandatory(false))
      .option('--context', 'Only write the configuration to cdk.context.json, for cdk diff, deploy and destroy.')
      .argument('[arguments...]', 'Arguments of cdk deploy, after --, such as --require-approval never.')
      .action(async (cdkArguments: string[], { config: file, context }: { config?: string; context?: boolean }) => {
        const [first] = cdkArguments;
        // All stacks are deployed, so that a name is a mistyped command.
        if (first !== undefined && !first.startsWith('-'))
          throw new InputError(`selm deploy has no command "${first}"; see selm deploy --help.`);
        if (file === undefined)
          throw new InputError('selm deploy needs --config FILE, the YAML file of the deployment.');
        const config = loadDeployConfig(file);
        requireImages(config, file);
        if (context) {
          writeContext(`${root}cdk.context.json`, config);
          return console.log('cdk.context.json is written.');
        }
        requireDeployPackages();
        const { checkDeployment } = await import('../../../cdk/build.ts');
        const version = checkDeployment(config);
        await removeObsolete(config, version);
        if ((await runCdk(config, cdkArguments)) !== 0) return void (process.exitCode = FAILED);
        const { stacks, versions } = await readDeployed(config);
        showDeployed(stacks, versions);
      })
  );
}

/**
 * Runs `cdk deploy`. It writes nothing into the package, which may be read-only or used by another deployment.
 * @returns its exit code; null when a signal ended it
 */
async function runCdk(config: DeployConfig, cdkArguments: string[]): Promise<number | null> {
  const folder = mkdtempSync(join(tmpdir(), 'selm-deploy-'));
  try {
    const executable = createRequire(import.meta.url).resolve('aws-cdk/bin/cdk');
    // In a file, because Linux limits an argument to 128 KiB.
    const file = join(folder, 'config.json');
    writeFileSync(file, JSON.stringify(config));
    const settings = ['--all', '--output', join(folder, 'cdk.out'), '--context', `${CONTEXT_KEY}=${file}`];
    const cdk = spawn(process.execPath, [executable, 'deploy', ...settings, ...cdkArguments], {
      cwd: root,
      stdio: 'inherit',
    });
    const [code] = (await once(cdk, 'exit')) as [number | null];
    return code;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Deletes the stacks of earlier versions whose runs have all ended, and those of sections that the configuration has no more.
 * @param version what the configuration makes current
 * @throws InputError when the credentials are those of another account, or runs of another version would lose their workers or server
 */
async function removeObsolete(config: DeployConfig, version: Version): Promise<void> {
  const { checkAccount, deleteStack } = await import('../../../cdk/deployed.ts');
  await checkAccount(config);
  const { stacks: deployed, versions } = await readDeployed(config);
  checkStopped(config, version, versions);
  for (const { id, stacks } of versions.filter(({ state }) => state === 'drained')) {
    console.log(`Version ${id} is drained: its stacks are deleted.`);
    await Promise.all(stacks.map((stack) => deleteStack(config, stack)));
  }
  for (const { stack, reason } of obsoleteStacks(config, deployed)) {
    console.log(`${reason}: the stack ${stack} is deleted.`);
    await deleteStack(config, stack);
  }
}

/**
 * Checks that a deployment which stops, or was stopped, keeps its version: paused runs continue on their own version only.
 * @throws InputError that says what to deploy or to wait for first
 */
function checkStopped(config: DeployConfig, { id }: Version, versions: DeployedVersion[]): void {
  const stopped = versions.filter(({ state }) => state === 'stopped');
  if (stopped.length > 0 && stopped.every((version) => version.id !== id)) {
    throw new InputError(
      `Version ${stopped[0].id} is stopped, and its runs continue on it only, but the configuration makes version ${id}: deploy the ` +
        'configuration of the stopped version without temporal.stopped first, with the selm and the images of that version.',
    );
  }
  if (!isStopped(config)) return;
  const draining = versions.find(({ state }) => state === 'draining');
  if (draining) {
    throw new InputError(
      `temporal.stopped: version ${draining.id} still has runs in progress; wait until they have ended, or stop them.`,
    );
  }
  const current = versions.find(({ state }) => state === 'current');
  if (current && current.id !== id) {
    throw new InputError(
      `temporal.stopped: the configuration makes version ${id}, but version ${current.id} is current; ` +
        'deploy the other changes first, without temporal.stopped, or take them back.',
    );
  }
}

/** Keeps the other keys of the context, where CDK caches its lookups. */
function writeContext(file: string, config: object): void {
  const known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as object) : {};
  writeFileSync(file, `${JSON.stringify({ ...known, [CONTEXT_KEY]: config }, null, 2)}\n`);
}

/** @throws InputError when images must be built and there is no Dockerfile. Only a checkout has one */
function requireImages({ images }: DeployConfig, file: string): void {
  if ((images.control && images.gpu) || existsSync(`${root}cdk/images/Dockerfile`)) return;
  throw new InputError(
    `${file} must name images.control and images.gpu: the installed package cannot build them; deploy from a checkout to build them.`,
  );
}
