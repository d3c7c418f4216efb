/** Votings in memory, for tests of what the pages show. What a voting does with votes is tested on a real server. */
import { InputError } from '../../../data/errors.ts';
import type { VotingDesk } from '../../../web/label/desk.ts';
import type { Voting } from '../../../workers/voting/voting.ts';
import type { SkipRequest, VoteRequest } from '../../../workflows/people/protocol.ts';

export interface MemoryDesk extends VotingDesk {
  /** The answers in the order in which they came, with their questions. */
  answers: (({ vote: VoteRequest } | { skip: SkipRequest }) & { question: string })[];
  /** What claims are refused with. */
  refusal?: string;
  /** Whether votes come after the round has closed. */
  isLate?: true;
  voting: Voting | undefined;
  /** Goes wrong before the next answer is taken. */
  before?: () => Promise<void>;
}

/** A voting that asks everybody all questions in their order, with the first response on the left. */
export function memoryDesk(voting: Voting, questions: string[]): MemoryDesk {
  const [block] = voting.blocks;
  const undone = new Set<string>();
  const own = (person: string) =>
    desk.answers.filter((answer) => ('vote' in answer ? answer.vote : answer.skip).person === person);
  const claimOf = (person: string, question: string) => ({
    block,
    question,
    lease: `${question}/${person}/${own(person).length}`,
    left: 0 as const,
    expires: new Date(Date.now() + 900_000).toISOString(),
    ...(undone.has(`${question}/${person}`) && { undo: true as const }),
  });
  const nextOf = (person: string) =>
    questions.find((question) => own(person).every((answer) => answer.question !== question));
  const take = async ({ person, lease }: { person: string; lease: string }) => {
    await desk.before?.();
    const question = nextOf(person);
    if (question === undefined || claimOf(person, question).lease !== lease)
      throw new InputError('The question is not held for you any more: answer the next one.');
    return question;
  };
  const desk: MemoryDesk = {
    voting,
    answers: [],
    open: async () => (desk.voting ? [desk.voting] : []),
    of: async (run) => (run === desk.voting?.run ? desk.voting : undefined),
    async claim(_voting, person) {
      if (desk.refusal !== undefined) throw new InputError(desk.refusal);
      const question = nextOf(person);
      return question === undefined ? undefined : claimOf(person, question);
    },
    async vote(_run, _block, vote) {
      desk.answers.push({ vote, question: await take(vote) });
      return desk.isLate ? 'late' : 'recorded';
    },
    async skip(_run, _block, skip) {
      desk.answers.push({ skip, question: await take(skip) });
    },
    async undo(_voting, person) {
      const last = own(person).at(-1);
      if (!last) throw new InputError('There is no answer of yours to undo.');
      desk.answers.splice(desk.answers.indexOf(last), 1);
      undone.add(`${last.question}/${person}`);
      return claimOf(person, last.question);
    },
    async progress() {
      const byPerson: Record<string, { votes: number; further: number; skips: number; last: string }> = {};
      for (const answer of desk.answers) {
        const { person } = 'vote' in answer ? answer.vote : answer.skip;
        const { votes, skips } = byPerson[person] ?? { votes: 0, skips: 0 };
        const isVote = 'vote' in answer;
        byPerson[person] = {
          votes: votes + Number(isVote),
          further: 0,
          skips: skips + Number(!isVote),
          last: new Date().toISOString(),
        };
      }
      const votes = desk.answers.filter((answer) => 'vote' in answer).length;
      const open = Math.max(0, questions.length - votes);
      return {
        asked: questions.length,
        votes,
        open,
        fromOthers: 0,
        skips: desk.answers.length - votes,
        leases: 0,
        byPerson,
        perHour: 0,
      };
    },
  };
  return desk;
}
