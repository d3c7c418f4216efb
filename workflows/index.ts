/** What the control worker runs. */
export { alignment } from './alignment.ts';
export { round } from './round.ts';
