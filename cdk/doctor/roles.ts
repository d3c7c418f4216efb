/** Whether the account has the service-linked roles that a deployment needs but CloudFormation does not create. */
import { GetRoleCommand, type IAMClient } from '@aws-sdk/client-iam';
import type { Finding } from './findings.ts';
import type { Pool } from '../../config/deployment/gpu.ts';

/** ECS creates its role with the first cluster, if whoever deploys may; EC2 creates the one for spot instances in the console only. */
export async function examineRoles(iam: IAMClient, pools: Pool[]): Promise<Finding[]> {
  const spot = pools.some(({ pool }) => pool.spot && pool.capacityBlock === undefined);
  const findings = [await examineRole(iam, 'AWSServiceRoleForECS', 'ecs.amazonaws.com', 'stops')];
  // On-demand workers start without it.
  if (spot) findings.push(await examineRole(iam, 'AWSServiceRoleForEC2Spot', 'spot.amazonaws.com', 'warning'));
  return findings;
}

async function examineRole(
  iam: IAMClient,
  name: string,
  service: string,
  missing: Finding['verdict'],
): Promise<Finding> {
  const check = `service-linked role ${name}`;
  try {
    await iam.send(new GetRoleCommand({ RoleName: name }));
    return { check, verdict: 'fine', detail: 'exists' };
  } catch (error) {
    if ((error as Error).name !== 'NoSuchEntityException') throw error;
    const remedy = `aws iam create-service-linked-role --aws-service-name ${service}`;
    return { check, verdict: missing, detail: `is missing; run: ${remedy}` };
  }
}
