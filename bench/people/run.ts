/** One run of the bench: the quickstart with votes of a simulated voter, on questions selected by a strategy. */
import { fileURLToPath } from 'node:url';
import { label } from '../../activities/label.ts';
import { ask } from '../../activities/people/ask.ts';
import { tally } from '../../activities/people/tally.ts';
import type { StepContext } from '../../activities/step.ts';
import { loadConfig } from '../../config/load.ts';
import type { RunConfig } from '../../config/run.ts';
import { objectiveSchema } from '../../engine/protocol/settings.ts';
import type { Prepared } from '../../examples/quickstart/prepare.ts';
import type { AskSettings } from '../../labelers/people/settings.ts';
import { BETA } from '../study/methods.ts';
import type { RoundFigures, StudyRun } from '../study/results.ts';
import { inOrder, runRounds, type Sampled } from '../study/rounds.ts';
import { figuresOf, roundFigures } from '../study/run.ts';
import type { BenchSettings } from './results.ts';
import { simulateVotes } from './voter.ts';

/** Runs a strategy with a seed. @param told called after each round */
export async function runStrategy(
  context: StepContext,
  strategy: AskSettings['strategy'],
  seed: number,
  settings: BenchSettings,
  prepared: Prepared,
  told: (figures: RoundFigures) => void,
): Promise<StudyRun> {
  const config = configOf(seed, settings, prepared);
  const { start, rounds, failed } = await runRounds(context, config, (round) => told(roundFigures(round)), {
    labelRound: (sampled) => labelByVotes(context, sampled, strategy, settings),
  });
  return {
    method: strategy,
    seed,
    start: figuresOf(start),
    rounds: rounds.map(roundFigures),
    ...(failed !== undefined && { failed }),
  };
}

/** Asks, votes and tallies. */
async function labelByVotes(
  context: StepContext,
  { responses, policy, start, seed }: Sampled,
  strategy: AskSettings['strategy'],
  { votes, noise, threads }: BenchSettings,
) {
  const asking = { votes, overlap: 0, strategy, randomShare: 0 };
  const asked = await ask(context, { responses, policy, start, asking, beta: BETA, seed, threads }, {});
  const { address: questions } = asked;
  const truth = await inOrder(responses, (shard) =>
    label(context, { responses: shard, label: { by: 'verifier' }, threads }, {}),
  );
  const voted = await simulateVotes(context, { questions, labels: truth, noise, seed }, {});
  const counting = { votes: [voted.address], questions, aggregation: 'majority' as const, leaveOut: [] };
  return inOrder(responses, (shard) => tally(context, { ...counting, responses: shard }, {}));
}

/** The quickstart's configuration with DPO, and the bench's rounds, prompts and epochs. */
function configOf(
  seed: number,
  { rounds, promptsPerRound, epochs, threads }: BenchSettings,
  { model, train, heldOut }: Prepared,
): RunConfig {
  const file = fileURLToPath(new URL('../../examples/quickstart/config.yaml', import.meta.url));
  const prompts = { train, heldOut, perRound: promptsPerRound, tooLong: 'drop' as const };
  const config = loadConfig(file, { model, prompts, rounds, seed, threads });
  const objective = objectiveSchema.parse({ name: 'dpo', beta: BETA });
  return { ...config, optimize: { ...config.optimize, epochs, objective } };
}
