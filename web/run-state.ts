/** The state of a run in progress, and links to the decisions that are possible. */
import { html, type Html } from '../report/html.ts';
import { DECISIONS } from '../workflows/decision-log.ts';
import { refusalOf } from '../workflows/decisions.ts';
import type { RunStatus } from '../workflows/status.ts';
import type { Section } from './live/sections.ts';
import { decisionPath } from './operate/path.ts';

/**
 * @param status of a run in progress
 * @param isOperator whether to offer decisions
 */
export const stateSection = (status: RunStatus | undefined, isOperator: boolean): Section => ({
  id: 'run-state',
  content: status ? html`${state(status)}${isOperator && decisions(status)}` : html``,
});

/** Screen readers announce this line when it changes; the rest of the page changes too often for that. */
function state({ state, requested, round, rounds }: RunStatus): Html {
  const request = requested && state !== 'paused' ? `, ${requested} requested` : '';
  return html`<p id="state" role="status">
    ${state}${request}${round !== undefined && `, round ${round} of ${rounds}`}
  </p>`;
}

function decisions(status: RunStatus): Html {
  const possible = DECISIONS.filter((decision) => refusalOf(decision, status) === undefined);
  return html`<nav class="decisions" aria-label="Decisions">
    ${possible.map((decision) => html`<a class="button" href="${decisionPath(status.name, decision)}">${titleOf(decision)} …</a>`)}
  </nav>`;
}

const titleOf = (decision: string) => decision[0].toUpperCase() + decision.slice(1);
