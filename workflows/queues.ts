/** The task queues, one per worker role. */
export const CONTROL_QUEUE = 'selm-control';
export const GPU_QUEUE = 'selm-gpu';
