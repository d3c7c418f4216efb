/** Work in shards: as many activities at once as a window allows, results in order. */
import { CancellationScope, executeChild } from '@temporalio/workflow';
import type { ControlActivities, ModelActivities } from '../activities/index.ts';
import type { Address } from '../artifacts/manifest.ts';
import type { LabelSettings } from '../labelers/index.ts';
import { needsEngine } from '../labelers/needs.ts';
import { control, model } from './activities.ts';

/** Activities of one step under way at the same time: more than there are workers, few enough for a history. */
const WINDOW = 32;

/** Shards in one workflow's history, about six events each. A step of more has a child workflow for every so many. */
const BLOCK = 256;
const BLOCKS_AT_ONCE = 2;

export interface Shard {
  from: number;
  to: number;
}

export function shardsOf(count: number, size: number): Shard[] {
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => ({
    from: i * size,
    to: Math.min(count, (i + 1) * size),
  }));
}

type Activities = ControlActivities & ModelActivities;
type Input<Activity extends keyof Activities> = Parameters<Activities[Activity]>[0];

/** An activity for some of a step's shards: what their inputs share, and what each has of its own. */
interface Block {
  activity: 'sample' | 'score' | 'label' | 'judge';
  /** With the settings of the labeler, of what labels. */
  shared: { label?: LabelSettings };
  shards: object[];
}

interface ShardResult {
  address: Address;
  reused: boolean;
}

/**
 * Runs an activity on every shard.
 * @param shared the input without what `shards` have each of their own
 * @param tick told as shards end: whether a shard's artifact was there already
 * @returns the artifacts, in the order of the shards
 */
export async function runShards<Activity extends Block['activity'], Own extends Partial<Input<Activity>>>(
  activity: Activity,
  shared: Omit<Input<Activity>, keyof Own>,
  shards: Own[],
  tick: (reused: boolean) => void,
): Promise<Address[]> {
  const take = ({ address, reused }: ShardResult) => {
    tick(reused);
    return address;
  };
  if (shards.length <= BLOCK) {
    return mapWindow(shards, WINDOW, async (shard) => take(await runShard({ activity, shared, shards }, shard)));
  }
  const blocks = shardsOf(shards.length, BLOCK).map(({ from, to }) => shards.slice(from, to));
  const results = await mapWindow(blocks, BLOCKS_AT_ONCE, async (block) => {
    const done = await executeChild(shardBlock, { args: [{ activity, shared, shards: block }] });
    return done.map(take);
  });
  return results.flat();
}

/** A workflow of its own for a block of shards. */
export function shardBlock(block: Block): Promise<ShardResult[]> {
  return mapWindow(block.shards, WINDOW, (shard) => runShard(block, shard));
}

async function runShard({ activity, shared }: Block, shard: object): Promise<ShardResult> {
  const { label } = shared;
  // Labels that no model makes leave the engines to others.
  const activities: object = label && !needsEngine(label) ? control : model;
  const run = (activities as Activities)[activity] as (input: object) => Promise<ShardResult>;
  const { address, reused } = await run({ ...shared, ...shard });
  return { address, reused };
}

/** Applies `work` to all items, at most `window` of them at a time; when one fails, the others under way are cancelled. */
function mapWindow<T, R>(items: T[], window: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = Array(items.length);
  let next = 0;
  const lane = async () => {
    while (next < items.length) {
      const i = next++;
      results[i] = await work(items[i]);
    }
  };
  const scope = new CancellationScope();
  return scope.run(async () => {
    try {
      await Promise.all(Array.from({ length: Math.min(window, items.length) }, lane));
      return results;
    } catch (error) {
      scope.cancel();
      throw error;
    }
  });
}
