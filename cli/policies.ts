import { Command } from 'commander';
import Table from 'cli-table3';
import type { RoundResult } from '../workflows/status.ts';
import { listReleases, type NamedRelease } from './names.ts';
import { scores, winRate } from '../report/rounds.ts';
import { jsonOption } from './step.ts';

/** `selm policies`: what runs have made, by name and version. */
export function policiesCommand(): Command {
  return new Command('policies')
    .description(
      'List the accepted policies by name: the run, prompts, settings and numbers each is from (all of it with --json).',
    )
    .argument('[name]', 'Only this name.')
    .addOption(jsonOption())
    .action(async (name: string | undefined, flags: { json?: boolean }) => {
      const releases = await listReleases(name);
      if (flags.json) return console.log(JSON.stringify(releases));
      const head = ['policy', 'run', 'rounds accepted', 'strict pass', 'mean score', 'win rate over start', 'artifact'];
      const table = new Table({ head, style: { head: [], border: [], compact: true } });
      for (const release of releases) table.push(policyRow(release));
      console.log(table.toString());
    });
}

function policyRow({ name, version, release: { policy, lineage } }: NamedRelease): string[] {
  const { run, results } = lineage as { run: string; results: RoundResult[] };
  const last = results.findLast(({ accepted }) => accepted);
  const accepted = `${results.filter((result) => result.accepted).length} of ${results.length}`;
  const numbers = last ? [...scores(last.evaluation), winRate(last.evaluation)] : ['', '', ''];
  return [`${name}@${version}`, run, accepted, ...numbers, policy.slice(0, 12)];
}
