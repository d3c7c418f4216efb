/** The page of a run: its report and, while it is in progress, its state, its activities and the decisions about it. */
import type { Client } from '@temporalio/client';
import type { Context } from 'hono';
import type { ReadableStore } from '../artifacts/store.ts';
import { InputError } from '../data/errors.ts';
import { DECISION_WORDS } from '../report/decisions.ts';
import { html, type Html } from '../report/html.ts';
import { content, heading, type Report } from '../report/page.ts';
import { readReport } from '../report/read.ts';
import { readRecord } from '../workers/runs/history.ts';
import { readProgress } from '../workers/runs/progress.ts';
import { findRun } from '../workers/runs/runs.ts';
import { DECISIONS, type DecisionRecord } from '../workflows/decision-log.ts';
import type { RunStatus } from '../workflows/status.ts';
import { assetUrl } from './assets.ts';
import type { WebEnv } from './identity.ts';
import { liveArea, type Section, type Snapshot } from './live/sections.ts';
import type { Page } from './page.ts';
import { nowSection } from './run-now.ts';
import { stateSection } from './run-state.ts';

/** The name of a run. The name of a scheduled run contains its start time. */
export const NAME = /^[\w.:-]+$/;

/** Timeout of queries to a run; shorter than for commands. */
const ANSWER_SECONDS = 3;

/** Reads what the page of a run shows. The report is read again only if the run's status has changed. */
export class RunView {
  readonly name: string;
  readonly #client: Client;
  readonly #store: ReadableStore;
  #report?: { of: string; sections: { heading: Section; results: Section }; status: RunStatus };

  constructor(client: Client, store: ReadableStore, name: string) {
    this.name = name;
    this.#client = client;
    this.#store = store;
  }

  /** @throws InputError when there is no such run, or it failed without results */
  async read(): Promise<Snapshot> {
    if (!NAME.test(this.name)) throw new InputError(`There is no run named "${this.name}".`);
    const handle = await findRun(this.#client, this.name);
    const isRunning = (await handle.describe()).status.name === 'RUNNING';
    const progress = isRunning
      ? await this.#client.withDeadline(Date.now() + ANSWER_SECONDS * 1000, () => readProgress(this.#client, handle))
      : undefined;
    const { sections, status } = await this.#readReport(progress?.status);
    const ended = hasEnded(status);
    const shown = ended ? undefined : progress;
    const all = (isOperator: boolean) => [
      sections.heading,
      stateSection(shown?.status, isOperator),
      nowSection(shown),
      sections.results,
    ];
    return { sections: { viewer: all(false), operator: all(true) }, ended };
  }

  /** Of the last reading. */
  get lastDecision(): DecisionRecord | undefined {
    return this.#report?.status.decisions?.at(-1);
  }

  /** @param status of a run in progress */
  async #readReport(status?: RunStatus) {
    const of = JSON.stringify(status) ?? 'ended';
    if (this.#report?.of !== of) {
      const record = await readRecord(this.#client, this.name, ANSWER_SECONDS);
      const report = await readReport(this.#store, { ...record, ...(status && { status }) });
      this.#report = { of, sections: sectionsOf(report), status: report.status };
    }
    return this.#report;
  }
}

const sectionsOf = (report: Report) => ({
  heading: { id: 'run-heading', content: heading(report) },
  results: { id: 'run-results', content: content(report) },
});

const hasEnded = ({ state }: RunStatus) => state === 'done' || state === 'stopped';

/** The page of a run. @throws InputError when there is no such run, or the run failed without results */
export async function runPage(view: RunView, c: Context<WebEnv>): Promise<Page> {
  const { name, roles } = c.get('identity');
  const { sections, ended } = await view.read();
  const shown = sections[roles.includes('operator') ? 'operator' : 'viewer'];
  return {
    title: view.name,
    content: html`${decided(view, c.req.query('decided'), name)}
    ${liveArea(`/runs/${encodeURIComponent(view.name)}/events`, shown)}`,
    changes: !ended,
    live: true,
    head: html`<link rel="stylesheet" href="${assetUrl('operate.css')}" />`,
  };
}

/** That a person's decision was carried out, after its form. A link can say so of the run's last decision only. */
function decided(
  { name, lastDecision }: RunView,
  given: string | undefined,
  person: string | undefined,
): Html | undefined {
  const decision = DECISIONS.find((one) => one === given);
  if (!decision || lastDecision?.decision !== decision || lastDecision.by !== person) return undefined;
  return html`<p class="done" role="status">${DECISION_WORDS[decision].done(name)}</p>`;
}
