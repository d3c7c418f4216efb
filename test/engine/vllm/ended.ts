import { expect } from 'vitest';
import { isRunning, type Told } from './stand-in.ts';

/** Waits until a server and the process that it has started have ended. */
export const ended = ({ pid, child }: Pick<Told, 'pid' | 'child'>) =>
  expect.poll(() => [pid, child].filter(isRunning)).toEqual([]);
