/** One run of the study: a task with a method's objective. */
import { readLabels } from '../../activities/label.ts';
import type { StepContext } from '../../activities/step.ts';
import type { Address } from '../../artifacts/manifest.ts';
import { objectiveSchema } from '../../engine/protocol/settings.ts';
import type { AnswerSummary } from '../../evaluation/comparison.ts';
import { measureFresh, measureStart } from './fresh.ts';
import type { Method } from './methods.ts';
import type { Figures, RoundFigures, StudyRun, StudySettings } from './results.ts';
import { labelByConfig, runRounds, type Round, type Sampled } from './rounds.ts';
import type { Setup, Task } from './tasks.ts';
import { measureUnseen, type UnseenPart } from './unseen.ts';

interface RunOptions {
  /** Called after each round. */
  told: (figures: RoundFigures) => void;
  /** By what training does not aim at the start policy and the last one are measured. */
  unseenParts: UnseenPart[];
}

/** Runs a method with a seed. */
export async function runMethod(
  context: StepContext,
  { task, setup }: { task: Task; setup: Setup },
  method: Method,
  seed: number,
  settings: StudySettings,
  { told, unseenParts }: RunOptions,
): Promise<StudyRun> {
  const { rounds: count, promptsPerRound, threads, freshPrompts: prompts } = settings;
  const base = setup.configOf({ seed, rounds: count, promptsPerRound, threads });
  const config = { ...base, optimize: { ...base.optimize, objective: objectiveSchema.parse(method.objective) } };
  const pairLabels = (labels: Address[]) => task.pairLabels?.(context, labels) ?? Promise.resolve(labels);
  const labelRound = async (sampled: Sampled) => pairLabels(await labelByConfig(context, config, sampled));
  const options = { labelRound, withKl: task.klByRound };
  const run = await runRounds(context, config, (round) => told(roundFigures(round)), options);
  const { start, startLabels, rounds, failed, policies, heldOut } = run;
  const input = { config, heldOut, prompts, pairLabels };
  const unseenOf = (policy: Address) => measureUnseen(context, config, policy, unseenParts);
  const passesOf = async (labels: Address[]) => (task.byPrompt ? { passes: await readPasses(context, labels) } : {});
  return {
    method: method.name,
    seed,
    start: { ...figuresOf(start), ...(await passesOf(startLabels)) },
    rounds: await Promise.all(
      rounds.map(async (round) => ({ ...roundFigures(round), ...(await passesOf(round.heldOutLabels)) })),
    ),
    startFresh: await measureStart(context, input, policies.start),
    ...(failed === undefined ? { fresh: await measureFresh(context, input, policies) } : { failed }),
    ...(unseenParts.length > 0 && {
      unseen: { last: await unseenOf(policies.last), start: await unseenOf(policies.start) },
    }),
  };
}

/** Which responses pass: 1 or 0 for each prompt. */
async function readPasses({ store }: StepContext, labels: Address[]): Promise<string> {
  const labeled = (await Promise.all(labels.map((shard) => readLabels(store, shard)))).flat();
  return labeled.map(({ candidates: [greedy] }) => (greedy.pass ? '1' : '0')).join('');
}

/** The results of a policy. */
export const figuresOf = ({ strictPassRate, meanScore, meanTokens }: AnswerSummary): Figures => ({
  strictPassRate: strictPassRate!,
  meanScore,
  tokens: meanTokens,
});

/** The results of a round. */
export const roundFigures = ({ round, label: labeled, evaluation }: Round): RoundFigures => ({
  round,
  preferences: labeled.preferences,
  ...figuresOf(evaluation),
  winRate: evaluation.against!.winRate,
  kl: evaluation.against!.kl,
});
