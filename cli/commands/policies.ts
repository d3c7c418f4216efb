import { Command } from 'commander';
import { listReleases } from '../../activities/release.ts';
import { InputError } from '../../data/errors.ts';
import { POLICIES_HEAD, policyRow } from '../../report/policies.ts';
import { openStore } from '../../workers/store.ts';
import { jsonOption } from '../step.ts';
import { terminalTable } from '../table.ts';

/** `selm policies`: list the released policies. */
export function policiesCommand(): Command {
  return new Command('policies')
    .description('List the released policies with their runs, prompts, settings and metrics (complete with --json).')
    .argument('[name]', 'Only policies of this name.')
    .addOption(jsonOption())
    .action(async (name: string | undefined, flags: { json?: boolean }) => {
      const releases = await listReleases(await openStore(), name);
      if (name !== undefined && releases.length === 0)
        throw new InputError(`There is no policy named "${name}"; selm policies lists all.`);
      if (flags.json) return console.log(JSON.stringify(releases));
      if (releases.length === 0) return console.log('No policies have been released.');
      console.log(terminalTable(releases.map(policyRow), { head: POLICIES_HEAD }));
    });
}
