import { proxyActivities } from '@temporalio/workflow';

const { work } = proxyActivities<{ work(): Promise<void> }>({ startToCloseTimeout: '1 minute' });

/** Asks for as many tasks at once. */
export async function manyTasks(count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => work()));
}
