/** Runs a step in shards: a limited number of concurrent activities, with results in order. */
import {
  ApplicationFailure,
  CancellationScope,
  executeChild,
  isCancellation,
  TemporalFailure,
} from '@temporalio/workflow';
import type { ControlActivities, ModelActivities } from '../activities/index.ts';
import type { Spent } from '../activities/spent.ts';
import type { Address } from '../artifacts/manifest.ts';
import type { PoolName } from '../config/pools.ts';
import type { LabelSettings } from '../labelers/index.ts';
import { needsEngine } from '../labelers/needs.ts';
import type { SamplerSettings } from '../openai/client/sampler-settings.ts';
import { activitiesOf } from './activities.ts';
import { summaryOf, type Place, type RunningStep } from './place.ts';
import { countFrom, Halted, isBudgetSpent, secondsLeft, secondsOfFailure, spend, spent } from './spending.ts';

/** Maximum concurrent activities of one step: more than the number of workers, but few enough for a history. */
const WINDOW = 32;

/** Shards per workflow history, at about six events each. A step with more shards runs a child workflow for each block of shards. */
const BLOCK = 256;
const BLOCKS_AT_ONCE = 2;

export interface Shard {
  from: number;
  to: number;
}

/** Splits `count` items into shards of at most `size`: half-open intervals of their indices. */
export function shardsOf(count: number, size: number): Shard[] {
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => ({
    from: i * size,
    to: Math.min(count, (i + 1) * size),
  }));
}

type Activities = ControlActivities & ModelActivities;
type Input<Activity extends keyof Activities> = Parameters<Activities[Activity]>[0];

/** Consecutive shards of a step: the activity, the part of its input that all shards share, and the part of each shard. */
interface Block {
  activity: 'sample' | 'divergence' | 'label' | 'tally' | 'reference' | 'labelHeldOut' | 'judge';
  /** Includes the settings of the labeler, if the step labels, and of the server, if a server samples. */
  shared: { label?: LabelSettings; server?: SamplerSettings };
  shards: object[];
  place: Place;
  /** The workers that compute it, if it needs a model. */
  pool: PoolName;
  /** The number of the step's shards before this block, and in all blocks. */
  offset: number;
  total: number;
  /** The GPU seconds that a block in a child workflow may spend. Undefined: no limit. */
  secondsLeft?: number;
}

/** A block of earlier versions of selm: it has the name of its step, but neither its position among the step's shards nor a pool. */
type EarlierBlock = Omit<Block, 'place' | 'pool' | 'offset' | 'total'> & Partial<Block> & { step?: Place['step'] };

/** The results of a block's shards. Only those of the first shards if the budget was spent before the last one. */
interface ShardBlockResult extends Spent {
  results: ShardResult[];
}

interface ShardResult {
  address: Address;
  reused: boolean;
}

/**
 * Runs an activity on every shard.
 * @param step notified when shards end
 * @param shared the activity's input without the properties of `shards`
 * @returns the artifacts, in the order of the shards
 * @throws Halted when the budget is spent before the last shard has started
 */
export async function runShards<Activity extends Block['activity'], Own extends Partial<Input<Activity>>>(
  { place, pool, tick }: RunningStep,
  activity: Activity,
  shared: Omit<Input<Activity>, keyof Own>,
  shards: Own[],
): Promise<Address[]> {
  const all: Block = { activity, shared, shards, place, pool, offset: 0, total: shards.length };
  const take = ({ address, reused }: ShardResult) => {
    tick(reused);
    return address;
  };
  const goOn = mayBegin(all);
  if (shards.length <= BLOCK) {
    const results = await mapWindow(shards, WINDOW, goOn, async (_, i) => take(await runShard(all, i)));
    return allOf(shards, results);
  }
  const blocks = shardsOf(shards.length, BLOCK);
  const results = await mapWindow(blocks, BLOCKS_AT_ONCE, goOn, async ({ from, to }) => {
    const done = await runBlock({ ...all, shards: shards.slice(from, to), offset: from });
    return done.map(take);
  });
  return allOf(shards, results.flat());
}

function allOf(shards: object[], addresses: Address[]): Address[] {
  if (addresses.length < shards.length) throw new Halted();
  return addresses;
}

async function runBlock(block: Block): Promise<ShardResult[]> {
  const left = secondsLeft();
  const { offset, shards, total } = block;
  try {
    const { results, seconds } = await executeChild(shardBlock, {
      args: [{ ...block, ...(left < Infinity && { secondsLeft: left }) }],
      staticSummary: `${summaryOf(block.place)} shards ${offset + 1} to ${offset + shards.length} of ${total}`,
    });
    spend(seconds);
    return results;
  } catch (error) {
    spend(secondsOfFailure(error));
    throw error;
  }
}

/** The child workflow that runs a block of shards. */
export async function shardBlock(input: EarlierBlock): Promise<ShardBlockResult> {
  const { step = 'sample', ...given } = input;
  const block: Block = { place: { step }, pool: 'single', offset: 0, total: given.shards.length, ...given };
  countFrom(0, block.secondsLeft ?? Infinity);
  try {
    const results = await mapWindow(block.shards, WINDOW, mayBegin(block), (_, i) => runShard(block, i));
    return { results, seconds: spent() };
  } catch (error) {
    if (!(error instanceof TemporalFailure) || isCancellation(error)) throw error;
    throw ApplicationFailure.create({
      message: 'A shard failed',
      nonRetryable: true,
      details: [{ seconds: spent() }],
      cause: error,
    });
  }
}

/** Whether the shards need no GPU worker: labels without a local model, people's votes, and responses of a server. They use no budget. */
const isLight = ({ activity, shared: { label, server } }: Block): boolean =>
  activity === 'tally' || (label ? !needsEngine(label) : server?.workers === 'control');

const mayBegin = (block: Block) => () => isLight(block) || !isBudgetSpent();

async function runShard(block: Block, index: number): Promise<ShardResult> {
  const { activity, shared, shards, place, pool, offset, total } = block;
  const { control, model } = activitiesOf({ ...place, shard: { index: offset + index + 1, of: total } });
  const activities: object = isLight(block) ? control : model(pool);
  const run = (activities as Activities)[activity] as (input: object) => Promise<ShardResult>;
  const { address, reused } = await run({ ...shared, ...shards[index] });
  return { address, reused };
}

/**
 * Applies `work` to all items, at most `window` of them concurrently. If one fails, the others in progress are cancelled.
 * @param goOn called before each item
 * @returns the results in order, and only those of the first items if `goOn` returned false
 */
function mapWindow<T, R>(
  items: T[],
  window: number,
  goOn: () => boolean,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async () => {
    while (next < items.length && goOn()) {
      const i = next++;
      results[i] = await work(items[i], i);
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
