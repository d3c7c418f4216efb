/** The report: one page without scripts and without anything from elsewhere. */
import { readFileSync } from 'node:fs';
import { stringify } from 'yaml';
import type { RunConfig } from '../workflows/config.ts';
import type { RunStatus } from '../workflows/status.ts';
import { answersSection } from './answers.ts';
import type { Origin, RoundArtifacts } from './artifacts.ts';
import { figures } from './figures.ts';
import { html, Html } from './html.ts';
import { HEAD, roundNotes, roundRows } from './rounds.ts';
import type { StepTime } from './times.ts';

export interface Report {
  config: RunConfig;
  status: RunStatus;
  rounds: RoundArtifacts[];
  origins: Origin[];
  times: StepTime[];
  /** What an hour of a machine that runs the model costs. */
  price?: number;
}

const STYLE = new Html(readFileSync(new URL('./style.css', import.meta.url), 'utf8'));

export function page(report: Report): string {
  const { config, status, rounds } = report;
  const title = `selm: ${status.name}`;
  const { text } = html`<!doctype html>
    <html lang="en">
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content="light dark" />
      <title>${title}</title>
      <style>
        ${STYLE}
      </style>
      <main>
        <h1>${status.name}</h1>
        <p class="lead">${lead(report)}</p>
        ${table('rounds', HEAD, roundRows(status))}
        <p class="note">
          On ${status.start?.prompts} held-out prompts. Win rate, KL (nats per answer) and scores are of greedy answers,
          against the start's; a tie counts half; intervals are 95 %, bootstrap over prompts.
        </p>
        ${notes(status)}
        <section>
          <h2>Measurements</h2>
          ${figures(status, rounds)}
        </section>
        ${answersSection(rounds)} ${costSection(report)} ${lineageSection(report)}
        <section>
          <h2>Configuration</h2>
          <details>
            <summary>As the run was started${(status.changes?.length ?? 0) > 0 && '; changed on the way'}</summary>
            <pre>${stringify(config)}</pre>
          </details>
          ${(status.changes ?? []).map(
            ({ from, settings }) =>
              html`<p>From round ${from} on:</p>
                <pre>${stringify(settings)}</pre>`,
          )}
        </section>
      </main>
    </html> `;
  return text;
}

function lead({ config, status: { state, results, rounds, policy, version } }: Report): Html {
  const accepted = results.filter((result) => result.accepted).length;
  return html`<b>${config.model}</b>, ${config.optimize.objective.name} with labels of the ${config.label.by}: ${state},
    ${results.length} of ${rounds} rounds, ${accepted}
    accepted${policy !== undefined && html`; policy ${short(policy)}`}${version !== undefined && html`, <code>${config.name}@${version}</code>`}.`;
}

/** What an operator should know: in sentences. */
const notes = (status: RunStatus): Html[] =>
  [...roundNotes(status), ...status.repairs, ...status.skipped.map((round) => `Round ${round} was skipped.`)].map(
    (line) => html`<p class="warning">${line}</p>`,
  );

export function table(name: string, head: string[], rows: (string | Html)[][]): Html {
  return html`<div class="scroll">
    <table id="${name}">
      <thead>
        <tr>
          ${head.map((cell) => html`<th>${cell}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell) => html`<td>${cell}</td>`)}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`;
}

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
  rows.push(['all', '', duration(sum(({ seconds }) => seconds)), duration(total), duration(sum(({ controlSeconds }) => controlSeconds)), ...(price === undefined ? [] : [cost(total)])]); // prettier-ignore
  return html`<section>
    <h2>Time${price !== undefined && ' and cost'}</h2>
    ${table('times', head, rows)}
    <p class="note">
      Time is from a step's first activity on its queue to the end of its last, waiting included; a worker's time is
      that of the attempts that ended well. Steps that were found made took
      none.${price !== undefined && ` Cost is the model workers' time at ${price} an hour.`}
    </p>
  </section>`;
}

function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const short = (address: string) => html`<code title="${address}">${address.slice(0, 12)}</code>`;

function lineageSection({ status: { name }, origins }: Report): Html {
  const names = new Map(origins.map(({ address, title }) => [address, title]));
  const entry = ({ title, address, recipe, sha256 }: Origin) =>
    html`<details>
      <summary>${title} ${short(address)}</summary>
      <p>
        Made by <b>${recipe.step}</b>, engine ${recipe.engineVersion}, seed ${recipe.seed}, from
        ${Object.entries(recipe.inputs).map(([role, input]) => html`${role} ${short([input].flat()[0] ?? '')}${[input].flat().length > 1 && ` and ${[input].flat().length - 1} more`} (${names.get([input].flat()[0]) ?? role}); `)}${Object.keys(recipe.inputs).length === 0 && 'what came from outside'}
      </p>
      <pre>${stringify(recipe.parameters)}</pre>
      <ul>
        ${sha256.map((file) => html`<li>${file.path} <code class="hash">sha256 ${file.sha256}</code></li>`)}
      </ul>
    </details> `;
  return html`<section>
    <h2>Lineage</h2>
    <p class="note">
      Every artifact is named by the SHA-256 of its manifest, which names its files by theirs, and what it was made of.
      <code>selm verify ${name}</code> makes all of it again and compares.
    </p>
    ${origins.map(entry)}
  </section>`;
}
