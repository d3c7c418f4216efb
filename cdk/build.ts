/** Builds the CDK app: all stacks of a deployment, checked by cdk-nag. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Aspects, CfnOutput, RemovalPolicy, Stack, Validations, type AppProps } from 'aws-cdk-lib';
import { CfnKey } from 'aws-cdk-lib/aws-kms';
import { CfnLogGroup, LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { DISABLE_ASSET_STAGING_CONTEXT } from 'aws-cdk-lib/cx-api';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { IConstruct } from 'constructs';
import { BudgetStack, DEPLOYMENT_TAG } from './budget.ts';
import { ClusterStack } from './cluster.ts';
import { isStopped, type DeployConfig } from '../config/deployment.ts';
import { connectThrough } from './connectivity.ts';
import { ControlStack } from './control.ts';
import { encryptWith } from './encryption.ts';
import { allowExec } from './exec.ts';
import { GpuStack } from './gpu.ts';
import { adminToolsImage, serverImage } from './images.ts';
import { NetworkStack } from './network.ts';
import { ObservabilityStack } from './observability.ts';
import { addOutputs } from './outputs.ts';
import { NameRunbooks } from './runbooks.ts';
import { limitRoles, tagAll } from './standards.ts';
import { StorageStack } from './storage.ts';
import { checkTaskSizes } from './task-size.ts';
import { addTemporalAlarms } from './temporal-alarms.ts';
import { connectToCloud } from './temporal-connection.ts';
import { TemporalStack } from './temporal.ts';
import { UiStack } from './ui.ts';
import { hashOfWorkers, stackNameOf, STOPPED_OUTPUT, VERSION_OUTPUT, type Version } from './versions.ts';

/** CDK feature flags: current behavior that is off by default for compatibility with old apps. */
const FLAGS = {
  '@aws-cdk/aws-iam:minimizePolicies': true,
  '@aws-cdk/core:checkSecretUsage': true,
  '@aws-cdk/core:target-partitions': ['aws'],
  '@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy': true,
  // CloudFormation refuses to delete what a stack of an earlier version still uses.
  '@aws-cdk/core:defaultCrossStackReferences': 'strong',
};

/** Creates an app whose synthesis fails if cdk-nag has a finding that is not acknowledged. */
export function createApp(props: AppProps = {}): App {
  const app = new App({ ...props, context: FLAGS });
  Validations.of(app).addPlugins(new AwsSolutionsChecks());
  return app;
}

/**
 * Adds the stacks to `app`: those that all versions of the workers share, and those of the current version. Stacks of earlier versions
 * are not in the app, so that a deployment never touches them.
 * @returns the current version
 * @throws InputError when a setting cannot be deployed
 */
export function buildDeployment(app: App, config: DeployConfig): Version {
  const version = versionOf(config);
  addStacks(app, config, version);
  checkTaskSizes(app);
  return version;
}

/**
 * Builds the stacks without writing templates, to find what cannot be deployed before a command changes anything.
 * @returns the version that a deployment of the configuration makes current
 * @throws InputError when a setting cannot be deployed
 */
export function checkDeployment(config: DeployConfig): Version {
  const outdir = mkdtempSync(join(tmpdir(), 'selm-check-'));
  try {
    const app = createApp({ outdir });
    // The sources of the images are not copied.
    app.node.setContext(DISABLE_ASSET_STAGING_CONTEXT, true);
    return buildDeployment(app, config);
  } finally {
    rmSync(outdir, { recursive: true });
  }
}

/** The version that the configuration makes. Its id contains a hash of the stacks that it is in, so they are built once without it. */
function versionOf(config: DeployConfig): Version {
  const outdir = mkdtempSync(join(tmpdir(), 'selm-version-'));
  try {
    const draft = new App({
      outdir,
      autoSynth: false,
      // The stacks that are deployed are validated.
      builtinCloudFormationValidation: false,
      context: { ...FLAGS, [DISABLE_ASSET_STAGING_CONTEXT]: true },
    });
    const workers = addStacks(draft, config, { id: config.version });
    const assembly = draft.synth();
    const templates = workers.map(({ artifactId }) => assembly.getStackArtifact(artifactId).template as never);
    return { id: `${config.version}-${hashOfWorkers(templates)}` };
  } finally {
    rmSync(outdir, { recursive: true });
  }
}

/** Adds the stacks to `app`. A stack gets the resources of earlier stacks as props. @returns the stacks of the version */
function addStacks(app: App, config: DeployConfig, version: Version): Stack[] {
  const { name, temporal, budget, ui, region, account } = config;
  Aspects.of(app).add(new NameRunbooks());
  const props = (description: string) => ({
    description: `selm ${name}: ${description}`,
    env: { region, account },
  });

  const storage = new StorageStack(app, `${name}-storage`, config, props('the artifacts'));
  const network = new NetworkStack(app, `${name}-network`, config, storage.bucketArn, props('the network'));
  const { vpc, subnets, entrance } = network;
  const server =
    temporal.kind === 'self-hosted'
      ? new TemporalStack(app, `${name}-temporal`, temporal, {
          ...props('the Temporal server'),
          vpc,
          subnets,
          images: { server: serverImage(config), adminTools: adminToolsImage(config) },
        })
      : undefined;
  const connection = temporal.kind === 'cloud' ? connectToCloud(network, temporal, vpc, subnets) : server!.connection;
  const shared = new ClusterStack(app, `${name}-cluster`, version, {
    ...props('the cluster of the control workers, and logs'),
    vpc,
  });
  const observability = new ObservabilityStack(app, `${name}-observability`, config, {
    ...props('dashboard and alarms'),
    version,
  });
  const { topic } = observability;
  if (temporal.kind === 'self-hosted') addTemporalAlarms(observability, temporal, server!, topic);
  const resources = { vpc, subnets, storage, temporal: connection };
  const ofVersion = (stack: string, description: string) => ({
    ...props(description),
    ...resources,
    shared,
    version,
    stackName: stackNameOf(stack, version),
  });
  const control = new ControlStack(app, `${name}-control`, config, ofVersion(`${name}-control`, 'the control worker'));
  const gpu = new GpuStack(app, `${name}-gpu`, config, { ...ofVersion(`${name}-gpu`, 'the GPU workers'), topic });
  const workers = [control, gpu];
  for (const stack of workers) {
    new CfnOutput(stack, VERSION_OUTPUT, { value: version.id });
    if (isStopped(config)) new CfnOutput(stack, STOPPED_OUTPUT, { value: 'true' });
  }
  if (ui !== false) {
    const { cluster, controlLogs: logGroup } = shared;
    const pages = { ...props('the web pages'), ...resources, entrance, cluster, logGroup };
    new UiStack(app, `${name}-ui`, config, ui, pages);
  }
  if (budget) new BudgetStack(app, `${name}-budget`, name, budget, props('the budget'));

  // Workers connect to the server when they start.
  if (server) for (const stack of workers) stack.addStackDependency(server);
  Aspects.of(app).add({ visit: (node) => deleteWithStack(node, storage) });
  applyStandards(app, network, config);
  addOutputs(stacksOf(app), config, { storage, shared, control, temporal: connection });
  return workers;
}

/** The organization's settings. They apply to what all stacks contain, so they come after it. */
function applyStandards(app: App, network: NetworkStack, config: DeployConfig): void {
  const { name, exec, kmsKeyArn, tags, permissionsBoundaryArn } = config;
  const stacks = stacksOf(app);
  connectThrough(stacks, config);
  if (exec) {
    const sessions = new LogGroup(network, 'Sessions', { retention: RetentionDays.ONE_MONTH });
    allowExec(stacks, sessions, kmsKeyArn !== undefined);
  }
  if (kmsKeyArn !== undefined) encryptWith(app, kmsKeyArn);
  tagAll(app, { ...tags, [DEPLOYMENT_TAG]: name });
  if (permissionsBoundaryArn !== undefined) limitRoles(stacks, permissionsBoundaryArn);
}

const stacksOf = (app: App) => app.node.children.filter((child): child is Stack => child instanceof Stack);

/** By default CDK retains log groups and keys, which then cost money without a stack. Only the key of the artifacts stays. */
function deleteWithStack(node: IConstruct, storage: Stack): void {
  if (node instanceof CfnLogGroup || (node instanceof CfnKey && Stack.of(node) !== storage)) {
    node.applyRemovalPolicy(RemovalPolicy.DESTROY);
  }
}
