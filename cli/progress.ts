/** Progress on a terminal: one line that is redrawn. */
import { createLogUpdate } from 'log-update';
import type { Progress } from '../engine/protocol/jobs.ts';

const BAR_WIDTH = 30;
/** Minimum time between two redraws. */
const FRAME_MILLISECONDS = 100;

/** `update` redraws the line, `stop` removes it. */
interface ProgressDisplay {
  update: (progress: Progress) => void;
  stop: () => void;
}

/**
 * Shows a job's progress on standard error while it runs. Shows nothing if standard error is not a terminal.
 * @param title the job's name, such as 'sample'
 */
export function showProgress(title: string): ProgressDisplay {
  if (!process.stderr.isTTY) return { update: () => {}, stop: () => {} };
  const draw = createLogUpdate(process.stderr);
  const started = performance.now();
  let drawn = -Infinity;
  return {
    update(progress) {
      const now = performance.now();
      if (now - drawn < FRAME_MILLISECONDS) return;
      drawn = now;
      draw(progressLine(title, progress, (now - started) / 1000));
    },
    stop() {
      draw.clear();
      draw.done();
    },
  };
}

/**
 * Formats a job's progress, such as `sample     ####--  18/45 prompts  14,000 tok/s  ETA 0:03  loss 0.6931`.
 * @param seconds since the job began
 */
export function progressLine(title: string, { done, total, unit, tokens, metrics }: Progress, seconds: number): string {
  return [
    `${title.padEnd(9)}  ${barOf(done / total)}`,
    `${done}/${total} ${unit}`,
    `${rateOf(tokens / seconds)}`,
    ...(done > 0 ? [`ETA ${clockOf(((total - done) * seconds) / done)}`] : []),
    ...(metrics ? [`loss ${metrics.loss.toFixed(4)}`] : []),
  ].join('  ');
}

/** A progress bar. @param fraction from 0 to 1 */
export function barOf(fraction: number): string {
  const filled = Math.round(fraction * BAR_WIDTH);
  return '#'.repeat(filled) + '-'.repeat(BAR_WIDTH - filled);
}

/** A rate, rounded: `14,000 tok/s`. */
export const rateOf = (tokensPerSecond: number): string => `${Math.round(tokensPerSecond).toLocaleString('en')} tok/s`;

/** Seconds as minutes and seconds: `1:05`. */
export const clockOf = (seconds: number): string =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;
