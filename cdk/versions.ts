/** The versions of the workers that run beside each other. */
import type { DeployConfig } from '../config/deployment.ts';

export interface Version {
  id: string;
  /** Of the names of its constructs: empty for the current version, whose resources stay when it changes. */
  suffix: string;
  /** Of a version that is being drained; the current one's are built. */
  images?: { control: string; gpu: string };
}

/** The current version, then those that are being drained. */
export function versionsOf({ version, draining }: DeployConfig): Version[] {
  const earlier = draining.map(({ version: id, control, gpu }) => ({ id, suffix: `-${id}`, images: { control, gpu } }));
  return [{ id: version, suffix: '' }, ...earlier];
}

/** The metric that a version's control worker publishes: its backlog and what is in flight. */
export const demandMetricOf = ({ suffix }: Version) => `Demand${suffix}`;
