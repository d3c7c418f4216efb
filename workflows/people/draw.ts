/** Which question a person is shown next, and which response on the left. */
import { unitHash } from './hash.ts';
import type { BlockInput } from './protocol.ts';
import { freeVotes, personOf, questionOf, type Answer, type BlockState, type Lease } from './state.ts';

/** A question is not repeated among a person's next answers, so that they judge it again rather than remember it. */
const REPEAT_DISTANCE = 3;

/** The question that a person is shown next, without the times of its lease. @returns undefined if none is left for them */
export function drawQuestion(
  input: BlockInput,
  state: BlockState,
  person: string,
  now: number,
): Pick<Lease, 'question' | 'left' | 'extra'> | undefined {
  const { seed, goldShare, repeatShare } = input;
  const question = nextQuestion(input, state, person, now);
  // Gold questions and repeats are shown among others only: they do not keep a person busy for whom there is nothing else.
  if (question === undefined) return undefined;
  const shown = state.people.find((known) => known.person === person)?.shown ?? 0;
  const draw = unitHash(seed, 'kind', person, shown);
  const own = state.answers.filter((answer) => personOf(answer) === person);
  if (draw < goldShare) {
    const gold = nextGold(input, own, person);
    if (gold !== undefined) return { question: gold, left: leftOf(seed, gold, person), extra: 'gold' };
  } else if (draw < goldShare + repeatShare) {
    const before = nextRepeat(own);
    if (before) return { question: questionOf(before), left: before.left === 0 ? 1 : 0, extra: 'repeat' };
  }
  return { question, left: leftOf(seed, question, person) };
}

const leftOf = (seed: number, question: string, person: string): 0 | 1 =>
  unitHash(seed, 'left', question, person) < 0.5 ? 0 : 1;

/** The first question that wants more votes than people answer it now, and that the person has not answered or skipped. */
function nextQuestion(input: BlockInput, state: BlockState, person: string, now: number): string | undefined {
  const free = freeVotes(input, state, now);
  const answered = new Set(state.answers.filter((answer) => personOf(answer) === person).map(questionOf));
  return input.list.find(({ id }) => free.get(id)! > 0 && !answered.has(id))?.id;
}

/** A gold question that the person has not been asked, drawn at random. */
function nextGold({ seed, gold }: BlockInput, own: Answer[], person: string): string | undefined {
  const answered = new Set(own.map(questionOf));
  const drawn = gold
    .filter((id) => !answered.has(id))
    .map((id) => ({ id, draw: unitHash(seed, 'gold', id, person) }))
    .sort((a, b) => a.draw - b.draw);
  return drawn[0]?.id;
}

/** The person's first vote that has not been repeated, unless it is one of the last. */
function nextRepeat(own: Answer[]): Answer | undefined {
  const repeated = new Set(own.filter(({ extra }) => extra === 'repeat').map(questionOf));
  return own
    .slice(0, -REPEAT_DISTANCE)
    .find((answer) => 'vote' in answer && answer.extra === undefined && !repeated.has(questionOf(answer)));
}
