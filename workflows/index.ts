/** Exports of the control workers' workflows. */
export { alignment } from './alignment.ts';
export { round } from './round.ts';
export { shardBlock } from './shards.ts';
export { voteBlock } from './people/block.ts';
