/** The task queues, one per worker role. */
import type { PoolName } from '../config/pools.ts';

export const CONTROL_QUEUE = 'selm-control';
/** Of activities that need a model, by the pool of GPU workers. */
export const MODEL_QUEUES: Record<PoolName, string> = { single: 'selm-gpu', node: 'selm-node' };
