/** What a capacity provider of GPU workers is made from: a pool, a purchase option and a network. */
import type { ISubnet, IVpc, SecurityGroup, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import type { Cluster } from 'aws-cdk-lib/aws-ecs';
import type { Pool, PoolConfig } from '../config/deployment/gpu.ts';

/** Purchase option of the instances. */
export type Capacity = 'spot' | 'on-demand';

/** The cluster, network and settings of a capacity provider. */
export interface CapacityProps extends Pool {
  cluster: Cluster;
  vpc: IVpc;
  /** Subnets of the deployment's tasks. */
  subnets: SubnetSelection;
  securityGroup: SecurityGroup;
  capacity: Capacity;
}

/** The purchase options of a pool. A capacity block is paid in advance, so there is nothing to fall back to. */
export const capacitiesOf = ({ spot, capacityBlock }: PoolConfig): Capacity[] =>
  spot && capacityBlock === undefined ? ['spot', 'on-demand'] : ['on-demand'];

/** The subnets of a pool's instances and tasks: those in its zones. */
export function poolSubnets(vpc: IVpc, subnets: SubnetSelection, { availabilityZones }: PoolConfig): ISubnet[] {
  return vpc.selectSubnets({ ...subnets, ...(availabilityZones && { availabilityZones }) }).subnets;
}
