import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { CONTEXT_KEY, type DeployConfig } from '../config/deployment.ts';
import { loadDeployConfig } from '../config/load-deployment.ts';
import { InputError } from '../data/errors.ts';
import { deployConfigOption, deployDoctorCommand } from './deploy-doctor.ts';
import { requireDeployPackages } from './deploy-packages.ts';

/** The folder that contains cdk.json: a checkout, or dist/ of the installed package. */
const root = fileURLToPath(new URL('..', import.meta.url));

/** `selm deploy`: deploy selm to an AWS account. */
export function deployCommand(): Command {
  return new Command('deploy')
    .addCommand(deployDoctorCommand())
    .description(
      'Deploy selm to AWS with CDK, which reads credentials and region from the AWS environment (docs/deploy.md).',
    )
    .addOption(deployConfigOption().makeOptionMandatory())
    .option('--context', 'Only write the configuration to cdk.context.json, for cdk diff, deploy and destroy.')
    .argument('[arguments...]', 'Arguments of cdk deploy, after --, such as --require-approval never.')
    .action(async (cdkArguments: string[], { config: file, context }: { config: string; context?: boolean }) => {
      const config = loadDeployConfig(file);
      requireImages(config, file);
      writeContext(`${root}cdk.context.json`, config);
      if (context) return console.log('cdk.context.json is written.');
      requireDeployPackages();
      const executable = createRequire(import.meta.url).resolve('aws-cdk/bin/cdk');
      const cdk = spawn(process.execPath, [executable, 'deploy', '--all', ...cdkArguments], {
        cwd: root,
        stdio: 'inherit',
      });
      const [code] = (await once(cdk, 'exit')) as [number | null];
      process.exitCode = code === 0 ? 0 : 1;
    });
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
