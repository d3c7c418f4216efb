/** Differences between a configuration, the stacks that are deployed, and their resources. */
import {
  CloudFormationClient,
  DescribeStackDriftDetectionStatusCommand,
  DescribeStackResourceDriftsCommand,
  DetectStackDriftCommand,
  GetTemplateCommand,
} from '@aws-sdk/client-cloudformation';
import { setTimeout as sleep } from 'node:timers/promises';
import { canonicalJson } from '../artifacts/hash.ts';
import { inRegion, type Target } from './target.ts';

const POLL_MILLISECONDS = 2000;

/** A difference of a resource, or of the rest of a template. */
export interface Difference {
  stack: string;
  /** `+`: is added by a deployment, `-`: is removed, `~`: is changed. `drift`: was changed outside of CloudFormation. */
  kind: '+' | '-' | '~' | 'drift';
  /** The type and logical id of the resource, or the section of the template. */
  what: string;
}

type Template = Record<string, unknown> & { Resources?: Record<string, { Type: string }> };

/**
 * A text to compare by. CloudFormation returns templates with a question mark for each character outside of ASCII, and only CDK's command
 * adds metadata to resources.
 */
function comparable(value: unknown): string {
  const { Metadata: _, ...rest } = Object(value) as { Metadata?: unknown };
  return canonicalJson(rest).replaceAll(/\P{ASCII}/gu, '?');
}

/** What a deployment of `after` changes in a stack with the template `before`. */
export function templateDifferences(stack: string, before: Template, after: Template): Difference[] {
  const sections = new Set([...Object.keys(before), ...Object.keys(after)]);
  sections.delete('Resources');
  const others = [...sections].filter((section) => comparable(before[section]) !== comparable(after[section]));
  const [old, now] = [before.Resources ?? {}, after.Resources ?? {}];
  const resources = [...new Set([...Object.keys(old), ...Object.keys(now)])].flatMap((id): Difference[] => {
    if (!(id in old)) return [{ stack, kind: '+', what: `${now[id].Type} ${id}` }];
    if (!(id in now)) return [{ stack, kind: '-', what: `${old[id].Type} ${id}` }];
    return comparable(old[id]) === comparable(now[id]) ? [] : [{ stack, kind: '~', what: `${now[id].Type} ${id}` }];
  });
  return [...resources, ...others.map((what): Difference => ({ stack, kind: '~', what }))];
}

/** The template of a deployed stack. */
export async function deployedTemplate(target: Target, stack: string): Promise<Template> {
  const client = new CloudFormationClient(inRegion(target));
  const { TemplateBody } = await client.send(new GetTemplateCommand({ StackName: stack }));
  return JSON.parse(TemplateBody!) as Template;
}

/**
 * Resources of a deployed stack that were changed or deleted outside of CloudFormation.
 * @throws Error when CloudFormation cannot detect them
 */
export async function driftOf(target: Target, stack: string): Promise<Difference[]> {
  const client = new CloudFormationClient(inRegion(target));
  const { StackDriftDetectionId } = await client.send(new DetectStackDriftCommand({ StackName: stack }));
  for (;;) {
    const status = await client.send(new DescribeStackDriftDetectionStatusCommand({ StackDriftDetectionId }));
    if (status.DetectionStatus === 'DETECTION_FAILED')
      throw new Error(`CloudFormation could not detect the drift of ${stack}: ${status.DetectionStatusReason}`);
    if (status.DetectionStatus === 'DETECTION_COMPLETE') break;
    await sleep(POLL_MILLISECONDS);
  }
  const differences: Difference[] = [];
  let NextToken: string | undefined;
  do {
    const page = await client.send(
      new DescribeStackResourceDriftsCommand({
        StackName: stack,
        StackResourceDriftStatusFilters: ['MODIFIED', 'DELETED'],
        ...(NextToken !== undefined && { NextToken }),
      }),
    );
    for (const { ResourceType, LogicalResourceId, StackResourceDriftStatus } of page.StackResourceDrifts ?? [])
      differences.push({
        stack,
        kind: 'drift',
        what: `${ResourceType} ${LogicalResourceId} (${StackResourceDriftStatus!.toLowerCase()})`,
      });
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  return differences;
}
