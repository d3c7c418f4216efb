/** The report of a run: one page without scripts and external resources. */
import { stringify } from 'yaml';
import { versionsOf } from '../artifacts/manifest.ts';
import type { RunConfig } from '../config/run.ts';
import type { RunStatus } from '../workflows/status.ts';
import { answersSection } from './answers.ts';
import type { Origin, RoundArtifacts } from './artifacts.ts';
import { benchmarksSection } from './benchmarks.ts';
import { describeFailure } from './failure.ts';
import { figures } from './figures.ts';
import { html, type Html } from './html.ts';
import { layout, short, table } from './layout.ts';
import { peopleSection } from './people.ts';
import { HEAD, roundNotes, roundRows } from './rounds.ts';
import { duration, type StepTime } from './times.ts';

/** The data of a report. */
export interface Report {
  config: RunConfig;
  status: RunStatus;
  rounds: RoundArtifacts[];
  origins: Origin[];
  times: StepTime[];
  /** Price per hour of a machine that runs the model. */
  price?: number;
}

/** The report as a complete page. */
export const page = (report: Report): string =>
  layout(`selm: ${report.status.name}`, html`${heading(report)}${content(report)}`);

/** The heading of the report: the run's name and state, and what computes it. */
export function heading(report: Report): Html {
  const { name, promise } = report.status;
  return html`<h1>${name}</h1>
    <p class="lead">${lead(report)}</p>
    ${promise !== undefined && html`<p class="note">${promise}</p>`}`;
}

/** What follows the heading, to embed in other pages. For a run in progress it contains the results so far. */
export function content(report: Report): Html {
  const { config, status, rounds } = report;
  const { start } = status;
  return html` ${start && summary(status, start.prompts)} ${notes(status)}
    ${rounds.length > 0 && measurements(status, rounds)} ${benchmarksSection(report)} ${peopleSection(rounds)}
    ${answersSection(rounds)} ${costSection(report)} ${lineageSection(report)} ${decisionsSection(status)}
    <section>
      <h2>Configuration</h2>
      <details>
        <summary>As the run was started${(status.changes?.length ?? 0) > 0 && '; changed since'}</summary>
        <pre>${stringify(config)}</pre>
      </details>
      ${(status.changes ?? []).map(
        ({ from, settings }) =>
          html`<p>From round ${from} on:</p>
            <pre>${stringify(settings)}</pre>`,
      )}
    </section>`;
}

/** The decisions of operators. Absent if there are none. */
function decisionsSection(status: RunStatus): Html | undefined {
  const { decisions = [], earlierDecisions } = status;
  if (decisions.length === 0) return undefined;
  const rows = decisions.map(({ at, by = '', decision, round, settings = [] }) => [
    at,
    by,
    decision,
    round === undefined ? '' : `round ${round}`,
    settings.join(', '),
  ]);
  return html`<section>
    <h2>Decisions</h2>
    ${table('decisions', ['at', 'by', 'decision', '', 'settings'], rows)}
    ${earlierDecisions !== undefined && html`<p class="note">${earlierDecisions} earlier ones are not listed.</p>`}
  </section>`;
}

const summary = (status: RunStatus, prompts: number): Html =>
  html`${table('rounds', HEAD, roundRows(status))}
    <p class="note">
      On ${prompts} held-out prompts. Win rate, KL and scores are of greedy responses, against the start policy's; a tie
      counts half; intervals are 95 %, bootstrap over prompts. KL is KL(policy || start) in nats per response, summed
      over the vocabulary at every token; “sampled” is along responses sampled at temperature 1.
    </p>`;

const measurements = (status: RunStatus, rounds: RoundArtifacts[]): Html =>
  html`<section>
    <h2>Measurements</h2>
    ${figures(status, rounds)}
  </section>`;

function lead({ config, status: { state, results, rounds, policy, version } }: Report): Html {
  const accepted = results.filter((result) => result.accepted).length;
  const address = policy !== undefined && html`; policy ${short(policy)}`;
  const release = version !== undefined && html`, <code>${config.name}@${version}</code>`;
  return html`<b>${config.model}</b>, ${config.optimize.objective.name}, labeled by ${config.label.by}: ${state},
    ${results.length} of ${rounds} rounds, ${accepted} accepted${address}${release}.`;
}

/** Messages about failures, warnings and repairs. */
const notes = (status: RunStatus): Html[] =>
  [
    ...(status.failure ? [describeFailure(status, status.failure)] : []),
    ...roundNotes(status),
    ...status.repairs,
    ...status.skipped.map((round) => `Round ${round} was skipped.`),
  ].map((line) => html`<p class="warning">${line}</p>`);

function costSection({ times, price }: Report): Html {
  const cost = (seconds: number) => ((seconds / 3600) * price!).toFixed(2);
  const head = ['', 'step', 'time', 'model workers', 'other workers', ...(price === undefined ? [] : ['cost'])];
  const rows = times.map(({ round, step, seconds, modelSeconds, controlSeconds }) => [
    round === undefined ? '' : `round ${round}`,
    step,
    duration(seconds),
    duration(modelSeconds),
    duration(controlSeconds),
    ...(price === undefined ? [] : [cost(modelSeconds)]),
  ]);
  const sum = (of: (time: StepTime) => number) => times.reduce((total, time) => total + of(time), 0);
  const total = sum(({ modelSeconds }) => modelSeconds);
  rows.push([
    'all',
    '',
    duration(sum(({ seconds }) => seconds)),
    duration(total),
    duration(sum(({ controlSeconds }) => controlSeconds)),
    ...(price === undefined ? [] : [cost(total)]),
  ]);
  return html`<section>
    <h2>Time${price !== undefined && ' and cost'}</h2>
    ${table('times', head, rows)}
    <p class="note">
      Time is from a step's first activity on its task queue to the end of its last, waiting included. A worker's time
      is that of successful attempts. Steps that reused artifacts took
      none.${price !== undefined && ` Cost is the model workers' time at ${price} an hour.`}
    </p>
  </section>`;
}

function lineageSection({ status: { name }, origins }: Report): Html {
  const names = new Map(origins.map(({ address, title }) => [address, title]));
  const inputs = (of: Origin['recipe']['inputs']): Html | string => {
    const roles = Object.entries(of).map(([role, input]) => {
      const [first = '', ...others] = [input].flat();
      const more = others.length > 0 && ` and ${others.length} more`;
      return html`${role} ${short(first)}${more} (${names.get(first) ?? role}); `;
    });
    return roles.length > 0 ? html`${roles}` : 'external files';
  };
  const entry = ({ title, address, recipe, sha256 }: Origin) =>
    html`<details>
      <summary>${title} ${short(address)}</summary>
      <p>
        Computed by <b>${recipe.step}</b>${versionsOf(recipe) && ` (${versionsOf(recipe)!})`}, seed ${recipe.seed}, from
        ${inputs(recipe.inputs)}
      </p>
      <pre>${stringify(recipe.parameters)}</pre>
      <ul>
        ${sha256.map((file) => html`<li>${file.path} <code class="hash">sha256 ${file.sha256}</code></li>`)}
      </ul>
    </details> `;
  return html`<section>
    <h2>Lineage</h2>
    <p class="note">
      An artifact's address is the SHA-256 of its manifest, which lists its files with their SHA-256 and its recipe.
      <code>selm verify ${name}</code> computes all of it again and compares.
    </p>
    ${origins.map(entry)}
  </section>`;
}
