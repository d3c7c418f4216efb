/** Whether EC2's vCPU quotas allow the pools' workers. */
import { DescribeInstanceTypesCommand, type EC2Client } from '@aws-sdk/client-ec2';
import {
  GetAWSDefaultServiceQuotaCommand,
  GetServiceQuotaCommand,
  type ServiceQuotasClient,
} from '@aws-sdk/client-service-quotas';
import type { Pool } from '../../config/deployment/gpu.ts';
import type { PoolName } from '../../config/pools.ts';
import type { Capacity } from '../gpu-capacity.ts';
import { instanceTypesOf } from '../instances.ts';
import type { Finding } from './findings.ts';

/** Codes of EC2's vCPU quotas. All on-demand P instances share one; on spot, p5 and newer have their own. */
const QUOTAS: { types: RegExp; capacity: Capacity; code: string; name: string }[] = [
  { types: /^(g|vt)\d/, capacity: 'spot', code: 'L-3819A6DF', name: 'All G and VT Spot Instance Requests' },
  { types: /^(g|vt)\d/, capacity: 'on-demand', code: 'L-DB2E81BA', name: 'Running On-Demand G and VT instances' },
  { types: /^p[2-4]/, capacity: 'spot', code: 'L-7212CCBC', name: 'All P4, P3 and P2 Spot Instance Requests' },
  { types: /^p5/, capacity: 'spot', code: 'L-C4BD4855', name: 'All P5 Spot Instance Requests' },
  { types: /^p\d/, capacity: 'on-demand', code: 'L-417A185B', name: 'Running On-Demand P instances' },
];

/** vCPUs that a pool's workers need of a quota: of one worker, and of all. */
interface Need extends Pool {
  one: number;
  all: number;
}

/**
 * Both quotas, spot and on-demand, of the instance families of all pools; pools whose instances are of one family share them. A quota
 * must allow one worker of each pool; fewer than `maxWorkers` is a warning.
 */
export async function examineQuotas(ec2: EC2Client, quotas: ServiceQuotasClient, pools: Pool[]): Promise<Finding[]> {
  // A capacity block is paid in advance and does not count towards the quotas of running instances.
  const counted = pools.filter(({ pool }) => pool.capacityBlock === undefined);
  const types = [...new Set(counted.flatMap(({ pool }) => instanceTypesOf(pool)))];
  if (types.length === 0) return [];
  // By a filter: asked for by name, a type that the region does not have is an error.
  const Filters = [{ Name: 'instance-type', Values: types }];
  const { InstanceTypes = [] } = await ec2.send(new DescribeInstanceTypesCommand({ Filters }));
  const vcpus = new Map<string, number>(
    InstanceTypes.map(({ InstanceType, VCpuInfo }) => [InstanceType!, VCpuInfo!.DefaultVCpus!]),
  );
  const needs = (covered: RegExp, capacity: Capacity): Need[] =>
    counted.flatMap(({ name, pool }) => {
      const sizes = instanceTypesOf(pool).flatMap((type) => (covered.test(type) ? (vcpus.get(type) ?? []) : []));
      if (sizes.length === 0 || (capacity === 'spot' && !pool.spot)) return [];
      const one = Math.min(...sizes);
      return [{ name, pool, one, all: one * pool.maxWorkers }];
    });
  const judged: Judged[] = [];
  for (const { types: covered, capacity, code, name } of QUOTAS) {
    const needed = needs(covered, capacity);
    if (needed.length > 0) judged.push(judge(`${name} (${code})`, needed, await quotaOf(quotas, code)));
  }
  // A pool that the quota of one capacity leaves without workers starts them by the other.
  const startable = new Set(judged.flatMap(({ enough }) => enough));
  return judged.map(({ finding, short }) =>
    finding.verdict === 'stops' && short.every((name) => startable.has(name))
      ? { ...finding, verdict: 'warning' }
      : finding,
  );
}

/** A quota with the pools that can, and cannot, have a worker by it. */
interface Judged {
  finding: Finding;
  enough: PoolName[];
  short: PoolName[];
}

function judge(check: string, needed: Need[], quota: number): Judged {
  const total = needed.reduce((sum, { all }) => sum + all, 0);
  const named = (needs: Need[]) => needs.map(({ name }) => name);
  const short = named(needed.filter(({ one }) => one > quota));
  const each = needed.map(({ name, one, pool }) => `${pool.maxWorkers} × ${one} for ${name}`).join(', ');
  const request = quota < total ? `; request ${total} in Service Quotas` : '';
  return {
    finding: {
      check,
      verdict: short.length > 0 ? 'stops' : quota < total ? 'warning' : 'fine',
      detail: `${quota} vCPUs; needed: ${each}${request}`,
    },
    enough: named(needed.filter(({ one }) => one <= quota)),
    short,
  };
}

/** The account's value of a quota, or AWS's default if the account has none. */
async function quotaOf(quotas: ServiceQuotasClient, code: string): Promise<number> {
  const which = { ServiceCode: 'ec2', QuotaCode: code };
  try {
    return (await quotas.send(new GetServiceQuotaCommand(which))).Quota!.Value!;
  } catch (error) {
    if ((error as Error).name !== 'NoSuchResourceException') throw error;
    return (await quotas.send(new GetAWSDefaultServiceQuotaCommand(which))).Quota!.Value!;
  }
}
