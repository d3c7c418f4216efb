/** Checks of an AWS account before a deployment: instance types, zones, GPU quotas, roles and CDK's bootstrap. They change nothing. */
import { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { EC2Client } from '@aws-sdk/client-ec2';
import { IAMClient } from '@aws-sdk/client-iam';
import { ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import type { DeployConfig } from '../../config/deployment.ts';
import { poolsOf } from '../../config/deployment/gpu.ts';
import { zonesOf } from '../../config/deployment/network.ts';
import { smallestWith } from '../instances.ts';
import { inRegion } from '../target.ts';
import { examineBootstrap } from './bootstrap.ts';
import { orNotChecked, type Finding } from './findings.ts';
import { examineCapacityBlocks, examineTypes } from './offers.ts';
import { examineQuotas } from './quotas.ts';
import { examineRoles } from './roles.ts';

/** Runs all checks with the credentials of the environment, in the deployment's region. A check that cannot run is a finding, too. */
export async function examineAccount(config: DeployConfig): Promise<Finding[]> {
  const pools = poolsOf(config);
  const region = inRegion(config);
  const ec2 = new EC2Client(region);
  const checks: [string, () => Promise<Finding[]>][] = [
    ['instance types', () => examineTypes(ec2, pools, zonesOf(config.network))],
    ['capacity blocks', () => examineCapacityBlocks(ec2, pools)],
    ['GPU quotas', () => examineQuotas(ec2, new ServiceQuotasClient(region), pools)],
    ['service-linked roles', () => examineRoles(new IAMClient(region), pools)],
    ["CDK's bootstrap stack", () => examineBootstrap(new CloudFormationClient(region))],
  ];
  try {
    await Promise.all([ec2.config.credentials(), ec2.config.region()]);
  } catch (error) {
    const why = `no AWS ${(error as Error).message.includes('Region') ? 'region' : 'credentials'} in the environment`;
    return checks.map(([check]): Finding => ({ check, verdict: 'not checked', detail: why }));
  }
  const asked = await Promise.all(checks.map(([check, examine]) => orNotChecked(check, examine)));
  return asked.flat();
}

/** GPUs in the configuration that no worker can have. */
export const uselessAccelerators = (config: DeployConfig): Finding[] =>
  poolsOf(config).flatMap(({ name, pool }) =>
    pool.accelerators
      .filter((accelerator) => pool.capacity === 'managed-instances' && !smallestWith(accelerator, pool))
      .map((accelerator): Finding => ({
        check: `gpu.pools.${name}.accelerators: ${accelerator}`,
        verdict: 'warning',
        detail:
          'no known instance type has a single one and room for the task and its caches: managed instances never have it',
      })),
  );
