/** Changes of `ui`: a deployment removes no export that a stack uses which is still there. */
import { expect, it } from 'vitest';
import type { DeployedStack } from '../../cdk/deployed.ts';
import { obsoleteStacks } from '../../cdk/removed-sections.ts';
import { checkDeployConfig } from '../../config/load-deployment.ts';
import { cloud, publicUi, synthesize, type SynthesizedStack } from './variants.ts';

const base = { version: '1.2.3', temporal: cloud, images: { control: 'registry/selm:1', gpu: 'registry/selm:1-gpu' } };
const states = { none: {}, internal: { ui: true }, public: { ui: publicUi } };
const synthesized = Object.fromEntries(
  Object.entries(states).map(([name, ui]) => [name, synthesize({ ...base, ...ui })]),
) as Record<keyof typeof states, SynthesizedStack[]>;

const outputsOf = ({ template }: SynthesizedStack) => Object.entries(template.Outputs ?? {});
const exportsOf = (stacks: SynthesizedStack[]) =>
  stacks.flatMap((stack) =>
    outputsOf(stack).flatMap(([, output]) => ('Export' in output ? [(output.Export as { Name: string }).Name] : [])),
  );
const importsOf = ({ template }: SynthesizedStack) =>
  [...JSON.stringify(template).matchAll(/"Fn::ImportValue":"([^"]+)"/g)].map(([, name]) => name);
const deployed = (stacks: SynthesizedStack[]): DeployedStack[] =>
  stacks.map((stack) => ({
    name: stack.name,
    created: new Date(0),
    outputs: Object.fromEntries(outputsOf(stack).map(([name]) => [name, ''])),
  }));

it.each([
  ['internal', 'none', ['selm-ui']],
  ['public', 'none', ['selm-ui']],
  ['public', 'internal', ['selm-ui']],
  ['internal', 'public', ['selm-ui']],
  ['none', 'public', []],
  ['public', 'public', []],
] as const)('from %s pages to %s ones, %j is deleted first', (from, to, deleted) => {
  const before = synthesized[from];
  const config = checkDeployConfig({ ...base, ...states[to] }, 'test');
  const obsolete = obsoleteStacks(config, deployed(before)).map(({ stack }) => stack);
  expect(obsolete).toEqual(deleted);
  const kept = exportsOf(synthesized[to]);
  const removed = exportsOf(before).filter((name) => !kept.includes(name));
  const users = before
    .filter((stack) => importsOf(stack).some((name) => removed.includes(name)))
    .map(({ name }) => name);
  expect(users).toEqual(deleted);
});
