/** What the control worker runs. */
export { alignment } from './alignment.ts';
export { round } from './round.ts';
export { shardBlock } from './shards.ts';
