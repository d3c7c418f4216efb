/** Sizes of the Fargate tasks that no setting decides. Without CDK, so that costs are computed without loading it. */

/** CPU units and memory of the Temporal server's task. */
export const SERVER = { cpu: 1024, memoryMiB: 2048 } as const;
/** CPU units and memory of the web pages' task: Fargate's smallest size. */
export const UI = { cpu: 256, memoryMiB: 512 } as const;
