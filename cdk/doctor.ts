/** Checks of an AWS account before a deployment: instance types, GPU quotas and roles. They change nothing. */
import {
  DescribeInstanceTypeOfferingsCommand,
  DescribeInstanceTypesCommand,
  EC2Client,
  type _InstanceType,
} from '@aws-sdk/client-ec2';
import { GetRoleCommand, IAMClient } from '@aws-sdk/client-iam';
import {
  GetAWSDefaultServiceQuotaCommand,
  GetServiceQuotaCommand,
  ServiceQuotasClient,
} from '@aws-sdk/client-service-quotas';
import type { DeployConfig } from '../config/deployment.ts';
import type { GpuConfig } from '../config/deployment/gpu.ts';

/** The result of one check. */
export interface Finding {
  check: string;
  /** `stops`: the deployment fails, or GPU workers never start. */
  verdict: 'fine' | 'warning' | 'stops' | 'not checked';
  detail: string;
}

type Capacity = 'spot' | 'on-demand';

/** Smallest instance type with a single GPU, by the names of gpu.accelerators. No instance type has a single A100. */
const SMALLEST: Record<GpuConfig['accelerators'][number], string | undefined> = {
  l4: 'g6.xlarge',
  a10g: 'g5.xlarge',
  l40s: 'g6e.xlarge',
  a100: undefined,
  h100: 'p5.4xlarge',
};

/** Codes of EC2's vCPU quotas. All on-demand P instances share one; on spot, p5 and newer have their own. */
const QUOTAS: { types: RegExp; capacity: Capacity; code: string; name: string }[] = [
  { types: /^(g|vt)\d/, capacity: 'spot', code: 'L-3819A6DF', name: 'All G and VT Spot Instance Requests' },
  { types: /^(g|vt)\d/, capacity: 'on-demand', code: 'L-DB2E81BA', name: 'Running On-Demand G and VT instances' },
  { types: /^p[2-4]/, capacity: 'spot', code: 'L-7212CCBC', name: 'All P4, P3 and P2 Spot Instance Requests' },
  { types: /^p5/, capacity: 'spot', code: 'L-C4BD4855', name: 'All P5 Spot Instance Requests' },
  { types: /^p\d/, capacity: 'on-demand', code: 'L-417A185B', name: 'Running On-Demand P instances' },
];

/** The instance types that workers can run on with this configuration. */
function instanceTypes({ gpu }: DeployConfig): string[] {
  if (gpu.capacity === 'auto-scaling-group') return [gpu.instanceType];
  return gpu.accelerators.map((accelerator) => SMALLEST[accelerator]).filter((type) => type !== undefined);
}

/** Runs all checks with the credentials and region of the environment. A check that cannot run is a finding, too. */
export async function examineAccount(config: DeployConfig): Promise<Finding[]> {
  const { gpu } = config;
  const ec2 = new EC2Client({});
  const useless = gpu.capacity === 'managed-instances' ? gpu.accelerators.filter((name) => !SMALLEST[name]) : [];
  const findings = useless.map((name): Finding => ({
    check: `gpu.accelerators: ${name}`,
    verdict: 'warning',
    detail: `no instance has a single one: managed instances never have it`,
  }));
  const checks = ['instance types', 'GPU quotas', "ECS's service-linked role"];
  try {
    await Promise.all([ec2.config.credentials(), ec2.config.region()]);
  } catch (error) {
    const why = `no AWS ${(error as Error).message.includes('Region') ? 'region' : 'credentials'} in the environment`;
    return [...findings, ...checks.map((check): Finding => ({ check, verdict: 'not checked', detail: why }))];
  }
  const types = instanceTypes(config);
  const asked = await Promise.all([
    orNotChecked(checks[0], () => examineTypes(ec2, types)),
    orNotChecked(checks[1], () => examineQuotas(ec2, config, types)),
    orNotChecked(checks[2], examineRole),
  ]);
  return [...findings, ...asked.flat()];
}

/** Turns an error of AWS, such as a missing permission, into a finding, so that the other checks still run. */
async function orNotChecked(check: string, examine: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await examine();
  } catch (error) {
    const { name, message } = error as Error;
    return [{ check, verdict: 'not checked', detail: `${name}: ${message}` }];
  }
}

async function examineTypes(ec2: EC2Client, types: string[]): Promise<Finding[]> {
  const filters = [{ Name: 'instance-type', Values: types }];
  const { InstanceTypeOfferings = [] } = await ec2.send(
    new DescribeInstanceTypeOfferingsCommand({ LocationType: 'availability-zone', Filters: filters }),
  );
  const region = await ec2.config.region();
  const findings = types.map((type): Finding => {
    const zones = InstanceTypeOfferings.filter(({ InstanceType }) => InstanceType === type).map(
      ({ Location }) => Location!,
    );
    if (zones.length === 0) return { check: type, verdict: 'warning', detail: `is not offered in ${region}` };
    return { check: type, verdict: 'fine', detail: `is offered in ${zones.sort().join(', ')}` };
  });
  // One available type is enough.
  const none = findings.every(({ verdict }) => verdict === 'warning');
  return none ? findings.map((finding) => ({ ...finding, verdict: 'stops' })) : findings;
}

/** A quota must allow at least one worker of the smallest type; fewer than gpu.maxWorkers is a warning. */
async function examineQuotas(ec2: EC2Client, { gpu }: DeployConfig, types: string[]): Promise<Finding[]> {
  // A capacity block is paid in advance and does not count towards the quotas of running instances.
  if (gpu.capacityBlock !== undefined) return [];
  const { InstanceTypes = [] } = await ec2.send(
    new DescribeInstanceTypesCommand({ InstanceTypes: types as _InstanceType[] }),
  );
  const capacities: Capacity[] = gpu.spot ? ['spot', 'on-demand'] : ['on-demand'];
  const findings: Finding[] = [];
  for (const { types: covered, capacity, code, name } of QUOTAS) {
    const sizes = InstanceTypes.filter(({ InstanceType }) => covered.test(InstanceType!)).map(
      ({ VCpuInfo }) => VCpuInfo!.DefaultVCpus!,
    );
    if (sizes.length === 0 || !capacities.includes(capacity)) continue;
    const quota = await quotaOf(code);
    const size = Math.min(...sizes);
    const workers = Math.floor(quota / size);
    const wanted = workers === 0 ? 'none' : workers < gpu.maxWorkers ? 'fewer' : 'enough';
    const verdict = ({ none: 'stops', fewer: 'warning', enough: 'fine' } as const)[wanted];
    const request = wanted === 'enough' ? '' : `; ask for ${size * gpu.maxWorkers} in Service Quotas`;
    findings.push({
      check: `${name} (${code})`,
      verdict,
      detail: `${quota} vCPUs, ${workers} of ${gpu.maxWorkers} workers at ${size}${request}`,
    });
  }
  // If one of the quotas allows a worker, the others are only warnings.
  const some = findings.some(({ verdict }) => verdict !== 'stops');
  return some
    ? findings.map((finding) => ({ ...finding, verdict: finding.verdict === 'stops' ? 'warning' : finding.verdict }))
    : findings;
}

/** The account's value of a quota, or AWS's default if the account has none. */
async function quotaOf(code: string): Promise<number> {
  const quotas = new ServiceQuotasClient({});
  const which = { ServiceCode: 'ec2', QuotaCode: code };
  try {
    return (await quotas.send(new GetServiceQuotaCommand(which))).Quota!.Value!;
  } catch (error) {
    if ((error as Error).name !== 'NoSuchResourceException') throw error;
    return (await quotas.send(new GetAWSDefaultServiceQuotaCommand(which))).Quota!.Value!;
  }
}

async function examineRole(): Promise<Finding[]> {
  const check = "ECS's service-linked role";
  try {
    await new IAMClient({}).send(new GetRoleCommand({ RoleName: 'AWSServiceRoleForECS' }));
    return [{ check, verdict: 'fine', detail: 'AWSServiceRoleForECS is there' }];
  } catch (error) {
    if ((error as Error).name !== 'NoSuchEntityException') throw error;
    const remedy = 'aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com';
    return [{ check, verdict: 'stops', detail: `AWSServiceRoleForECS is missing: ${remedy}` }];
  }
}
