/** How far a voting is, without telling who voted how. */
import { counted } from '../../data/counted.ts';
import { html, type Html } from '../../report/html.ts';
import type { VotingProgress } from '../../workers/voting/voting-progress.ts';
import type { Voting } from '../../workers/voting/voting.ts';

/** What a person has answered, whatever the question: a count without gold questions would tell which they are. */
export function ownCounts({ byPerson }: VotingProgress, person: string): string {
  const { votes, further, skips } = byPerson[person] ?? { votes: 0, further: 0, skips: 0 };
  return `${counted(votes + further, 'vote')}${skips > 0 ? `, ${skips} skipped` : ''}`;
}

/** Whether a person has answered a question of the voting. */
export const hasAnswered = ({ byPerson }: VotingProgress, person: string): boolean => person in byPerson;

/** The votes of everybody: "131 votes, 2 used up by skips, 167 to go". */
export function roundCounts({ asked, votes, open }: VotingProgress): string {
  const usedUp = asked - votes - open;
  return `${counted(votes, 'vote')}, ${usedUp > 0 ? `${usedUp} used up by skips, ` : ''}${open} to go`;
}

/** The votes of everybody and of this person. */
export const progressHtml = (voting: Voting, progress: VotingProgress, person: string): Html =>
  html`<section id="progress" aria-label="Progress">
    <label
      >Round ${voting.round}: ${roundCounts(progress)}
      <progress value="${progress.asked - progress.open}" max="${progress.asked}"></progress>
    </label>
    <span>You: ${ownCounts(progress, person)} (with gold questions and repeats).</span>
    ${voting.deadline !== undefined && html`<span>Closes ${timeHtml(voting.deadline)}.</span>`}
  </section>`;

/** A time for people and for programs. */
export const timeHtml = (at: string): Html =>
  html`<time datetime="${at}">${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC</time>`;
