import { Command } from 'commander';
import { listReleases } from './names.ts';
import { jsonOption } from './step.ts';

/** `selm policies`: what runs have made, by name and version. */
export function policiesCommand(): Command {
  return new Command('policies')
    .description('List the accepted policies by name: which run, prompts, settings and numbers each is from.')
    .argument('[name]', 'Only this name.')
    .addOption(jsonOption())
    .action(async (name: string | undefined, flags: { json?: boolean }) => {
      const releases = await listReleases(name);
      if (flags.json) return console.log(JSON.stringify(releases));
      for (const { name: of, version, release } of releases) {
        console.log(`${of}@${version}  policy ${release.policy.slice(0, 12)}`);
      }
    });
}
