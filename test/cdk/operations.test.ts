/** The alarms of a deployment, and their runbooks in docs/deploy.md. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { resourcesOf, synthesize, VARIANTS } from './variants.ts';

const page = readFileSync(new URL('../../docs/deploy.md', import.meta.url), 'utf8');

/** The text of each section of the page by the anchor that GitHub gives its heading. */
const sections = new Map(
  page
    .split(/^#+ /m)
    .slice(1)
    .map((section) => {
      const [heading, ...lines] = section.split('\n');
      return [
        heading
          .toLowerCase()
          .replaceAll(/[^\w -]/g, '')
          .replaceAll(' ', '-'),
        lines.join('\n').trim(),
      ];
    }),
);

const everything = synthesize(VARIANTS['everything']);

it.each(Object.keys(VARIANTS))(
  'every alarm says what it means and names its runbook, which is on the page: %s',
  (name) => {
    const stacks = name === 'everything' ? everything : synthesize(VARIANTS[name]);
    const alarms = resourcesOf(stacks, 'AWS::CloudWatch::Alarm');
    expect(alarms.length).toBeGreaterThan(5);
    for (const { Properties } of alarms) {
      const [, meaning, anchor] = /^(.+) Runbook: docs\/deploy\.md#([\w-]+)$/.exec(Properties['AlarmDescription'])!;
      expect(meaning.length).toBeGreaterThan(20);
      expect(sections.get(anchor)?.length ?? 0, anchor).toBeGreaterThan(80);
    }
  },
);

const poolOf = ({ Dimensions }: Record<string, { Name: string; Value: string }[]>) =>
  Dimensions.find(({ Name }) => Name === 'Pool')!.Value;

it('both pools have alarms for idle GPUs and full disks; failed runs have one', () => {
  const alarms = resourcesOf(everything, 'AWS::CloudWatch::Alarm').map(({ Properties }) => Properties);
  const on = (metric: string) => alarms.filter(({ MetricName }) => MetricName === metric);
  for (const metric of ['GpuUtilization', 'DiskUsed']) expect(on(metric).map(poolOf)).toEqual(['single', 'node']);
  for (const idle of on('GpuUtilization')) {
    expect(idle).toMatchObject({ ComparisonOperator: 'LessThanThreshold', Threshold: 5, EvaluationPeriods: 30 });
    // Workers without work publish nothing: that is no fault.
    expect(idle).toMatchObject({ Statistic: 'Average', Period: 60, TreatMissingData: 'notBreaching' });
  }
  for (const full of on('DiskUsed'))
    expect(full).toMatchObject({ ComparisonOperator: 'GreaterThanThreshold', Threshold: 90, Statistic: 'Maximum' });
  expect(on('RunsFailed')).toHaveLength(1);
  for (const { AlarmActions } of [...on('GpuUtilization'), ...on('DiskUsed'), ...on('RunsFailed')])
    expect(JSON.stringify(AlarmActions)).toContain('Alarms');
});

it("ECS's event of a failed deployment of the deployment's services goes to the topic, whose key EventBridge may use", () => {
  const rules = resourcesOf(everything, 'AWS::Events::Rule').map(({ Properties }) => Properties);
  const rule = rules.find(({ Targets }) => JSON.stringify(Targets).includes('alarm-faileddeployment'))!;
  // As in the ECS developer guide, "Service deployment state change events".
  expect(rule['EventPattern']).toMatchObject({
    source: ['aws.ecs'],
    'detail-type': ['ECS Deployment State Change'],
    detail: { eventName: ['SERVICE_DEPLOYMENT_FAILED'] },
  });
  for (const stack of ['control', 'gpu'])
    expect(JSON.stringify(rule['EventPattern'].resources)).toContain(`:service/selm-${stack}-`);
  expect(sections.get('alarm-faileddeployment')!.length).toBeGreaterThan(80);
  const [topic] = resourcesOf(everything, 'AWS::SNS::TopicPolicy');
  expect(JSON.stringify(topic.Properties)).toContain('events.amazonaws.com');
  const keys = resourcesOf(everything, 'AWS::KMS::Key').map(({ Properties }) =>
    JSON.stringify(Properties['KeyPolicy']),
  );
  expect(
    keys.some((policy) => policy.includes('events.amazonaws.com') && policy.includes('cloudwatch.amazonaws.com')),
  ).toBe(true);
});

it.each(Object.keys(VARIANTS))('alarms may publish to the topic that they notify: %s', (name) => {
  const stacks = name === 'everything' ? everything : synthesize(VARIANTS[name]);
  const [policy, ...others] = resourcesOf(stacks, 'AWS::SNS::TopicPolicy').map(({ Properties }) => Properties);
  expect(others).toEqual([]);
  expect(policy['Topics']).toEqual([{ Ref: expect.stringMatching(/^Alarms/) as unknown }]);
  // Statement Allow_Publish_Alarms of https://repost.aws/knowledge-center/cloudwatch-receive-sns-for-alarm-trigger. A topic with a policy
  // of its own has none of SNS's default.
  expect(policy['PolicyDocument'].Statement).toContainEqual(
    expect.objectContaining({
      Effect: 'Allow',
      Principal: { Service: 'cloudwatch.amazonaws.com' },
      Action: 'sns:Publish',
      Resource: policy['Topics'][0],
    }),
  );
});
