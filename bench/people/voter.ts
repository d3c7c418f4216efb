/** A simulated voter of known noise. The task's verifier decides which response is better. */
import { readLabels } from '../../activities/label.ts';
import { readQuestions } from '../../activities/people/questions.ts';
import { SKIPS, VOTES } from '../../activities/people/votes.ts';
import { defineStep } from '../../activities/step.ts';
import type { Address } from '../../artifacts/manifest.ts';
import { uniform } from '../../data/random.ts';
import type { LabelRecord } from '../../data/records.ts';
import type { Verdict } from '../../labelers/labeler.ts';
import { verdictOn } from '../../labelers/labels.ts';
import type { QuestionRecord, VoteRecord } from '../../labelers/people/protocol.ts';

interface VoterInput {
  questions: Address;
  /** The verifier's labels of the round's responses, one artifact per shard. */
  labels: Address[];
  /** The probability that a voter prefers the worse response. */
  noise: number;
  seed: number;
}

/** One vote for each that is wanted. */
export const simulateVotes = defineStep({
  name: 'simulateVotes',
  kind: 'votes',
  reproducible: false,
  recipe: ({ questions, labels, noise, seed }: VoterInput) => ({
    parameters: { noise },
    inputs: { questions, labels },
    seed,
  }),
  run: async ({ parameters: { noise }, inputs: { questions, labels }, seed }, { context: { store }, folder }) => {
    const rows = new Map<string, LabelRecord>();
    for (const shard of labels) for (const row of await readLabels(store, shard)) rows.set(row.id, row);
    const votes = (await readQuestions(store, questions)).flatMap((question) =>
      Array.from({ length: question.votes! }, (_, voter) => {
        const [first, second] = question.candidates.map((index) => verdictOn(rows.get(question.prompt_id)!, index)!);
        const isWrong = uniform(seed, 'vote', question.prompt_id, voter) < noise;
        return voteOf(question, `voter-${voter}`, choiceBetween(first, second, isWrong));
      }),
    );
    await folder.writeRows(VOTES, votes);
    await folder.writeRows(SKIPS, []);
    return { votes: votes.length };
  },
});

/** Of two responses that follow equally many instructions, none is better. */
export function choiceBetween(first: Verdict, second: Verdict, isWrong: boolean): VoteRecord['choice'] {
  if (first.score === second.score) return first.pass ? 'tie' : 'both-bad';
  return first.score! > second.score! !== isWrong ? 0 : 1;
}

const voteOf = ({ id }: QuestionRecord, person: string, choice: VoteRecord['choice']): VoteRecord => ({
  question: id,
  person,
  choice,
  left: 0,
  seconds: 1,
  at: '2026-01-01T00:00:00.000Z',
});
