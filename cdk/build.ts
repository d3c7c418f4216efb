/** Builds the CDK app: all stacks of a deployment, checked by cdk-nag. */
import { App, Stack, Tags, Validations, type AppProps } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { BudgetStack, DEPLOYMENT_TAG } from './budget.ts';
import type { DeployConfig } from '../config/deployment.ts';
import { ControlStack } from './control.ts';
import { GpuStack } from './gpu.ts';
import { NetworkStack } from './network.ts';
import { ObservabilityStack } from './observability.ts';
import { StorageStack } from './storage.ts';
import { connectToCloud } from './temporal-connection.ts';
import { TemporalStack } from './temporal.ts';

/** CDK feature flags: current behavior that is off by default for compatibility with old apps. */
const FLAGS = {
  '@aws-cdk/aws-iam:minimizePolicies': true,
  '@aws-cdk/core:checkSecretUsage': true,
  '@aws-cdk/core:target-partitions': ['aws'],
  '@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy': true,
};

/** Creates an app whose synthesis fails if cdk-nag has a finding that is not acknowledged. */
export function createApp(props: AppProps = {}): App {
  const app = new App({ ...props, context: FLAGS });
  Validations.of(app).addPlugins(new AwsSolutionsChecks());
  return app;
}

/** Adds the stacks to `app`. A stack gets the resources of earlier stacks as props. */
export function buildDeployment(app: App, config: DeployConfig): void {
  const { name, temporal, budget } = config;
  Tags.of(app).add(DEPLOYMENT_TAG, name);
  const props = (description: string) => ({ description: `selm ${name}: ${description}` });

  const network = new NetworkStack(app, `${name}-network`, config, props('the network'));
  const { vpc, subnets } = network;
  const storage = new StorageStack(app, `${name}-storage`, name, props('the artifacts'));
  const connection =
    temporal.kind === 'cloud'
      ? connectToCloud(network, temporal, vpc, subnets)
      : new TemporalStack(app, `${name}-temporal`, temporal, { ...props('the Temporal server'), vpc, subnets })
          .connection;
  const shared = { vpc, subnets, storage, temporal: connection };
  const control = new ControlStack(app, `${name}-control`, config, {
    ...props('the control worker'),
    ...shared,
    entrance: network.entrance,
  });
  const gpu = new GpuStack(app, `${name}-gpu`, config, { ...props('the GPU workers'), ...shared });
  new ObservabilityStack(app, `${name}-observability`, config, props('dashboard and alarms'));
  if (budget) new BudgetStack(app, `${name}-budget`, name, budget, props('the budget'));

  // Workers connect to the server when they start.
  const server = app.node.tryFindChild(`${name}-temporal`);
  for (const workers of [control, gpu]) if (server instanceof Stack) workers.addStackDependency(server);
}
