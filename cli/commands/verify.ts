import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { compareArtifact } from '../../activities/compare.ts';
import { recompute, REPRODUCIBLE, stepsBehind, whyNotRecomputed, type StoredStep } from '../../activities/recompute.ts';
import { findRelease, listReleases, type NamedRelease } from '../../activities/release.ts';
import type { StepContext } from '../../activities/step.ts';
import { LocalStore } from '../../artifacts/local-store.ts';
import { versionsOf } from '../../artifacts/manifest.ts';
import { isPolicyName } from '../../artifacts/names.ts';
import { InputError } from '../../data/errors.ts';
import { promisesBits, type ComputeSettings } from '../../engine/protocol/compute.ts';
import { cacheFolder } from '../../workers/places.ts';
import { openStore } from '../../workers/store.ts';
import type { MeasuredBenchmark, RoundResult } from '../../workflows/status.ts';
import { FAILED } from '../../data/exit-codes.ts';
import { readRound } from '../round-argument.ts';
import { jsonOption, summarize, withEngine } from '../step.ts';

/** `selm verify`: compute the steps of runs again and compare the results. */
export function verifyCommand(): Command {
  return new Command('verify')
    .description(
      "Compute a run's steps again from their inputs, and compare the results: byte by byte, and numbers within a tolerance on GPUs.",
    )
    .argument('<run>', "The run's name, or a version of it: NAME@3.")
    .option('--round <n>', 'Only the steps of this round.', readRound)
    .addOption(new Option('--step <name>', 'Only steps of this name.').choices(REPRODUCIBLE))
    .addOption(jsonOption())
    .action(async (run: string, flags: { round?: number; step?: string; json?: boolean }) => {
      const store = await openStore();
      const { results, benchmarks } = await findRun(run);
      const steps = await chosenSteps(results, benchmarks, flags.round, flags.step);
      const different: string[] = [];
      const close: string[] = [];
      const skipped: string[] = [];
      const scratch = await mkdtemp(join(tmpdir(), 'selm-verify-'));
      try {
        await withEngine(async (engine) => {
          const context = { store, engine, cacheFolder: cacheFolder() };
          for (const step of steps) {
            const reason = await whySkipped(step, context);
            const { outcome, text }: Verdict =
              reason === undefined
                ? await compare(step, context, scratch)
                : { outcome: 'skipped', text: `skipped: ${reason}` };
            console.error(`${step.manifest.recipe.step.padEnd(12)} ${step.address.slice(0, 12)} ${text}`);
            if (reason !== undefined) skipped.push(reason);
            if (outcome === 'close') close.push(step.address);
            if (outcome === 'different') different.push(step.address);
          }
        });
      } finally {
        await rm(scratch, { recursive: true });
      }
      if (different.length > 0) process.exitCode = FAILED;
      const computed = steps.length - skipped.length;
      const same = computed - close.length - different.length;
      const count = (reason: string) => skipped.filter((other) => other === reason).length;
      const notes = [...new Set(skipped)].map((reason) => ` Skipped: ${count(reason)} ${reason}.`);
      summarize(
        flags,
        { steps: computed, same, close, different, skipped: skipped.length },
        `${same} of ${computed} steps have the same bytes.${
          close.length === 0 ? '' : ` ${close.length} that GPUs computed have the same numbers within the tolerance.`
        }${notes.join('')}`,
      );
    });
}

/** Why a step is not computed again. Its backend may not be installed here. */
async function whySkipped({ manifest: { recipe } }: StoredStep, context: StepContext): Promise<string | undefined> {
  try {
    return await whyNotRecomputed(recipe, context);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return `computed by ${versionsOf(recipe)}, which does not run here (${error.message})`;
  }
}

interface Verdict {
  /** `close`: other bytes, but the same numbers within the tolerance, where the same bits are not promised. */
  outcome: 'same' | 'close' | 'different' | 'skipped';
  text: string;
}

async function compare(step: StoredStep, context: StepContext, scratch: string): Promise<Verdict> {
  const { address, manifest } = step;
  try {
    const again = await recompute(context, manifest, scratch);
    if (again === address) return { outcome: 'same', text: 'same' };
    if (promisesBits(manifest.recipe.parameters as ComputeSettings))
      return { outcome: 'different', text: `DIFFERENT: ${again}` };
    const { size, text } = await compareArtifact(context.store, step, await new LocalStore(scratch).open(again));
    return size <= 1
      ? { outcome: 'close', text: `within the tolerance: ${text}` }
      : { outcome: 'different', text: `DIFFERENT: ${text}` };
  } catch (error) {
    // A file that the step depends on is missing or has changed. The other steps can still be verified.
    if (!(error instanceof InputError)) throw error;
    return { outcome: 'different', text: `DIFFERENT: ${error.message}` };
  }
}

interface Lineage {
  results: RoundResult[];
  /** Absent in releases of runs without benchmarks. */
  benchmarks?: MeasuredBenchmark[];
}

async function findRun(run: string): Promise<Lineage> {
  const isIt = ({ release }: NamedRelease) => (release.lineage as { run: string }).run === run;
  const found = isPolicyName(run)
    ? await findRelease(await openStore(), run)
    : (await listReleases(await openStore())).findLast(isIt)?.release;
  if (!found)
    throw new InputError(`No run "${run}" has made a policy that this store knows: selm policies lists them.`);
  return found.lineage as Lineage;
}

/** The steps behind the results of runs: of all rounds or of one round, with all step names or with one. */
async function chosenSteps(
  results: RoundResult[],
  benchmarks: MeasuredBenchmark[] = [],
  round: number | undefined,
  name: string | undefined,
): Promise<StoredStep[]> {
  const store = await openStore();
  // The start policy is measured before the first round.
  const benchmarksOf = (number: number) =>
    benchmarks.flatMap((measured) => (Math.max(1, measured.round) === number ? (measured.address ?? []) : []));
  const behind = (of: RoundResult[]) =>
    stepsBehind(
      store,
      of.flatMap(({ round: number, policy, artifacts }) => [policy, artifacts.evaluation, ...benchmarksOf(number)]),
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
