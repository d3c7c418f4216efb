/** Messages from rank 0: JSON Lines on what was its stdout. */
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { ErrorMessage } from '../protocol/messages.ts';

/** Sent once, when all ranks have found each other. */
export interface ReadyMessage {
  type: 'ready';
  torch: string;
  transformers: string;
  device: string;
  deviceName: string;
  ranks: number;
}

/** After every pass: a micro-batch on each rank. */
interface PassMessage {
  type: 'pass';
  done: number;
  total: number;
  tokens: number;
}

/** After every optimizer step. */
export interface StepMessage {
  type: 'step';
  /** Counted from 1. */
  step: number;
  loss: number;
  grad_norm: number;
  /** Per row of the batch in its order, per response of the row, in nats, under the weights before the step. */
  logps: number[][];
  tokens: number;
  seconds: number;
}

/** What a training resumes from: all steps so far, and checkpoints that are damaged. */
interface ResumedMessage {
  type: 'resumed';
  step: number;
  steps: StepMessage[];
  damaged: string[];
}

interface CheckpointMessage {
  type: 'checkpoint';
  step: number;
  path: string;
}

/** Progress of a job: what the watchdog waits for. */
export type ProgressMessage = PassMessage | StepMessage | ResumedMessage | CheckpointMessage;

export type RankMessage =
  | ReadyMessage
  | ProgressMessage
  | { type: 'result'; id: number; value: unknown }
  | ({ type: 'error'; id: number } & ErrorMessage);

/**
 * Reads messages until the stream ends.
 * @param onStray called with a line that is no message
 */
export function readMessages(
  stream: Readable,
  onMessage: (message: RankMessage) => void,
  onStray: (line: string) => void,
): void {
  createInterface({ input: stream, crlfDelay: Infinity }).on('line', (line) => {
    let message: RankMessage;
    try {
      message = JSON.parse(line) as RankMessage;
    } catch {
      return onStray(line);
    }
    onMessage(message);
  });
}
