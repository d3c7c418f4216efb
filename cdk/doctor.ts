/** What of an AWS account would stop a deployment, asked of AWS before it begins. Nothing is changed. */
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

export interface Finding {
  check: string;
  /** `stops`: the deployment fails, or GPU workers never come. */
  verdict: 'fine' | 'warning' | 'stops' | 'not checked';
  detail: string;
}

type Capacity = 'spot' | 'on-demand';

/** Smallest instance type with one of these GPUs, by the names of gpu.accelerators; P instances with one A100 do not exist. */
const SMALLEST: Record<GpuConfig['accelerators'][number], string | undefined> = {
  l4: 'g6.xlarge',
  a10g: 'g5.xlarge',
  l40s: 'g6e.xlarge',
  a100: undefined,
  h100: 'p5.4xlarge',
};

/** Service Quotas' codes of EC2's vCPU limits. On demand all P instances share one; as spot, those since p5 have their own. */
const QUOTAS: { types: RegExp; capacity: Capacity; code: string; name: string }[] = [
  { types: /^(g|vt)\d/, capacity: 'spot', code: 'L-3819A6DF', name: 'All G and VT Spot Instance Requests' },
  { types: /^(g|vt)\d/, capacity: 'on-demand', code: 'L-DB2E81BA', name: 'Running On-Demand G and VT instances' },
  { types: /^p[2-4]/, capacity: 'spot', code: 'L-7212CCBC', name: 'All P4, P3 and P2 Spot Instance Requests' },
  { types: /^p5/, capacity: 'spot', code: 'L-C4BD4855', name: 'All P5 Spot Instance Requests' },
  { types: /^p\d/, capacity: 'on-demand', code: 'L-417A185B', name: 'Running On-Demand P instances' },
];

/** The instance types that the configuration lets workers run on. */
function instanceTypes({ gpu }: DeployConfig): string[] {
  if (gpu.capacity === 'auto-scaling-group') return [gpu.instanceType];
  return gpu.accelerators.map((accelerator) => SMALLEST[accelerator]).filter((type) => type !== undefined);
}

/** Asks AWS with the credentials and region of the environment; what cannot be asked is a finding as well. */
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

/** A refusal by AWS, such as of a permission, leaves the other checks alone. */
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
  // One of several is enough.
  const none = findings.every(({ verdict }) => verdict === 'warning');
  return none ? findings.map((finding) => ({ ...finding, verdict: 'stops' })) : findings;
}

/** A quota must hold one worker of the smallest type at least; fewer than gpu.maxWorkers is a warning. */
async function examineQuotas(ec2: EC2Client, { gpu }: DeployConfig, types: string[]): Promise<Finding[]> {
  // A capacity block is paid for ahead: no quota of running instances counts it.
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
  // While any quota of the kinds that are used lets a worker run, the others only narrow the choice.
  const some = findings.some(({ verdict }) => verdict !== 'stops');
  return some
    ? findings.map((finding) => ({ ...finding, verdict: finding.verdict === 'stops' ? 'warning' : finding.verdict }))
    : findings;
}

/** The account's own value, else AWS's default for all. */
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
