/** The steps of the current round, and the activities that are running or waiting for a retry. */
import { lineChart } from '../report/charts.ts';
import { html, type Html } from '../report/html.ts';
import { table } from '../report/layout.ts';
import { votingLines, type VotingView } from '../report/voting.ts';
import type { PendingActivity, RunProgress } from '../workers/runs/progress.ts';
import { STEPS, type StepStatus } from '../workflows/status.ts';
import type { Section } from './live/sections.ts';

/** @param progress of a run in progress */
export const nowSection = (progress: RunProgress | undefined): Section => ({
  id: 'run-now',
  content: progress ? now(progress) : html``,
});

function now({ status, round, voting, pending }: RunProgress): Html {
  const steps = round && STEPS.map((step) => [step, stateOf(round.steps[step]), counted(round.steps[step])]);
  return html`<section>
    <h2>Now</h2>
    ${steps && table('steps', [`round ${round.round}`, '', 'activities'], steps)}
    ${voting && votes(status.name, voting)}
    ${pending.length > 0 && table('activities', ['activity', 'attempt', 'progress', ''], pending.map(activity))}
    ${pending.map(lossOf)} ${!steps && pending.length === 0 && html`<p>No activity is running.</p>`}
  </section>`;
}

/** How far a voting is, and from whom the votes are. What people have voted is not shown. */
function votes(run: string, voting: VotingView): Html {
  const people = Object.entries(voting.byPerson).toSorted(([, a], [, b]) => b.votes - a.votes);
  const rows = people.map(([person, own]) => [person, String(own.votes), String(own.further), String(own.skips)]);
  return html`<h3>Votes</h3>
    <progress aria-label="Votes that are in" max="${voting.asked}" value="${voting.votes}"></progress>
    ${votingLines(run, voting).map((line) => html`<p>${line}</p>`)}
    ${rows.length > 0 && table('voters', ['person', 'votes', 'gold and repeats', 'skipped'], rows)}`;
}

const stateOf = ({ state, reused, total }: StepStatus) =>
  state === 'done' && total > 0 && reused === total ? 'reused' : state;

const counted = ({ state, done, total }: StepStatus) => (state === 'waiting' ? '' : `${done} of ${total}`);

/** The loss of a training in progress. */
function lossOf({ name, progress }: PendingActivity): Html | undefined {
  if (!progress?.losses || progress.losses.length < 2) return undefined;
  const title = `Training loss so far (${name})`;
  const steps = { name: 'optimizer step', min: 0, max: progress.total };
  return html`<figure>
    <figcaption>${title}</figcaption>
    ${lineChart(title, steps, { name: '' }, [{ name: 'loss', points: progress.losses }])}
  </figure>`;
}

const activity = ({ name, attempt, progress, lastFailure }: PendingActivity): (string | Html)[] => [
  name,
  String(attempt),
  progress ? `${progress.done} of ${progress.total} ${progress.unit}` : '',
  html`<div class="remark">${lastFailure !== undefined && `failed before: ${lastFailure}`}</div>`,
];
