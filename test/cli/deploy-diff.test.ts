/**
 * `selm deploy diff` with the clients of AWS's SDK. moto neither creates all of the resources nor detects drift, so a server before it keeps
 * the templates and answers for the drift.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildDeployment, createApp } from '../../cdk/build.ts';
import type { Difference } from '../../cdk/differences.ts';
import { checkDeployConfig } from '../../config/load-deployment.ts';
import { membersOf, startCloudFormation } from '../cloudformation.ts';
import { startMoto } from '../moto.ts';
import { selm, summaryOf } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';

const folder = temporaryFolder();
const config = {
  images: { control: 'registry/selm:1', gpu: 'registry/selm:1-gpu' },
  temporal: { kind: 'self-hosted' },
};
const file = (name: string, document: object) => {
  writeFileSync(join(folder, name), JSON.stringify(document));
  return join(folder, name);
};

/** What is deployed: templates by stack, and the drifted resources of each. */
const deployed = new Map<string, object>();
const drifted = new Map<string, string[]>();
let env: Record<string, string>;
let moto: Awaited<ReturnType<typeof startMoto>>;
afterAll(() => moto.stop());

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

function answer(action: string, query: URLSearchParams): string | undefined {
  const stack = query.get('StackName') ?? query.get('StackDriftDetectionId') ?? '';
  if (action === 'DescribeStacks') {
    const tag = '<member><Key>selm-deployment</Key><Value>selm</Value></member>';
    const rest = `<CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus><Tags>${tag}</Tags>`;
    const all = [...deployed.keys()].map((name) => `<StackName>${name}</StackName>${rest}`);
    return `<Stacks>${membersOf(all)}</Stacks>`;
  }
  if (action === 'GetTemplate') return `<TemplateBody>${escaped(JSON.stringify(deployed.get(stack)))}</TemplateBody>`;
  if (action === 'DetectStackDrift') return `<StackDriftDetectionId>${stack}</StackDriftDetectionId>`;
  if (action === 'DescribeStackDriftDetectionStatus') return '<DetectionStatus>DETECTION_COMPLETE</DetectionStatus>';
  if (action !== 'DescribeStackResourceDrifts') return undefined;
  const rest =
    '<ResourceType>AWS::S3::Bucket</ResourceType><StackResourceDriftStatus>MODIFIED</StackResourceDriftStatus>';
  const drifts = (drifted.get(stack) ?? []).map((id) => `<LogicalResourceId>${id}</LogicalResourceId>${rest}`);
  return `<StackResourceDrifts>${membersOf(drifts)}</StackResourceDrifts>`;
}

beforeAll(async () => {
  const app = createApp({ outdir: folder });
  buildDeployment(app, checkDeployConfig(config, 'test'));
  for (const { stackName, template } of app.synth().stacks) deployed.set(stackName, template as object);
  moto = await startMoto();
  env = { ...moto.env, ...(await startCloudFormation(moto.url, answer)) };
});

async function diff(document: object) {
  const ended = await selm(['deploy', 'diff', '--json', '--config', file('deploy.yaml', document)], env);
  return { ...ended, differences: ended.code === 1 ? [] : summaryOf<{ differences: Difference[] }>(ended).differences };
}

it('what is deployed as it is configured does not differ: exit code 0', async () => {
  const { code, stderr, differences } = await diff(config);
  expect([code, differences], stderr).toEqual([0, []]);
});

it('a changed schedule is a changed task of the control worker: exit code 4', async () => {
  const run = { name: 'weekly', model: 'org/model', prompts: { train: 'org/data', heldOut: 9 } };
  const { code, differences } = await diff({ ...config, schedules: [{ cron: '0 3 * * 1', run }] });
  expect(code).toBe(4);
  expect(differences).toMatchObject([
    { kind: '~', what: expect.stringMatching(/^AWS::ECS::TaskDefinition Task/) as string },
    // They name the declared schedules.
    { kind: '~', what: 'Outputs' },
  ]);
  for (const { stack } of differences) expect(stack).toMatch(/^selm-control-/);
});

it('a resource that was changed by hand, and a stack that is no longer configured', async () => {
  drifted.set('selm-storage', ['Artifacts82DD59A1']);
  deployed.set('selm-budget', {});
  const { code, differences } = await diff(config);
  expect(code).toBe(4);
  expect(differences).toEqual([
    { stack: 'selm-storage', kind: 'drift', what: 'AWS::S3::Bucket Artifacts82DD59A1 (modified)' },
    { stack: 'selm-budget', kind: '-', what: 'the stack is not configured' },
  ]);
});
