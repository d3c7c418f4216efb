/** Whether the region has the pools' instance types, in which zones, and the capacity blocks that the configuration names. */
import {
  DescribeCapacityReservationsCommand,
  DescribeInstanceTypeOfferingsCommand,
  type CapacityReservation,
  type EC2Client,
} from '@aws-sdk/client-ec2';
import type { Pool } from '../../config/deployment/gpu.ts';
import type { PoolName } from '../../config/pools.ts';
import { instanceTypesOf } from '../instances.ts';
import type { Finding } from './findings.ts';

/**
 * The zones that offer each instance type of each pool. One available type is enough for a pool.
 * @param networkZones zones of the network, if the configuration names them: a pool without zones of its own uses them
 */
export async function examineTypes(ec2: EC2Client, pools: Pool[], networkZones?: string[]): Promise<Finding[]> {
  const types = [...new Set(pools.flatMap(({ pool }) => instanceTypesOf(pool)))];
  if (types.length === 0) return pools.flatMap(({ name }) => noType(name));
  const filters = [{ Name: 'instance-type', Values: types }];
  const { InstanceTypeOfferings = [] } = await ec2.send(
    new DescribeInstanceTypeOfferingsCommand({ LocationType: 'availability-zone', Filters: filters }),
  );
  const region = await ec2.config.region();
  const zonesOf = (type: string) =>
    InstanceTypeOfferings.filter(({ InstanceType }) => InstanceType === type)
      .map(({ Location }) => Location!)
      .sort();
  return pools.flatMap(({ name, pool }) => {
    if (instanceTypesOf(pool).length === 0) return noType(name);
    const findings = instanceTypesOf(pool).map((type): Finding => {
      const check = `${name}: ${type}`;
      const zones = zonesOf(type);
      if (zones.length === 0) return { check, verdict: 'warning', detail: `is not offered in ${region}` };
      const offered = `is offered in ${zones.join(', ')}`;
      const setting = pool.availabilityZones ? `gpu.pools.${name}.availabilityZones` : 'network.availabilityZones';
      const missing = (pool.availabilityZones ?? networkZones ?? []).filter((zone) => !zones.includes(zone));
      if (missing.length === 0) return { check, verdict: 'fine', detail: offered };
      return { check, verdict: 'warning', detail: `${offered}, not in ${missing.join(', ')} of ${setting}` };
    });
    const wanted = pool.availabilityZones ?? networkZones;
    const startable = (type: string) => zonesOf(type).some((zone) => wanted?.includes(zone) ?? true);
    const none = !instanceTypesOf(pool).some(startable);
    return none ? findings.map((finding) => ({ ...finding, verdict: 'stops' })) : findings;
  });
}

const noType = (name: PoolName): Finding[] => [
  { check: `${name}: instance types`, verdict: 'stops', detail: `none has ${describeWanted(name)}` },
];

/** What no instance type may have, for a pool of managed instances. */
export const describeWanted = (name: PoolName) =>
  `one of gpu.pools.${name}.accelerators, and room for its cpu, memoryMiB and cacheGb`;

/** Whether each capacity block is of the pool's instance type, in the pool's zone, and not over. */
export async function examineCapacityBlocks(ec2: EC2Client, pools: Pool[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name, pool } of pools) {
    const { capacityBlock: id, instanceType, availabilityZones = [] } = pool;
    if (id === undefined) continue;
    const check = `${name}: ${id}`;
    const block = await blockOf(ec2, id);
    if (!block) {
      findings.push({ check, verdict: 'stops', detail: `does not exist in ${await ec2.config.region()}` });
      continue;
    }
    const { InstanceType: type, AvailabilityZone: zone, State: state, TotalInstanceCount: instances } = block;
    const problems = [
      ...(type === instanceType ? [] : [`gpu.pools.${name}.instanceType is ${instanceType}`]),
      ...(availabilityZones.includes(zone!) ? [] : [`gpu.pools.${name}.availabilityZones is ${availabilityZones}`]),
      ...(['active', 'scheduled', 'payment-pending', 'assessing'].includes(state!) ? [] : ['its time is over']),
    ];
    const detail = `${instances} × ${type} in ${zone}, ${state}`;
    findings.push({
      check,
      verdict: problems.length === 0 ? 'fine' : 'stops',
      detail: [detail, ...problems].join('; '),
    });
  }
  return findings;
}

async function blockOf(ec2: EC2Client, id: string): Promise<CapacityReservation | undefined> {
  try {
    const { CapacityReservations: [block] = [] } = await ec2.send(
      new DescribeCapacityReservationsCommand({ CapacityReservationIds: [id] }),
    );
    return block;
  } catch (error) {
    if ((error as Error).name !== 'InvalidCapacityReservationId.NotFound') throw error;
    return undefined;
  }
}
