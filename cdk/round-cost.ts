/**
 * The cost of a round of the paper's size on the pools of a deployment: Llama-3-8B, a third of UltraFeedback's 61 thousand prompts, one
 * greedy response each. The pool `single` trains a LoRA adapter, the pool `node` all weights. Speeds: engine/gpu-speeds.ts.
 */
import type { DeployConfig } from '../config/deployment.ts';
import { poolsOf, type Pool } from '../config/deployment/gpu.ts';
import type { PoolName } from '../config/pools.ts';
import { INSTANCE_HOURS } from '../config/prices.ts';
import { runSchema, type RunConfig } from '../config/run.ts';
import { parameterCount, roundFlops, type RoundSize } from '../engine/estimate.ts';
import { GPU_SPEEDS, sampledPerSecond } from '../engine/gpu-speeds.ts';
import { llamaDimensions } from '../engine/model-files/dimensions.ts';
import { knownModels } from '../engine/model-files/known.ts';
import { total, type Cost, type CostLine } from './costs.ts';
import { unfitIn } from './doctor/fit.ts';
import { capacitiesOf, type Capacity } from './gpu-capacity.ts';
import { gpusOn, instanceTypesOf, workerHour } from './instances.ts';

const MODEL = 'meta-llama/Meta-Llama-3-8B-Instruct';
const dimensions = llamaDimensions(knownModels[MODEL]);

const PAPER_ROUND: RoundSize = { prompts: 20_378, heldOut: 1000, promptTokens: 190, answerTokens: 330 };

/** Minutes until an instance runs and has loaded its image and its model. */
const START_MINUTES = 8;

/** The recipe of the paper, as far as costs depend on it. */
const paperRun = (full: boolean, gpus: number): RunConfig => ({
  ...runSchema.parse({
    name: 'paper',
    model: MODEL,
    prompts: { train: 'org/data', heldOut: 1000 },
    backend: 'torch',
    device: 'cuda',
    gpus,
    optimize: { full, recompute: true, microBatchTokens: 4096, maxLength: 1024, maxPromptLength: 512 },
  }),
  threads: 1,
});

export interface RoundCost extends Cost {
  pool: PoolName;
  instanceType: string;
  gpu: string;
  gpus: number;
  /** What is trained. */
  trained: 'a LoRA adapter' | 'all weights';
  hours: number;
}

const hourOf = (type: string) => INSTANCE_HOURS[type]?.usd ?? Infinity;

/** The round on each pool, on the cheapest of its instance types on which it fits; none for a pool on which it fits nowhere. */
export function paperRounds(config: DeployConfig, capacity: Capacity = 'spot'): RoundCost[] {
  return poolsOf(config).flatMap(({ name, pool }) => {
    const run = paperRun(name === 'node', pool.gpus);
    const [type] = instanceTypesOf(pool)
      .filter((one) => unfitIn(run, dimensions, { name, pool }, one) === undefined)
      .sort((a, b) => hourOf(a) - hourOf(b));
    const has = capacitiesOf(pool).includes(capacity) ? capacity : 'on-demand';
    return type === undefined ? [] : [roundCost(config, { name, pool }, run, type, has)];
  });
}

function roundCost(
  config: DeployConfig,
  { name, pool }: Pool,
  { optimize, sample, evaluate }: RunConfig,
  type: string,
  capacity: Capacity,
): RoundCost {
  const hour = workerHour(config, name, type, capacity);
  const { gpu, count } = gpusOn(type, pool);
  const size = PAPER_ROUND;
  const flops = roundFlops(
    dimensions,
    size,
    { samplesPerPrompt: sample.samplesPerPrompt, klSamples: evaluate.klSamples },
    optimize,
  );
  const lines: CostLine[] = [];
  let hours = 0;
  const add = (what: string, arithmetic: string, more: number) => {
    hours += more;
    lines.push({ what, arithmetic: `${arithmetic} = ${more.toFixed(2)} h × ${hour.toFixed(2)}`, usd: more * hour });
  };
  /** Each GPU computes `perSecond` tokens per second. */
  const perTokens = (what: string, tokens: number, perSecond: number) =>
    add(
      what,
      `${(tokens / 1e6).toFixed(2)} M tokens / (${count} × ${Math.round(perSecond).toLocaleString('en')} a second)`,
      tokens / (count * perSecond) / 3600,
    );
  // A row of training has its prompt once and three responses.
  const rows = size.prompts * (size.promptTokens + 3 * size.answerTokens);
  const forward = GPU_SPEEDS[gpu].training.value / (2 * parameterCount(dimensions));
  const passes = flops.optimize / (2 * parameterCount(dimensions) * rows) - 1;
  perTokens('sample', size.prompts * size.answerTokens, sampledPerSecond(gpu, dimensions));
  perTokens('reference', rows, forward);
  perTokens('optimize', rows, forward / passes);
  perTokens('evaluate: responses', size.heldOut * size.answerTokens, sampledPerSecond(gpu, dimensions));
  // Divergences from two policies take four passes over the held-out responses.
  perTokens('evaluate: KL', 4 * size.heldOut * (size.promptTokens + size.answerTokens), forward);
  const workers = pool.maxWorkers;
  const idle = START_MINUTES + pool.idleMinutes;
  add('starting and idle', `${workers} × ${idle} min`, (workers * idle) / 60);
  const trained = optimize.full ? ('all weights' as const) : ('a LoRA adapter' as const);
  return { ...total(lines), pool: name, instanceType: type, gpu, gpus: count, trained, hours };
}
