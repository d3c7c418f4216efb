/** What a person sees who is asked nothing at the moment. The script looks again from time to time. */
import { html, type Html } from '../../report/html.ts';
import { onlyFromOthers } from '../../report/voting.ts';
import type { VotingProgress } from '../../workers/voting/voting-progress.ts';
import type { Voting } from '../../workers/voting/voting.ts';
import { labelPath } from './path.ts';
import { ownCounts } from './progress.ts';

export interface State {
  title: string;
  work: Html;
}

/** The run has no voting now. */
export const notAsking = (run: string): State => ({
  title: 'No questions at the moment',
  work: waiting(
    run,
    html`<p>
      Run ${run} asks for no votes at the moment. All votes of its last round are in, or the round was closed; the next
      questions come when its next round has sampled its responses.
    </p>`,
  ),
});

/** Others hold or have answered what is left. */
export const nothingLeft = (voting: Voting, progress: VotingProgress, person: string): State => ({
  title: 'Thank you',
  work: waiting(
    voting.run,
    html`<p>
        There is no question left for you in round ${voting.round} of run ${voting.run}. You gave
        ${ownCounts(progress, person)}.
      </p>
      ${progress.open > 0 && stillOpen(progress)}`,
  ),
});

function stillOpen({ open, fromOthers }: VotingProgress): Html {
  const [votes, they] = open === 1 ? ['vote', 'is'] : ['votes', 'are'];
  return html`<p>
    The ${open} ${votes} still to come ${they} of people who have not answered these questions yet.
    ${fromOthers > 0 && `${onlyFromOthers(fromOthers)}: somebody else is needed.`}
  </p>`;
}

/** The voting gives no questions. @param sentence why */
export const refused = (run: string, sentence: string): State => ({
  title: 'No questions at the moment',
  work: waiting(run, html`<p>${sentence}</p>`),
});

/** An answer is not taken. @param sentence why */
export const rejected = (run: string, sentence: string): State => ({
  ...refused(run, sentence),
  title: 'Nothing was changed',
});

const waiting = (run: string, content: Html): Html =>
  html`<div data-waiting>${content}</div>
    <p>
      <a href="${labelPath(run)}">Look for questions again</a> · <a href="/label">All rounds that ask for votes</a>
    </p>`;
