/**
 * Versions of the workers. A version is a pair of stacks of its own, which is never updated in a way that replaces a task: whatever changes
 * the workers makes another version with new stacks, and runs in progress keep the workers that they started on.
 */
import { hashValue } from '../artifacts/hash.ts';

/** A version of the workers. */
export interface Version {
  /** Temporal build id: `version` of the configuration, and a hash of the workers' stacks. */
  id: string;
}

/** Output with the version: of a version's stacks with its id, and of the shared cluster's stack with that of the current version. */
export const VERSION_OUTPUT = 'Version';

/** Output of a version's stacks while they are deployed with `temporal.stopped`. */
export const STOPPED_OUTPUT = 'Stopped';

/** Output of the shared cluster's stack with the name of the cluster. */
export const CLUSTER_OUTPUT = 'ControlCluster';

/** Name of a stack that belongs to a version. Names of stacks have letters, digits and hyphens only. */
export const stackNameOf = (stack: string, { id }: Version) => `${stack}-${id.replaceAll(/[^A-Za-z0-9-]/g, '-')}`;

/** Resources that can change while tasks run: limits and rules of scaling. */
const IN_PLACE = [
  'AWS::ApplicationAutoScaling::ScalableTarget',
  'AWS::ApplicationAutoScaling::ScalingPolicy',
  'AWS::CloudWatch::Alarm',
];
/**
 * Keys whose values can change while tasks run: whether the deployment is stopped, the limit of an Auto Scaling group, and metadata, which
 * only CDK's command adds.
 */
const IN_PLACE_KEYS = ['DesiredCount', 'MaxSize', 'Metadata'];
/** A variable of the control worker, which a rolling update may replace at any time. */
const SCHEDULES = 'SELM_SCHEDULES';

interface Template {
  Resources: Record<string, { Type: string }>;
}

/** Eight hexadecimal digits that differ if anything differs whose change would replace tasks. */
export function hashOfWorkers(templates: Template[]): string {
  const lasting = templates.map(({ Resources }) =>
    Object.entries(Resources).filter(([, { Type }]) => !IN_PLACE.includes(Type)),
  );
  const text = JSON.stringify(lasting, (key, value: unknown) => {
    if (IN_PLACE_KEYS.includes(key)) return undefined;
    return Array.isArray(value) ? value.filter((item) => (item as { Name?: string })?.Name !== SCHEDULES) : value;
  });
  return hashValue(text).slice(0, 8);
}
