/** What is said of a round's votes: where it has too few prompts for them, and where somebody who is left out gave none. */
import { OVERLAPPING_VOTES } from './protocol.ts';

/**
 * @param wanted `label.votes`
 * @param most the votes that can be asked for
 * @returns one sentence; undefined if the votes suffice, up to the rounding of overlapping questions
 */
export const fewerVotesNote = (wanted: number, most: number, prompts: number): string | undefined =>
  most + OVERLAPPING_VOTES > wanted
    ? undefined
    : `label.votes is ${wanted}, but a round asks for at most ${most} votes: one question for each of its ${prompts} prompts; ` +
      'give it more prompts (prompts.perRound), or raise label.overlap.';

/**
 * @param leaveOut the people whose votes do not count
 * @param voters the people with votes
 * @param setting its name
 * @returns one sentence, which shows a misspelled name; undefined if everybody who is left out has voted
 */
export function notVotedNote(leaveOut: string[], voters: string[], setting = 'label.leaveOut'): string | undefined {
  const absent = leaveOut.filter((person) => !voters.includes(person));
  if (absent.length === 0) return undefined;
  const who = [...new Set(voters)].toSorted().join(', ');
  return (
    `${setting} names ${absent.join(', ')}, but there is no vote by ${absent.length === 1 ? 'that person' : 'these people'}; ` +
    (who === '' ? 'nobody has voted.' : `the people who have voted are ${who}.`)
  );
}
