import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { CONTEXT_KEY, loadDeployConfig } from '../config/deployment.ts';
import { InputError } from '../data/errors.ts';
import { deployDoctorCommand } from './deploy-doctor.ts';

/** `selm deploy`: the whole pipeline in an AWS account, from a checkout: CDK and its library are development packages. */
export function deployCommand(): Command {
  return new Command('deploy')
    .addCommand(deployDoctorCommand())
    .description(
      'Deploy to AWS by CDK, which takes credentials and region from the AWS environment; see docs/deploy.md.',
    )
    .requiredOption('--config <file>', "A deployment's YAML file.")
    .option(
      '--context',
      'Only write what CDK needs to know (cdk.context.json); cdk diff, deploy and destroy use it then.',
    )
    .argument('[arguments...]', 'Handed on to cdk deploy, after --: such as --require-approval never.')
    .action(async (further: string[], { config: file, context }: { config: string; context?: boolean }) => {
      const config = loadDeployConfig(file);
      const root = fileURLToPath(new URL('..', import.meta.url));
      writeContext(`${root}cdk.context.json`, config);
      if (context) return console.log('cdk.context.json is written.');
      const cdk = spawn(process.execPath, [findCdk(), 'deploy', '--all', ...further], { cwd: root, stdio: 'inherit' });
      const [code] = (await once(cdk, 'exit')) as [number | null];
      process.exitCode = code === 0 ? 0 : 1;
    });
}

/** What else is in the context stays: CDK keeps there what it has looked up. */
function writeContext(file: string, config: object): void {
  const known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as object) : {};
  writeFileSync(file, `${JSON.stringify({ ...known, [CONTEXT_KEY]: config }, null, 2)}\n`);
}

function findCdk(): string {
  try {
    return createRequire(import.meta.url).resolve('aws-cdk/bin/cdk');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    throw new InputError('AWS CDK is not installed: run npm ci in a checkout of selm, and deploy from there.');
  }
}
