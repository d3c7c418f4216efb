/** Cost estimates: an idle day of a deployment, and a round of a given size, with the arithmetic of every line. */
import { InputError } from '../data/errors.ts';
import { isStopped, type DeployConfig } from '../config/deployment.ts';
import { INSTANCE_HOURS, type PriceName } from '../config/prices.ts';

interface CostLine {
  what: string;
  /** The calculation of `usd`, as text. */
  arithmetic: string;
  usd: number;
}

/** A cost in US dollars and the lines it is the sum of. */
export interface Cost {
  lines: CostLine[];
  usd: number;
}

const HOURS = 24;
const DAYS_A_MONTH = 30.4;
const ZONES = 2;
/** Number of interface endpoints of a network without a NAT gateway (network.ts). */
const ENDPOINTS = 7;
/** Custom metrics that the control worker publishes, and metrics that the alarms of observability.ts and scaling.ts read. */
const METRICS = 6;
const ALARM_METRICS = 12;
/** GB of logs per idle day. */
const LOG_GB = 0.02;
/** GB of artifacts that an idle deployment stores. */
const STORED_GB = 20;
/** Minimum capacity of the database while a server is connected, in Aurora capacity units. */
const ACTIVE_ACU = 0.5;

/** Cost of a day without work, excluding Temporal Cloud's own bill. */
export function idleCost(config: DeployConfig): Cost {
  const { network, temporal, control, ui } = config;
  const price = (name: PriceName) => priceOf(config, name);
  const lines: CostLine[] = [];
  const perHour = (what: string, count: number, usd: number) =>
    lines.push({ what, arithmetic: `${count} × ${HOURS} h × ${usd}`, usd: count * HOURS * usd });
  const perMonth = (what: string, count: number, usd: number) =>
    lines.push({ what, arithmetic: `${count} × ${usd} / ${DAYS_A_MONTH} d`, usd: (count * usd) / DAYS_A_MONTH });

  if (network.natGateways > 0) {
    perHour('NAT gateway', network.natGateways, price('natGatewayHour'));
    perHour('public address of the NAT gateway', network.natGateways, price('publicAddressHour'));
  } else perHour('interface endpoints', ENDPOINTS * ZONES, price('interfaceEndpointHour'));
  const stopped = isStopped(config);
  const fargate = (what: string, cpu: number, memoryMiB: number) => {
    perHour(`${what}, vCPU`, cpu / 1024, price('fargateVcpuHour'));
    perHour(`${what}, GB`, memoryMiB / 1024, price('fargateGbHour'));
  };
  if (!stopped) fargate('control worker', control.cpu, control.memoryMiB);
  if (ui !== false) {
    if (!stopped) fargate('web pages', UI.cpu, UI.memoryMiB);
    perHour('application load balancer', 1, price('applicationLoadBalancerHour'));
    if (ui !== true) {
      perHour('public addresses of the load balancer', ZONES, price('publicAddressHour'));
      perMonth('client secret', 1, price('secretMonth'));
    }
  }
  if (temporal.kind === 'self-hosted') {
    if (!stopped) {
      fargate('Temporal server', SERVER.cpu, SERVER.memoryMiB);
      perHour('database capacity', Math.max(ACTIVE_ACU, temporal.minAcu), price('auroraAcuHour'));
    }
    perHour('network load balancer', 1, price('networkLoadBalancerHour'));
    perMonth('database storage, GB', 10, price('auroraStorageGbMonth'));
    perMonth('keys and secrets of the database', 1, price('kmsKeyMonth') + price('secretMonth'));
  } else {
    if (temporal.privateLinkService !== undefined) perHour('PrivateLink', ZONES, price('interfaceEndpointHour'));
    perMonth('API key', 1, price('secretMonth'));
  }
  perMonth('keys of artifacts and alarms', 2, price('kmsKeyMonth'));
  perMonth('metrics', METRICS, price('metricMonth'));
  perMonth('alarms, metrics of', ALARM_METRICS, price('alarmMonth'));
  perMonth('artifacts, GB', STORED_GB, price('s3GbMonth'));
  lines.push({ what: 'logs', arithmetic: `${LOG_GB} GB × ${price('logGb')}`, usd: LOG_GB * price('logGb') });
  return total(lines);
}

/** CPU units and memory of the Temporal server's task. */
export const SERVER = { cpu: 1024, memoryMiB: 2048 };
/** CPU units and memory of the web pages' task: Fargate's smallest size. */
export const UI = { cpu: 256, memoryMiB: 512 } as const;

const priceOf = ({ prices }: DeployConfig, name: PriceName): number => prices[name];

/** Price of a GPU worker's instance per hour, including the ECS fee. @throws InputError if the instance type has no known price */
export function gpuHour(config: DeployConfig, capacity: 'spot' | 'on-demand'): number {
  const { gpu } = config;
  if (gpu.usdPerHour !== undefined) return gpu.usdPerHour;
  const price = INSTANCE_HOURS[gpu.instanceType]?.usd;
  if (price === undefined) throw new InputError(`The price of ${gpu.instanceType} is not known; give gpu.usdPerHour.`);
  const fee = gpu.capacity === 'managed-instances' ? price * priceOf(config, 'managedInstancesShare') : 0;
  return price * (capacity === 'spot' ? priceOf(config, 'spotShare') : 1) + fee;
}

/** The size of a round, and the speed of one GPU worker. */
export interface RoundWork {
  prompts: number;
  /** Responses per prompt. */
  samplesPerPrompt: number;
  /** Mean length of a response in tokens. */
  answerTokens: number;
  promptTokens: number;
  heldOutPrompts: number;
  /** Tokens per second that one worker samples. */
  sampledPerSecond: number;
  /** Tokens per second that one worker trains on. */
  trainedPerSecond: number;
  /** Workers that share sampling; training uses one of them. */
  workers: number;
  /** Minutes until an instance runs and has loaded its model. */
  startMinutes: number;
}

/**
 * A round of the paper's size for Llama-3-8B: a third of UltraFeedback's 61 thousand prompts, one greedy response each, and a LoRA
 * adapter trained on this response and two of the data set. The speeds are assumptions for one L40S with vLLM and a PyTorch backend;
 * replace them with your own measurements.
 */
export const PAPER_ROUND: RoundWork = {
  prompts: 20_378,
  samplesPerPrompt: 1,
  answerTokens: 330,
  promptTokens: 190,
  heldOutPrompts: 1000,
  sampledPerSecond: 900,
  trainedPerSecond: 1300,
  workers: 4,
  startMinutes: 8,
};

/** Cost of a round's GPU hours, on spot or on-demand instances. */
export function roundCost(config: DeployConfig, work: RoundWork, capacity: 'spot' | 'on-demand' = 'spot'): Cost {
  const hour = gpuHour(config, capacity);
  const { prompts, samplesPerPrompt, answerTokens, promptTokens, heldOutPrompts, workers, startMinutes } = work;
  const sampled = prompts * samplesPerPrompt * answerTokens;
  const evaluated = heldOutPrompts * answerTokens;
  // A training row has its prompt once and three responses: chosen, rejected and reference.
  const row = promptTokens + 3 * answerTokens;
  const lines: CostLine[] = [];
  const gpuHours = (what: string, arithmetic: string, hours: number) =>
    lines.push({ what, arithmetic: `${arithmetic} = ${hours.toFixed(2)} h × ${hour.toFixed(3)}`, usd: hours * hour });
  gpuHours('sample', `${tokens(sampled)} / ${work.sampledPerSecond} a second`, sampled / work.sampledPerSecond / 3600);
  // The reference policy's log-probabilities need only a forward pass, a third of a training step's computation.
  gpuHours(
    'score',
    `${tokens(prompts * row)} / 3 / ${work.trainedPerSecond} a second`,
    (prompts * row) / 3 / work.trainedPerSecond / 3600,
  );
  gpuHours(
    'optimize',
    `${tokens(prompts * row)} / ${work.trainedPerSecond} a second`,
    (prompts * row) / work.trainedPerSecond / 3600,
  );
  gpuHours(
    'evaluate',
    `${tokens(evaluated)} / ${work.sampledPerSecond} a second`,
    evaluated / work.sampledPerSecond / 3600,
  );
  const idle = startMinutes + config.gpu.idleMinutes;
  gpuHours('starting and idle', `${workers} workers × ${idle} min`, (workers * idle) / 60);
  return total(lines);
}

const tokens = (count: number) => `${(count / 1e6).toFixed(2)} M tokens`;

const total = (lines: CostLine[]): Cost => ({ lines, usd: lines.reduce((sum, { usd }) => sum + usd, 0) });
