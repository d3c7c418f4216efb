/** The addresses of decisions. */
import { DECISIONS, type Decision } from '../../workflows/decision-log.ts';

const slugOf = (decision: Decision) => decision.replace(' ', '-');

/** The route of all decisions: `/NAME/pause`, `/NAME/close-voting`. */
export const DECISION_ROUTE = `/:name/:decision{${DECISIONS.map(slugOf).join('|')}}`;

/** The decision of an address that DECISION_ROUTE matches. */
export const decisionAt = (slug: string): Decision => DECISIONS.find((decision) => slugOf(decision) === slug)!;

/** The address of the page that confirms a decision, and of its form. @param run the run's name */
export const decisionPath = (run: string, decision: Decision): string =>
  `/runs/${encodeURIComponent(run)}/${slugOf(decision)}`;
