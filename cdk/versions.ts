/** The versions of the workers that run in parallel. */
import type { DeployConfig } from '../config/deployment.ts';

/** A version of the workers. */
export interface Version {
  /** Temporal build id. */
  id: string;
  /** Suffix of construct ids; empty for the current version, so that its resources are updated in place when it changes. */
  suffix: string;
  /** Images of a draining version; undefined for the current version. */
  images?: { control: string; gpu: string };
}

/** The current version, followed by the draining ones. */
export function versionsOf({ version, draining }: DeployConfig): Version[] {
  const earlier = draining.map(({ version: id, control, gpu }) => ({ id, suffix: `-${id}`, images: { control, gpu } }));
  return [{ id: version, suffix: '' }, ...earlier];
}

/** Name of the metric in which a version's control worker publishes its backlog plus the activities in progress. */
export const demandMetricOf = ({ suffix }: Version) => `Demand${suffix}`;
