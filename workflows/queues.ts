/** Task queues: where work waits for the kind of worker that can do it. */
export const CONTROL_QUEUE = 'selm-control';
export const GPU_QUEUE = 'selm-gpu';
