/** The workflows that control workers run. */
export { alignment } from './alignment.ts';
export { round } from './round.ts';
export { shardBlock } from './shards.ts';
