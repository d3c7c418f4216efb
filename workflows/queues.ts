/** The task queues, one for each role of a worker. */
export const CONTROL_QUEUE = 'selm-control';
export const GPU_QUEUE = 'selm-gpu';
