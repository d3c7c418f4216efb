/** ECS Exec's permissions and the key policy that docs/deploy-security.md asks for, against those that CDK's own constructs grant. */
import { readFileSync } from 'node:fs';
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Vpc } from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { Key } from 'aws-cdk-lib/aws-kms';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { expect, it } from 'vitest';
import { cloud, resourcesOf, synthesize, type Resource } from './variants.ts';

interface Statement {
  Action: string | string[];
  Resource: unknown;
  Principal?: { Service?: string };
}

const statementsOf = (policies: Resource[], document: 'PolicyDocument' | 'KeyPolicy') =>
  policies.flatMap(({ Properties }) => Properties[document].Statement as Statement[]);
const actionsOf = ({ Action }: Statement) => [Action].flat();

/** CDK's service with ECS Exec, on a cluster that encrypts the disks of its tasks. */
const theirs = (() => {
  const stack = new Stack(new App(), 'Theirs');
  const key = new Key(stack, 'Key');
  const cluster = new ecs.Cluster(stack, 'Cluster', {
    vpc: new Vpc(stack, 'Vpc'),
    managedStorageConfiguration: { fargateEphemeralStorageKmsKey: key },
    executeCommandConfiguration: {
      logging: ecs.ExecuteCommandLogging.OVERRIDE,
      logConfiguration: { cloudWatchLogGroup: new LogGroup(stack, 'Sessions'), cloudWatchEncryptionEnabled: true },
    },
  });
  const taskDefinition = new ecs.FargateTaskDefinition(stack, 'Task');
  taskDefinition.addContainer('Worker', { image: ecs.ContainerImage.fromRegistry('selm') });
  const service = new ecs.FargateService(stack, 'Service', { cluster, taskDefinition, enableExecuteCommand: true });
  expect(service.cluster).toBe(cluster);
  return Object.values(Template.fromStack(stack).toJSON()['Resources'] as Record<string, Resource>);
})();
const ofType = (type: string) => theirs.filter(({ Type }) => Type === type);

/** The actions of Exec, each with whether it is allowed on everything. */
const execOf = (statements: Statement[]) =>
  statements
    .flatMap((statement) => actionsOf(statement).map((action) => [action, statement.Resource === '*'] as const))
    .filter(([action]) => /^(ssmmessages|logs):/.test(action));

it('tasks with ECS Exec may do what CDK grants for it, and on the same resources', () => {
  const expected = new Map(execOf(statementsOf(ofType('AWS::IAM::Policy'), 'PolicyDocument')));
  expect(expected.get('ssmmessages:OpenDataChannel')).toBe(true);
  expect(expected.get('logs:PutLogEvents')).toBe(false);

  const stacks = synthesize({ version: '1.2.3', temporal: cloud, exec: true });
  const roles = resourcesOf(stacks, 'AWS::IAM::Policy').filter(({ Properties }) =>
    /TaskRole/.test(JSON.stringify(Properties['Roles'])),
  );
  expect(roles.length).toBeGreaterThan(2);
  for (const role of roles) expect(new Map(execOf(statementsOf([role], 'PolicyDocument')))).toEqual(expected);
});

it('the key policy in docs/deploy-security.md allows Fargate what CDK grants it', () => {
  const statements = statementsOf(ofType('AWS::KMS::Key'), 'KeyPolicy');
  const expected = statements
    .filter(({ Principal }) => Principal?.Service === 'fargate.amazonaws.com')
    .flatMap(actionsOf)
    .map((action) => action.replace('kms:', ''));
  expect(expected).toHaveLength(2);
  const page = readFileSync(new URL('../../docs/deploy-security.md', import.meta.url), 'utf8');
  const [, actions] = /^\| `fargate\.amazonaws\.com` +\| ([^|]+?) +\|/m.exec(page)!;
  expect(actions.split(', ').sort()).toEqual(expected.sort());
});
