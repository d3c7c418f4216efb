/** The template of the self-hosted Temporal server. What its task does is shown by temporal-server.test.ts. */
import { X509Certificate } from 'node:crypto';
import { App, Stack } from 'aws-cdk-lib';
import { expect, it } from 'vitest';
import { rdsRootOf } from '../../cdk/rds-certificates.ts';
import { resourcesOf, synthesize, type SynthesizedStack } from './variants.ts';

const hostname = 'temporal.example.com';
const certificateArn = 'arn:aws:acm:us-east-1:111122223333:certificate/0123';

const deploy = (settings: object = {}) => synthesize({ temporal: { kind: 'self-hosted', ...settings } });
const stackOf = (stacks: SynthesizedStack[], name: string) => stacks.filter((stack) => stack.name === `selm-${name}`);

const deployed = deploy();
const server = stackOf(deployed, 'temporal');
const variablesOf = (stacks: SynthesizedStack[], container: string): Record<string, unknown> => {
  const containers = resourcesOf(stacks, 'AWS::ECS::TaskDefinition').flatMap(
    ({ Properties }) => Properties['ContainerDefinitions'],
  );
  const { Environment } = containers.find(({ Name }) => Name === container);
  return Object.fromEntries(Environment.map(({ Name, Value }: { Name: string; Value: unknown }) => [Name, Value]));
};

it('a deployment that fails rolls back, and one server at a time uses the database', () => {
  const [service] = resourcesOf(server, 'AWS::ECS::Service');
  expect(service.Properties['DeploymentConfiguration']).toMatchObject({
    DeploymentCircuitBreaker: { Enable: true, Rollback: true },
    MinimumHealthyPercent: 0,
    MaximumPercent: 100,
  });
  // Tasks that start before the database would count as failed.
  const resources = server[0].template.Resources;
  const awaited = (service as { DependsOn?: string[] }).DependsOn!.map((id) => resources[id].Type);
  expect(awaited).toContain('AWS::RDS::DBInstance');
});

it('CloudFormation can delete the database of a failed first deployment; it can be protected later', () => {
  const [database] = resourcesOf(server, 'AWS::RDS::DBCluster');
  expect(database.Properties['DeletionProtection']).toBe(false);
  expect(database.DeletionPolicy).toBe('Snapshot');
  const [isProtected] = resourcesOf(deploy({ deletionProtection: true }), 'AWS::RDS::DBCluster');
  expect(isProtected.Properties['DeletionProtection']).toBe(true);
});

it('the database is verified with the certificate of its region', () => {
  const [instance] = resourcesOf(server, 'AWS::RDS::DBInstance');
  expect(instance.Properties['CACertificateIdentifier']).toBe('rds-ca-rsa2048-g1');
  const { Mappings } = server[0].template as unknown as { Mappings: Record<string, Record<string, { pem: string }>> };
  const roots = Object.entries(Mappings['DatabaseRoots']);
  expect(roots.length).toBeGreaterThan(20);
  for (const [region, { pem }] of roots) {
    const { subject, ca } = new X509Certificate(pem);
    expect([subject.split('\n').includes(`CN=Amazon RDS ${region} Root CA RSA2048 G1`), ca]).toEqual([true, true]);
  }
  const pem = { 'Fn::FindInMap': ['DatabaseRoots', { Ref: 'AWS::Region' }, 'pem'] };
  for (const container of ['schema', 'server']) expect(variablesOf(server, container)['DATABASE_CA']).toEqual(pem);
  const databaseCa = '-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n';
  expect(variablesOf(deploy({ databaseCa }), 'server')['DATABASE_CA']).toBe(databaseCa);
});

const inRegion = (region: string) => new Stack(new App(), 'stack', { env: { region } });

it('in a known region the template contains its certificate only, and an unknown one is refused', () => {
  expect(new X509Certificate(rdsRootOf(inRegion('eu-west-1'))).subject).toContain('Amazon RDS eu-west-1');
  expect(() => rdsRootOf(inRegion('us-gov-west-1'))).toThrow(
    'The certificate of Amazon RDS in us-gov-west-1 is not known: set temporal.databaseCa to the bundle of the region',
  );
});

it('with a certificate, clients connect by TLS to its host name, which the network resolves to the load balancer', () => {
  const stacks = deploy({ tls: { hostname, certificateArn } });
  const secure = stackOf(stacks, 'temporal');
  const [listener] = resourcesOf(secure, 'AWS::ElasticLoadBalancingV2::Listener');
  expect(listener.Properties).toMatchObject({
    Protocol: 'TLS',
    Certificates: [{ CertificateArn: certificateArn }],
    AlpnPolicy: ['HTTP2Only'],
    SslPolicy: 'ELBSecurityPolicy-TLS13-1-2-2021-06',
  });
  const [zone] = resourcesOf(secure, 'AWS::Route53::HostedZone');
  expect(zone.Properties).toMatchObject({ Name: `${hostname}.`, VPCs: [expect.anything()] });
  const [record] = resourcesOf(secure, 'AWS::Route53::RecordSet');
  expect(record.Properties).toMatchObject({ Name: `${hostname}.`, Type: 'A' });
  expect(JSON.stringify(record.Properties['AliasTarget'])).toContain('LoadBalancer');
  expect(variablesOf(stackOf(stacks, 'control'), 'worker')).toMatchObject({
    TEMPORAL_ADDRESS: `${hostname}:7233`,
    TEMPORAL_TLS: 'true',
  });
  expect(variablesOf(stackOf(deployed, 'control'), 'worker')).not.toHaveProperty('TEMPORAL_TLS');
});

it('alarms watch the server and its database and notify the topic', () => {
  const temporalAlarms = (stacks: SynthesizedStack[]) =>
    resourcesOf(stackOf(stacks, 'observability'), 'AWS::CloudWatch::Alarm')
      .map(({ Properties }) => Properties)
      .filter(({ Namespace }) => ['AWS/RDS', 'AWS/NetworkELB'].includes(Namespace));
  const alarms = temporalAlarms(deployed);
  const [topic] = Object.entries(stackOf(deployed, 'observability')[0].template.Resources).find(
    ([, { Type }]) => Type === 'AWS::SNS::Topic',
  )!;
  for (const { AlarmActions } of alarms) expect(AlarmActions).toEqual([{ Ref: topic }]);
  const thresholds = (found: typeof alarms) =>
    Object.fromEntries(found.map(({ MetricName, Threshold }) => [MetricName, Threshold]));
  // Four fifths of the 400 connections that Aurora allows at 2 ACU.
  const ofDatabase = { ACUUtilization: 95, FreeLocalStorage: 512 * 1024 * 1024, DatabaseConnections: 320 };
  expect(thresholds(alarms)).toEqual({ HealthyHostCount: 1, ...ofDatabase });
  expect(thresholds(temporalAlarms(deploy({ stopped: true })))).toEqual(ofDatabase);

  const [rule] = resourcesOf(stackOf(deployed, 'observability'), 'AWS::Events::Rule').filter(({ Properties }) =>
    JSON.stringify(Properties['EventPattern'].resources).includes('selm-temporal:'),
  );
  expect(rule.Properties).toMatchObject({
    EventPattern: {
      'detail-type': ['ECS Deployment State Change'],
      detail: { eventName: ['SERVICE_DEPLOYMENT_FAILED'] },
    },
    Targets: [{ Arn: { Ref: topic } }],
  });
  // The topic is encrypted.
  const [key] = resourcesOf(stackOf(deployed, 'observability'), 'AWS::KMS::Key');
  expect(JSON.stringify(key.Properties['KeyPolicy'])).toContain('events.amazonaws.com');
});

it('outputs say where the server is', () => {
  const { Outputs } = server[0].template as unknown as { Outputs: Record<string, unknown> };
  expect(Object.keys(Outputs)).toEqual(
    expect.arrayContaining(['ClusterName', 'LogsName', 'ServiceName', 'DatabaseEndpoint']),
  );
});

it('settings that Temporal or AWS would reject are refused', () => {
  expect(() => deploy({ namespace: 'two words' })).toThrow(/"temporal\.namespace".*letters, digits/);
  expect(() => deploy({ tls: { hostname: 'temporal', certificateArn } })).toThrow(
    /"temporal\.tls\.hostname".*host name/,
  );
});
