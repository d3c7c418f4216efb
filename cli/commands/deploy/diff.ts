import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import type { DeployConfig } from '../../../config/deployment.ts';
import type { Difference } from '../../../cdk/differences.ts';
import { deployConfigOption, readDeployment } from './options.ts';
import { readDeployed } from './status.ts';
import { DIFFERS } from '../../errors.ts';
import { jsonOption } from '../../step.ts';

/** `selm deploy diff`: compare a configuration with what is deployed. */
export function deployDiffCommand(): Command {
  return new Command('diff')
    .description(
      'Show what a deployment would change, and what was changed outside of CloudFormation. Exit code 0: nothing, 4: something.',
    )
    .addOption(deployConfigOption())
    .addOption(jsonOption())
    .action(async (_flags: object, command: Command) => {
      const { config, flags } = readDeployment<{ json?: boolean }>(command);
      const { checkAccount } = await import('../../../cdk/deployed.ts');
      await checkAccount(config);
      const differences = await compare(config);
      if (differences.length > 0) process.exitCode = DIFFERS;
      if (flags.json) return console.log(JSON.stringify({ differences }));
      for (const { stack, kind, what } of differences) console.log(`${kind} ${stack}: ${what}`);
      console.log(differences.length === 0 ? 'No difference.' : `${differences.length} differences.`);
    });
}

/** Compares the templates of all stacks, and the resources of those that are deployed. */
async function compare(config: DeployConfig): Promise<Difference[]> {
  const { deployedTemplate, driftOf, templateDifferences } = await import('../../../cdk/differences.ts');
  const wanted = await synthesize(config);
  const { stacks, versions } = await readDeployed(config);
  const deployed = new Set(stacks.map(({ name }) => name));
  const differences: Difference[] = [];
  for (const [stack, template] of wanted) {
    const before = deployed.has(stack) ? await deployedTemplate(config, stack) : {};
    differences.push(...templateDifferences(stack, before, template));
  }
  // Stacks of earlier versions are not configured: they stay until they are drained.
  const ofVersions = new Set(versions.flatMap((version) => version.stacks));
  for (const { name } of stacks) {
    differences.push(...(await driftOf(config, name)));
    if (!wanted.has(name) && !ofVersions.has(name))
      differences.push({ stack: name, kind: '-', what: 'the stack is not configured' });
  }
  return differences;
}

/** The templates of a configuration by the names of their stacks. */
async function synthesize(config: DeployConfig): Promise<Map<string, Record<string, unknown>>> {
  const { buildDeployment, createApp } = await import('../../../cdk/build.ts');
  const outdir = mkdtempSync(join(tmpdir(), 'selm-diff-'));
  try {
    const app = createApp({ outdir });
    buildDeployment(app, config);
    return new Map(
      app.synth().stacks.map(({ stackName, template }) => [stackName, template as Record<string, unknown>]),
    );
  } finally {
    rmSync(outdir, { recursive: true });
  }
}
