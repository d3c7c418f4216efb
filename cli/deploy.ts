import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { CONTEXT_KEY } from '../config/deployment.ts';
import { loadDeployConfig } from '../config/load-deployment.ts';
import { InputError } from '../data/errors.ts';
import { deployConfigOption, deployDoctorCommand } from './deploy-doctor.ts';

/** `selm deploy`: deploy selm to an AWS account. Needs a checkout, since CDK is a development dependency. */
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
      const root = fileURLToPath(new URL('..', import.meta.url));
      writeContext(`${root}cdk.context.json`, config);
      if (context) return console.log('cdk.context.json is written.');
      const cdk = spawn(process.execPath, [findCdk(), 'deploy', '--all', ...cdkArguments], {
        cwd: root,
        stdio: 'inherit',
      });
      const [code] = (await once(cdk, 'exit')) as [number | null];
      process.exitCode = code === 0 ? 0 : 1;
    });
}

/** Keeps the other keys of the context: CDK caches its lookups there. */
function writeContext(file: string, config: object): void {
  const known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as object) : {};
  writeFileSync(file, `${JSON.stringify({ ...known, [CONTEXT_KEY]: config }, null, 2)}\n`);
}

function findCdk(): string {
  try {
    return createRequire(import.meta.url).resolve('aws-cdk/bin/cdk');
  } catch {
    throw new InputError('AWS CDK is not installed: run npm ci in a checkout of selm, and deploy from there.');
  }
}
