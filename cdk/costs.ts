/** The cost of a day of a deployment without work, with the arithmetic of every line. */
import { isStopped, type DeployConfig } from '../config/deployment.ts';
import { poolsOf } from '../config/deployment/gpu.ts';
import { endpointsOf, zonesOf } from '../config/deployment/network.ts';
import { type PriceName } from '../config/prices.ts';
import { SERVER, UI } from './fargate-sizes.ts';
import { capacitiesOf } from './gpu-capacity.ts';

export interface CostLine {
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
/** Custom metrics that the control worker publishes: the demand and both counts of workers of each pool, and three of runs. */
const METRICS = 2 * 3 + 3;
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

  if (network.natGateways) {
    perHour('NAT gateway', network.natGateways, price('natGatewayHour'));
    perHour('public address of the NAT gateway', network.natGateways, price('publicAddressHour'));
  }
  const endpoints = endpointsOf(config).length;
  const zones = zonesOf(network)?.length ?? ZONES;
  if (endpoints > 0) perHour('interface endpoints', endpoints * zones, price('interfaceEndpointHour'));
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
      perHour('public addresses of the load balancer', zones, price('publicAddressHour'));
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
    // Its key is that of the account for Amazon RDS, which costs nothing, or the one that the configuration names.
    perMonth('secret of the database', 1, price('secretMonth'));
  } else {
    if (temporal.privateLinkService !== undefined) perHour('PrivateLink', zones, price('interfaceEndpointHour'));
    perMonth('API key', 1, price('secretMonth'));
  }
  // One of the artifacts, unless they are in an existing bucket, and one of the alarms. A key that the configuration names exists anyway.
  const keys = config.kmsKeyArn !== undefined ? 0 : config.storage.bucket !== undefined ? 1 : 2;
  if (keys > 0) perMonth('keys of artifacts and alarms', keys, price('kmsKeyMonth'));
  perMonth('metrics', METRICS, price('metricMonth'));
  perMonth('alarms, metrics of', alarmMetrics(config), price('alarmMonth'));
  perMonth('artifacts, GB', STORED_GB, price('s3GbMonth'));
  lines.push({ what: 'logs', arithmetic: `${LOG_GB} GB × ${price('logGb')}`, usd: LOG_GB * price('logGb') });
  return total(lines);
}

/**
 * Metrics that the alarms read, by which alarms are priced: those of scaling (an on-demand fallback reads two), of a pool's operation
 * and of its demand without workers (three), of runs and the control worker, and of a self-hosted Temporal server.
 */
function alarmMetrics(config: DeployConfig): number {
  const pools = poolsOf(config);
  const ofPools = pools.map(({ pool }) => (capacitiesOf(pool).length > 1 ? 2 + 4 : 2) + 2 + 3);
  const withoutNode = pools.length === 1 ? 1 : 0;
  const ofServer = config.temporal.kind === 'self-hosted' ? (isStopped(config) ? 3 : 4) : 0;
  return ofPools.reduce((sum, count) => sum + count, 4 + withoutNode + ofServer);
}

const priceOf = ({ prices }: DeployConfig, name: PriceName): number => prices[name];

/** Adds up the lines of a cost. */
export const total = (lines: CostLine[]): Cost => ({ lines, usd: lines.reduce((sum, { usd }) => sum + usd, 0) });
