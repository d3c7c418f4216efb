/** The list of rounds that ask for votes. */
import { html, type Html } from '../../report/html.ts';
import { table } from '../../report/layout.ts';
import type { Voting } from '../../workers/voting/voting.ts';
import type { VotingDesk } from './desk.ts';
import { framed } from './frame.ts';
import { labelPath } from './path.ts';
import { ownCounts, roundCounts, timeHtml } from './progress.ts';

const HEAD = ['run', 'round', 'votes', 'yours', 'closes'];

/** The page with all open votings. */
export async function openPage(desk: VotingDesk, person: string) {
  const votings = await desk.open();
  const rows = await Promise.all(votings.map((voting) => row(desk, voting, person)));
  const work =
    rows.length > 0
      ? table('votings', HEAD, rows)
      : html`<p>No run asks for votes at the moment. Questions come when a round has sampled its responses.</p>`;
  return framed({ title: 'Rounds that ask for your votes', work });
}

async function row(desk: VotingDesk, voting: Voting, person: string): Promise<(string | Html)[]> {
  const { run, round, deadline } = voting;
  const progress = await desk.progress(voting);
  return [
    html`<a href="${labelPath(run)}">${run}</a>`,
    String(round),
    roundCounts(progress),
    ownCounts(progress, person),
    deadline === undefined ? 'when all votes are in' : timeHtml(deadline),
  ];
}
