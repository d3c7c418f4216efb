/** Runs the activities of a process that polls several task queues one at a time: they share one engine and the machine's GPUs. */
import { Context } from '@temporalio/activity';

/** Below the activities' heartbeat timeout. */
const HEARTBEAT_MILLISECONDS = 1000;

/** The same activities. While one waits for its turn, it sends heartbeats, and no GPU time is counted. */
export function oneAtATime<Activities extends object>(activities: Activities): Activities {
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = async (activity: (input: unknown) => Promise<unknown>, input: unknown) => {
    const temporal = Context.current();
    // With the details of an earlier attempt, which count its time.
    const beat = setInterval(() => temporal.heartbeat(temporal.info.heartbeatDetails), HEARTBEAT_MILLISECONDS);
    const turn = last.then(() => {
      clearInterval(beat);
      return activity(input);
    });
    last = turn.catch(() => {});
    return turn;
  };
  return Object.fromEntries(
    Object.entries(activities).map(([name, activity]) => [name, (input: unknown) => inTurn(activity, input)]),
  ) as Activities;
}
