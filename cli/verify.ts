import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { recompute, REPRODUCIBLE, stepsBehind, whyNotRecomputed, type StoredStep } from '../activities/recompute.ts';
import { findRelease, listReleases, type NamedRelease } from '../activities/release.ts';
import type { StepContext } from '../activities/step.ts';
import { isPolicyName } from '../artifacts/names.ts';
import { InputError } from '../data/errors.ts';
import { cacheFolder } from '../workers/places.ts';
import { openStore } from '../workers/store.ts';
import type { RoundResult } from '../workflows/status.ts';
import { FAILED } from './errors.ts';
import { jsonOption, summarize, withEngine } from './step.ts';

/** `selm verify`: compute the steps of runs again and compare the results. */
export function verifyCommand(): Command {
  return new Command('verify')
    .description("Compute a run's steps again from their inputs, and compare the results byte by byte.")
    .argument('<run>', "The run's name, or a version of it: NAME@3.")
    .option('--round <n>', 'Only the steps of this round.', Number)
    .addOption(new Option('--step <name>', 'Only steps of this name.').choices(REPRODUCIBLE))
    .addOption(jsonOption())
    .action(async (run: string, flags: { round?: number; step?: string; json?: boolean }) => {
      const store = await openStore();
      const steps = await chosenSteps(await findRun(run), flags.round, flags.step);
      const different: string[] = [];
      const skipped: string[] = [];
      const scratch = await mkdtemp(join(tmpdir(), 'selm-verify-'));
      try {
        await withEngine(async (engine) => {
          const context = { store, engine, cacheFolder: cacheFolder() };
          for (const step of steps) {
            const reason = await whyNotRecomputed(step.manifest.recipe, context);
            const verdict = reason === undefined ? await compare(step, context, scratch) : `skipped: ${reason}`;
            console.error(`${step.manifest.recipe.step.padEnd(12)} ${step.address.slice(0, 12)} ${verdict}`);
            if (reason !== undefined) skipped.push(reason);
            else if (verdict !== SAME) different.push(step.address);
          }
        });
      } finally {
        await rm(scratch, { recursive: true });
      }
      if (different.length > 0) process.exitCode = FAILED;
      const computed = steps.length - skipped.length;
      const same = computed - different.length;
      const count = (reason: string) => skipped.filter((other) => other === reason).length;
      const notes = [...new Set(skipped)].map((reason) => ` Skipped: ${count(reason)} ${reason}.`);
      summarize(
        flags,
        { steps: computed, same, different, skipped: skipped.length },
        `${same} of ${computed} steps have the same bytes.${notes.join('')}`,
      );
    });
}

const SAME = 'same';

async function compare({ address, manifest }: StoredStep, context: StepContext, scratch: string): Promise<string> {
  try {
    const again = await recompute(context, manifest, scratch);
    return again === address ? SAME : `DIFFERENT: ${again}`;
  } catch (error) {
    // A file that the step depends on is missing or has changed. The other steps can still be verified.
    if (!(error instanceof InputError)) throw error;
    return `DIFFERENT: ${error.message}`;
  }
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

/** The steps behind the results of runs: of all rounds or of one round, with all step names or with one. */
async function chosenSteps(
  results: RoundResult[],
  round: number | undefined,
  name: string | undefined,
): Promise<StoredStep[]> {
  const store = await openStore();
  const behind = (of: RoundResult[]) =>
    stepsBehind(
      store,
      of.flatMap(({ policy, artifacts }) => [policy, artifacts.evaluation]),
    );
  if (round !== undefined && !results.some((result) => result.round === round))
    throw new InputError(`The run has no round ${round}: it has ${results.map((result) => result.round).join(', ')}.`);
  const before = round === undefined ? [] : await behind(results.filter((result) => result.round < round));
  const known = new Set(before.map(({ address }) => address));
  const steps = await behind(round === undefined ? results : results.filter((result) => result.round === round));
  return steps.filter(
    ({ address, manifest: { recipe } }) => !known.has(address) && (name ?? recipe.step) === recipe.step,
  );
}
