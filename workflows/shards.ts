/** Work in shards: as many activities at once as a window allows, results in order. */
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
import type { LabelSettings } from '../labelers/index.ts';
import { needsEngine } from '../labelers/needs.ts';
import type { SamplerSettings } from '../openai/client/sampler-settings.ts';
import { control, model, nameStep, stepName } from './activities.ts';
import { countFrom, Halted, isBudgetSpent, secondsLeft, secondsOfFailure, spend, spent } from './spending.ts';

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
  activity: 'sample' | 'divergence' | 'label' | 'reference' | 'labelHeldOut';
  /** With the settings of the labeler, of what labels, and of the server, where one samples. */
  shared: { label?: LabelSettings; server?: SamplerSettings };
  shards: object[];
  /** Of a block with a workflow of its own: the step it belongs to, and the GPU seconds it may spend (none: what it likes). */
  step?: string;
  secondsLeft?: number;
}

/** The first of a block's shards, all unless the budget was spent before. */
interface BlockResult extends Spent {
  results: ShardResult[];
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
 * @throws Halted when the budget is spent before the last shard has begun
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
  const goOn = mayBegin({ activity, shared, shards });
  if (shards.length <= BLOCK) {
    const results = await mapWindow(shards, WINDOW, goOn, async (shard) =>
      take(await runShard({ activity, shared, shards }, shard)),
    );
    return allOf(shards, results);
  }
  const blocks = shardsOf(shards.length, BLOCK).map(({ from, to }) => shards.slice(from, to));
  const results = await mapWindow(blocks, BLOCKS_AT_ONCE, goOn, async (block) => {
    const done = await runBlock({ activity, shared, shards: block });
    return done.map(take);
  });
  return allOf(shards, results.flat());
}

function allOf(shards: object[], addresses: Address[]): Address[] {
  if (addresses.length < shards.length) throw new Halted();
  return addresses;
}

async function runBlock(block: Block): Promise<ShardResult[]> {
  const [step, left] = [stepName(), secondsLeft()];
  const input = { ...block, ...(step !== undefined && { step }), ...(left < Infinity && { secondsLeft: left }) };
  try {
    const { results, seconds } = await executeChild(shardBlock, { args: [input] });
    spend(seconds);
    return results;
  } catch (error) {
    spend(secondsOfFailure(error));
    throw error;
  }
}

/** A workflow of its own for a block of shards. */
export async function shardBlock(block: Block): Promise<BlockResult> {
  nameStep(block.step);
  countFrom(0, block.secondsLeft ?? Infinity);
  try {
    const results = await mapWindow(block.shards, WINDOW, mayBegin(block), (shard) => runShard(block, shard));
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

/** Labels that no model makes, and answers of a server, leave the engines to others, and cost nothing of the budget. */
const isLight = ({ shared: { label, server } }: Block): boolean =>
  label ? !needsEngine(label) : server?.workers === 'control';

const mayBegin = (block: Block) => () => isLight(block) || !isBudgetSpent();

async function runShard(block: Block, shard: object): Promise<ShardResult> {
  const { activity, shared } = block;
  const activities: object = isLight(block) ? control : model;
  const run = (activities as Activities)[activity] as (input: object) => Promise<ShardResult>;
  const { address, reused } = await run({ ...shared, ...shard });
  return { address, reused };
}

/**
 * Applies `work` to all items, at most `window` of them at a time; when one fails, the others under way are cancelled.
 * @param goOn asked before each item
 * @returns the results in order: of the first items only, where it said no
 */
function mapWindow<T, R>(items: T[], window: number, goOn: () => boolean, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async () => {
    while (next < items.length && goOn()) {
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
