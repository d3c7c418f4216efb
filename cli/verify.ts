import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { RECOMPUTABLE, recompute, stepsBehind, type StoredStep } from '../activities/recompute.ts';
import { isPolicyName } from '../artifacts/names.ts';
import { findRelease, listReleases, type NamedRelease } from '../activities/release.ts';
import { isServed } from '../activities/sample.ts';
import { InputError } from '../data/errors.ts';
import { cacheFolder } from '../workers/places.ts';
import { openStore } from '../workers/store.ts';
import type { RoundResult } from '../workflows/status.ts';
import { FAILED } from './errors.ts';
import { jsonOption, summarize, withEngine } from './step.ts';

/** `selm verify`: a run's steps, computed again and compared. */
export function verifyCommand(): Command {
  return new Command('verify')
    .description("Compute a run's steps again from their inputs, and compare every byte of what comes of them.")
    .argument('<run>', "The run's name, or a version of it: NAME@3.")
    .option('--round <n>', 'Only what this round has made.', Number)
    .addOption(new Option('--step <name>', 'Only steps of this kind.').choices(RECOMPUTABLE))
    .addOption(jsonOption())
    .action(async (run: string, flags: { round?: number; step?: string; json?: boolean }) => {
      const store = await openStore();
      const chosen = (await chosenSteps(await findRun(run), flags.round)).filter(
        ({ manifest }) =>
          RECOMPUTABLE.includes(manifest.recipe.step) && (flags.step ?? manifest.recipe.step) === manifest.recipe.step,
      );
      const [served, steps] = [true, false].map((by) =>
        chosen.filter(({ manifest }) => isServed(manifest.recipe) === by),
      );
      for (const { address } of served)
        console.error(`${'sample'.padEnd(10)} ${address.slice(0, 12)} skipped: sampled by a server`);
      const scratch = await mkdtemp(join(tmpdir(), 'selm-verify-'));
      const different: string[] = [];
      try {
        await withEngine(async (engine) => {
          for (const { address, manifest } of steps) {
            const again = await recompute({ store, engine, cacheFolder: cacheFolder() }, manifest, scratch);
            const verdict = again === address ? 'same' : `DIFFERENT: ${again}`;
            if (again !== address) different.push(address);
            console.error(`${manifest.recipe.step.padEnd(10)} ${address.slice(0, 12)} ${verdict}`);
          }
        });
      } finally {
        await rm(scratch, { recursive: true });
      }
      if (different.length > 0) process.exitCode = FAILED;
      const same = steps.length - different.length;
      const left = served.length > 0 ? ` ${served.length} were sampled by a server, and are not computed again.` : '';
      summarize(
        flags,
        { steps: steps.length, same, different, skipped: served.length },
        `${same} of ${steps.length} steps came to the same bytes.${left}`,
      );
    });
}

async function findRun(run: string): Promise<RoundResult[]> {
  const isIt = ({ release }: NamedRelease) => (release.lineage as { run: string }).run === run;
  const found = isPolicyName(run)
    ? await findRelease(await openStore(), run)
    : (await listReleases(await openStore())).findLast(isIt)?.release;
  if (!found)
    throw new InputError(`No run "${run}" has made a policy that this store knows: selm policies lists them.`);
  return (found.lineage as { results: RoundResult[] }).results;
}

async function chosenSteps(results: RoundResult[], round: number | undefined): Promise<StoredStep[]> {
  const store = await openStore();
  const madeBy = ({ policy, artifacts }: RoundResult) => stepsBehind(store, [policy, artifacts.evaluation]);
  if (round === undefined)
    return stepsBehind(
      store,
      results.flatMap(({ policy, artifacts }) => [policy, artifacts.evaluation]),
    );
  const chosen = results.find((result) => result.round === round);
  if (!chosen)
    throw new InputError(`The run has no round ${round}: it has ${results.map((result) => result.round).join(', ')}.`);
  const earlier = await Promise.all(results.filter((result) => result.round < round).map(madeBy));
  const known = new Set(earlier.flat().map(({ address }) => address));
  return (await madeBy(chosen)).filter(({ address }) => !known.has(address));
}
