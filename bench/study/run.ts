/** One run of the study: the quickstart with a method's objective. */
import { fileURLToPath } from 'node:url';
import type { AnswerSummary } from '../../evaluation/comparison.ts';
import type { StepContext } from '../../activities/step.ts';
import { objectiveSchema } from '../../engine/protocol/settings.ts';
import type { Prepared } from '../../examples/quickstart/prepare.ts';
import { loadConfig } from '../../config/load.ts';
import type { RunConfig } from '../../config/run.ts';
import { BETA, type Method } from './methods.ts';
import type { Figures, RoundFigures, StudyRun, StudySettings } from './results.ts';
import { runRounds, type Round } from './rounds.ts';

/** Runs a method with a seed. @param told called after each round */
export async function runMethod(
  context: StepContext,
  method: Method,
  seed: number,
  settings: StudySettings,
  prepared: Prepared,
  told: (figures: RoundFigures) => void,
): Promise<StudyRun> {
  const config = configOf(method, seed, settings, prepared);
  const { start, rounds, failed } = await runRounds(context, config, (round) => told(roundFigures(round)));
  return {
    method: method.name,
    seed,
    start: figures(start),
    rounds: rounds.map(roundFigures),
    ...(failed !== undefined && { failed }),
  };
}

/** The quickstart's configuration with the method's objective, and the study's number of rounds and prompts. */
function configOf(
  { objective }: Method,
  seed: number,
  { rounds, promptsPerRound, threads }: StudySettings,
  { model, train, heldOut }: Prepared,
): RunConfig {
  const file = fileURLToPath(new URL('../../examples/quickstart/config.yaml', import.meta.url));
  const prompts = { train, heldOut, perRound: promptsPerRound, tooLong: 'drop' as const };
  const config = loadConfig(file, { model, prompts, rounds, seed, threads });
  const chosen = objectiveSchema.parse({ beta: BETA, ...objective });
  return { ...config, optimize: { ...config.optimize, objective: chosen } };
}

const figures = ({ strictPassRate, meanScore, meanTokens }: AnswerSummary): Figures => ({
  strictPassRate: strictPassRate!,
  meanScore,
  tokens: meanTokens,
});

const roundFigures = ({ round, label, evaluation }: Round): RoundFigures => ({
  round,
  preferences: label.preferences,
  ...figures(evaluation),
  winRate: evaluation.against!.winRate,
  kl: evaluation.against!.kl!,
});
