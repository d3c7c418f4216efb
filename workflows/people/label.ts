/** The step `label` of a round in which people vote: ask, wait for the votes, and make labels of them. */
import type { AskInput } from '../../activities/people/ask.ts';
import type { GuidanceInput } from '../../activities/people/guidance.ts';
import type { Address } from '../../artifacts/manifest.ts';
import type { PeopleSettings, RoundLabelSettings } from '../../labelers/index.ts';
import type { VoteRecord } from '../../labelers/people/protocol.ts';
import type { AskSettings } from '../../labelers/people/settings.ts';
import { activitiesOf } from '../activities.ts';
import type { RunningStep } from '../place.ts';
import { runShards } from '../shards.ts';
import { votesOf } from './open-block.ts';
import type { takeVoting } from './voting.ts';

/** What people were asked in a round, and their votes. */
export interface Voted {
  questions: Address;
  /** The number of votes that were asked for. */
  asked: number;
  /** The number of prompts of the round. */
  prompts: number;
  /** One artifact per block. */
  votes: Address[];
  /** Everybody with a vote, also a late one; names may be repeated. Absent if an earlier version of selm took the votes. */
  voters?: string[];
  /** The round's responses, one artifact per shard. */
  responses: Address[];
  /** The responses that are the reference responses, by shard, if they are others. */
  references?: Address[];
}

/** Votes that came too late for the round whose questions they answer. */
export interface LateVotes {
  of: Voted;
  votes: VoteRecord[];
}

type Label = RoundLabelSettings & PeopleSettings;

interface PeopleInput extends Omit<AskInput, 'asking' | 'guidance' | 'truncated'> {
  label: Label;
  late: LateVotes[];
  /** Labels by `label.otherwise`, one artifact per shard. */
  otherwise?: Address[];
  /** By shard: responses of the start policy, if the objective needs them. */
  references?: Address[];
}

interface Asking {
  voting: ReturnType<typeof takeVoting>;
  isHalting: () => boolean;
  /** The questions of a voting that an operator has closed. */
  closeVoting?: Address;
}

interface PeopleLabels {
  /** One artifact per shard; then those of late votes. */
  labels: Address[];
  /** For each of `labels`, if the input has references. */
  references?: Address[];
  voted: Voted;
}

/** The number of activities that labelByPeople() runs, as far as it is known before: one more for each shard with late votes. */
export const peopleActivities = ({ label, late }: Pick<PeopleInput, 'label' | 'late'>, shards: number): number =>
  Number(guidanceOf(label) !== undefined) + 1 + shards + late.length;

/** @throws Halted when the round must end */
export async function labelByPeople(
  running: RunningStep,
  { voting, isHalting, closeVoting }: Asking,
  { label, late, otherwise, references, ...sampled }: PeopleInput,
): Promise<PeopleLabels> {
  const { control, model } = activitiesOf(running.place);
  const ticked = <R extends { reused: boolean }>(result: R): R => {
    running.tick(result.reused);
    return result;
  };
  const { truncated } = label;
  const given = guidanceOf(label);
  const guidance = given && ticked(await control.importGuidance(given)).address;
  const activities = label.strategy === 'random' ? control : model(running.pool);
  const asked = ticked(
    await activities.ask({
      ...sampled,
      asking: askingOf(label),
      ...(guidance !== undefined && { guidance }),
      truncated,
    }),
  );
  const { seed, responses } = sampled;
  const questions = asked.address;
  const close = closeVoting === questions;
  const { votes: collected, voters } = await voting.collect(
    { questions, summary: asked.summary, label, seed },
    { isHalting, close },
  );

  const { aggregation, leaveOut } = label;
  const tallying = { aggregation, leaveOut, ...(truncated === 'drop' && { truncated }) };
  const shards = responses.map((shard, i) => ({ responses: shard, ...(otherwise && { otherwise: otherwise[i] }) }));
  const labels = await runShards(running, 'tally', { ...tallying, questions, votes: collected }, shards);
  const lateReferences: Address[] = [];
  for (const { of, votes: further } of late) {
    const stored = ticked(await control.storeLateVotes({ questions: of.questions, votes: further }));
    const affected = stored.summary.shards;
    const shared = { ...tallying, questions: of.questions, votes: of.votes, late: stored.address };
    const own = affected.map((shard) => ({ responses: of.responses[shard] }));
    labels.push(...(await runShards(running, 'tally', shared, own)));
    lateReferences.push(...affected.map((shard) => (of.references ?? of.responses)[shard]));
  }
  return {
    labels,
    ...(references && { references: [...references, ...lateReferences] }),
    voted: {
      questions,
      asked: votesOf(asked.summary),
      prompts: asked.summary.prompts,
      votes: collected,
      ...(voters && { voters: [...voters, ...late.flatMap((of) => of.votes.map(({ person }) => person))] }),
      responses,
      ...(references && { references }),
    },
  };
}

/** The settings that select the questions. */
export const askingOf = ({ votes, overlap, strategy, randomShare, gold, goldShare }: PeopleSettings): AskSettings => ({
  votes,
  overlap,
  strategy,
  randomShare,
  ...(gold !== undefined && { goldShare }),
});

/**
 * What the activity that stores guidelines and gold questions gets. The client that started the run has read the guidelines.
 * @returns undefined if people get neither
 */
export function guidanceOf({ guidelines, gold }: PeopleSettings): GuidanceInput | undefined {
  if (guidelines === undefined && gold === undefined) return undefined;
  return {
    ...(guidelines !== undefined && { guidelines: (guidelines as { text: string }).text }),
    ...(gold !== undefined && { gold }),
  };
}
