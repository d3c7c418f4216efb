/** Signals that stop a command or a worker. */

/** Ctrl-C, a termination request, and a closed terminal. */
export const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Calls `stop` at each stop signal. SIGHUP counts only if it is the first signal: a second signal ends a command immediately, and a
 * closing terminal sends SIGHUP more than once (the kernel, then the shell), possibly after Ctrl-C.
 * @returns a function that stops listening
 */
export function onStopSignal(stop: (signal: NodeJS.Signals) => void): () => void {
  let received = false;
  const receive = (signal: NodeJS.Signals) => {
    if (signal === 'SIGHUP' && received) return;
    received = true;
    stop(signal);
  };
  for (const signal of STOP_SIGNALS) process.on(signal, receive);
  return () => STOP_SIGNALS.forEach((signal) => process.off(signal, receive));
}
