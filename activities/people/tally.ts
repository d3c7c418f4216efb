/** tally: makes labels of people's votes, for one shard of a round's responses. */
import type { Address } from '../../artifacts/manifest.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { inTurns } from '../../data/in-turns.ts';
import type { AnsweredRecord, LabelRecord } from '../../data/records.ts';
import { sumCounts } from '../../labelers/labels.ts';
import { aggregate, type AggregateSettings } from '../../labelers/people/aggregate.ts';
import type { QuestionRecord, VoteRecord } from '../../labelers/people/protocol.ts';
import { countTally, labelOf, unasked } from '../../labelers/people/tally.ts';
import { isJudged } from '../../labelers/preferences.ts';
import { label, LABELS, readLabels, type LabelSummary } from '../label.ts';
import { readShards } from '../sample.ts';
import { defineStep } from '../step.ts';
import { readQuestions } from './questions.ts';
import { readVotes } from './votes.ts';

export interface TallyInput extends Pick<AggregateSettings, 'aggregation' | 'leaveOut'> {
  /** The votes of all blocks of the round. */
  votes: Address[];
  questions: Address;
  /** The shard. */
  responses: Address;
  /** Labels of the same shard by another labeler, for the prompts that nobody is asked about. */
  otherwise?: Address;
  /** Set if responses that were truncated at the length limit are not candidates. */
  truncated?: 'drop';
  /** Votes that came too late for the round. If given, only their questions get labels. */
  late?: Address;
}

/**
 * Makes labels of votes. By question, the votes of all people together give an answer (`aggregate`). A response that is better gets its
 * confidence p as the score, the other one 1 - p; if neither is better, both get 0.5, which is a tie. A question without votes gives no
 * score.
 */
export const tally = defineStep({
  name: 'tally',
  kind: 'labels',
  reproducible: true,
  recipe: ({ votes, questions, responses, otherwise, late, aggregation, leaveOut, truncated }: TallyInput) => ({
    parameters: { aggregation, leaveOut: leaveOut.toSorted(), ...(truncated && { truncated }) },
    inputs: {
      votes,
      questions,
      responses,
      ...(otherwise !== undefined && { otherwise }),
      ...(late !== undefined && { late }),
    },
    seed: 0,
  }),
  computedWith: () => undefined,
  run: async ({ parameters, inputs }, { context: { store }, folder }): Promise<LabelSummary> => {
    const { votes, late } = await readAllVotes(store, inputs);
    const { gold, asked } = await questionsOf(store, inputs);
    const { outcomes } = aggregate([...votes, ...late], { ...parameters, gold });
    const rows = await readShards(store, [inputs.responses]);
    const others = inputs.otherwise === undefined ? undefined : await readOtherwise(store, inputs.otherwise);
    const isLate = new Set(late.map(({ question }) => question));
    const labels = rows.flatMap((row: AnsweredRecord, i): LabelRecord[] => {
      const question = asked.get(row.id);
      if (inputs.late !== undefined && !(question && isLate.has(question.id))) return [];
      return [
        question
          ? labelOf(question, outcomes.get(question.id))
          : (others?.labels[i] ?? unasked(row, parameters.truncated)),
      ];
    });
    await folder.writeRows(LABELS, labels);
    const verdicts = labels.flatMap(({ candidates }) => candidates);
    const counted = labels.flatMap(({ id }) => asked.get(id) ?? []);
    const counts = countTally(counted, outcomes, [...votes, ...late], parameters.leaveOut);
    return {
      prompts: labels.length,
      candidates: verdicts.length,
      unjudged: verdicts.filter((verdict) => !isJudged(verdict)).length,
      counts: sumCounts([
        counts,
        ...(inputs.late === undefined ? [{ unasked: labels.length - counted.length }] : [{ lateVotes: late.length }]),
        ...(others ? [others.counts] : []),
      ]),
    };
  },
});

type Inputs = Pick<TallyInput, 'votes' | 'late' | 'questions' | 'responses'>;

async function readAllVotes(
  store: ArtifactStore,
  inputs: Inputs,
): Promise<{ votes: VoteRecord[]; late: VoteRecord[] }> {
  const blocks = await inTurns(inputs.votes, (block) => readVotes(store, block));
  return {
    votes: blocks.flatMap(({ votes }) => votes),
    late: inputs.late === undefined ? [] : (await readVotes(store, inputs.late)).votes,
  };
}

/** The questions about the shard's prompts, by the id of the prompt, and the ids of all gold questions. */
async function questionsOf(
  store: ArtifactStore,
  { questions, responses }: Inputs,
): Promise<{ asked: Map<string, QuestionRecord>; gold: Set<string> }> {
  const records = await readQuestions(store, questions);
  const { recipe } = await store.manifest(questions);
  const shard = [recipe.inputs['responses']].flat().indexOf(responses);
  const own = records.filter((question) => question.shard === shard);
  return {
    asked: new Map(own.map((question) => [question.prompt_id, question])),
    gold: new Set(records.filter((question) => question.gold !== undefined).map(({ id }) => id)),
  };
}

async function readOtherwise(store: ArtifactStore, otherwise: Address) {
  const { counts } = await label.readSummary(store, otherwise);
  return { labels: await readLabels(store, otherwise), counts };
}
