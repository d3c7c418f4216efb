/** The roles of workers, and the task queue of each. */
import { CONTROL_QUEUE, MODEL_QUEUES } from '../workflows/queues.ts';

/** `gpu` and `node` compute the steps with a model: for the pools `single` and `node`. */
export const ROLES = ['control', 'gpu', 'node'] as const;
export type Role = (typeof ROLES)[number];

export const QUEUES: Record<Role, string> = {
  control: CONTROL_QUEUE,
  gpu: MODEL_QUEUES.single,
  node: MODEL_QUEUES.node,
};
