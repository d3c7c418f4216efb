/** Outputs of the stacks: the names and addresses that an operator looks for. */
import { Aws, CfnMapping, CfnOutput, type Stack } from 'aws-cdk-lib';
import { Dashboard } from 'aws-cdk-lib/aws-cloudwatch';
import { Cluster } from 'aws-cdk-lib/aws-ecs';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { DeployConfig } from '../config/deployment.ts';
import { poolsOf } from '../config/deployment/gpu.ts';
import { CONTROL_QUEUE, MODEL_QUEUES } from '../workflows/queues.ts';
import type { StorageStack } from './storage.ts';
import type { TemporalConnection } from './temporal-connection.ts';

/** What outputs are about, besides the constructs of the stacks. */
export interface OutputSources {
  storage: StorageStack;
  temporal: TemporalConnection;
  /** The stack that all versions of the workers share. */
  shared: Stack;
  /** The stack of the control worker, which declares the schedules. */
  control: Stack;
}

/** Adds the outputs of everything that `stacks` contain. */
export function addOutputs(
  stacks: Stack[],
  config: DeployConfig,
  { storage, temporal, shared, control }: OutputSources,
): void {
  for (const stack of stacks) {
    for (const construct of stack.node.findAll()) {
      const name = construct.node.path.slice(stack.node.path.length).replaceAll(/\W/g, '');
      if (construct instanceof Cluster) add(stack, `${name}Name`, construct.clusterName, 'ECS cluster');
      if (construct instanceof LogGroup) add(stack, `${name}Name`, construct.logGroupName, 'Log group in CloudWatch');
      if (construct instanceof Dashboard) add(stack, `${name}Url`, urlOf(stack, construct), 'Dashboard in CloudWatch');
    }
  }
  // A stack without resources, such as that of an existing bucket, is not deployed. These are therefore in the stack that all versions of the workers share.
  add(shared, 'StoreUrl', storage.url, 'SELM_STORE of the workers: bucket and prefix of the artifacts');
  if (storage.keyArn !== undefined) add(shared, 'StoreKey', storage.keyArn, 'KMS key of the bucket');
  add(shared, 'TemporalAddress', temporal.environment['TEMPORAL_ADDRESS'], 'TEMPORAL_ADDRESS of the workers');
  add(shared, 'TemporalNamespace', temporal.environment['TEMPORAL_NAMESPACE'], 'TEMPORAL_NAMESPACE of the workers');
  const queues = [CONTROL_QUEUE, ...poolsOf(config).map(({ name }) => MODEL_QUEUES[name])];
  add(shared, 'TaskQueues', queues.join(', '), "Temporal's task queues of the workers");
  const names = config.schedules.map(({ run }) => (typeof run === 'string' ? run : String(run['name'])));
  if (names.length > 0)
    add(control, 'Schedules', names.join(', '), 'Declared schedules, by their runs: selm schedule list');
}

const add = (stack: Stack, name: string, value: string, description: string) =>
  new CfnOutput(stack, name, { value, description });

/** Hosts of AWS's console by partition: AWS, GovCloud (US), and China. */
const CONSOLES = {
  aws: { host: 'console.aws.amazon.com' },
  'aws-us-gov': { host: 'console.amazonaws-us-gov.com' },
  'aws-cn': { host: 'console.amazonaws.cn' },
};

function urlOf(stack: Stack, { dashboardName }: Dashboard): string {
  const { region } = stack;
  const host = new CfnMapping(stack, 'Consoles', { mapping: CONSOLES }).findInMap(Aws.PARTITION, 'host');
  return `https://${region}.${host}/cloudwatch/home?region=${region}#dashboards/dashboard/${dashboardName}`;
}
