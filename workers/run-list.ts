/** All runs of a server, as a list: what each is at, or has come to. */
import { WorkflowFailedError, type Client, type WorkflowExecutionInfo } from '@temporalio/client';
import { runStatusQuery, type alignment } from '../workflows/alignment.ts';
import { runNameOf } from '../workflows/ids.ts';
import type { RunStatus } from '../workflows/status.ts';
import { rootCause } from './runs.ts';

export interface ListedRun {
  name: string;
  /** `failed`: it ended without having come to anything; `unanswered`: no worker tells where it is. */
  state: RunStatus['state'] | 'failed' | 'unanswered';
  /** When it came into this state: a parked run waits since then, one in progress has begun then. */
  since: Date;
  status?: RunStatus;
  /** Why it failed: one sentence. */
  reason?: string;
}

/** Runs looked at. */
const MOST = 100;
const ANSWER_SECONDS = 3;

/** What has ended does not change any more: its status is asked for once. */
export class RunList {
  private readonly client: Client;
  private ended = new Map<string, ListedRun>();

  constructor(client: Client) {
    this.client = client;
  }

  /** The runs that need somebody first, then those in progress, then those that have ended, the latest of each first. */
  async read(): Promise<{ runs: ListedRun[]; more: boolean }> {
    const { executions, more } = await this.lastExecutions();
    const runs = await Promise.all(executions.map((execution) => this.describe(execution)));
    this.ended = new Map();
    for (const [i, { info }] of executions.entries()) if (hasEnded(info)) this.ended.set(info.runId, runs[i]);
    runs.sort((a, b) => URGENCY[a.state] - URGENCY[b.state] || Number(b.since) - Number(a.since));
    return { runs, more };
  }

  /** Each run's last execution, and when its first began: a long run goes on as a new one. */
  private async lastExecutions() {
    const byId = new Map<string, Execution>();
    for await (const info of this.client.workflow.list({ query: `WorkflowType = 'alignment'` })) {
      const known = byId.get(info.workflowId);
      if (!known && byId.size === MOST) return { executions: [...byId.values()], more: true };
      if (!known) byId.set(info.workflowId, { info, began: info.startTime, isWhole: false });
      else if (info.status.name !== 'CONTINUED_AS_NEW') known.isWhole = true;
      else if (!known.isWhole) known.began = info.startTime;
    }
    return { executions: [...byId.values()], more: false };
  }

  private async describe({ info, began }: Execution): Promise<ListedRun> {
    const { workflowId, runId, closeTime } = info;
    const known = this.ended.get(runId);
    if (known) return known;
    const name = runNameOf(workflowId);
    const handle = this.client.workflow.getHandle<typeof alignment>(workflowId, hasEnded(info) ? runId : undefined);
    if (hasEnded(info)) {
      const since = closeTime!;
      try {
        const status = await handle.result();
        return { name, state: status.state, since, status };
      } catch (error) {
        if (!(error instanceof WorkflowFailedError)) throw error;
        return { name, state: 'failed', since, reason: (rootCause(error) as Error).message };
      }
    }
    try {
      const status = await this.client.withDeadline(Date.now() + ANSWER_SECONDS * 1000, () =>
        handle.query(runStatusQuery),
      );
      return { name, state: status.state, since: status.failure ? new Date(status.failure.since) : began, status };
    } catch {
      // Whatever the reason (no worker, a deadline, a history that cannot be replayed): the list still shows the other runs.
      return { name, state: 'unanswered', since: began };
    }
  }
}

interface Execution {
  info: WorkflowExecutionInfo;
  began: Date;
  /** Whether all that belongs to the run has been seen: what is older is of one before it. */
  isWhole: boolean;
}

/** One that goes on as another has not, though the server may not list the other yet. */
const hasEnded = ({ closeTime, status }: WorkflowExecutionInfo) =>
  closeTime !== undefined && status.name !== 'CONTINUED_AS_NEW';

const URGENCY: Record<ListedRun['state'], number> = {
  parked: 0,
  unanswered: 1,
  paused: 2,
  preparing: 3,
  running: 3,
  publishing: 3,
  done: 4,
  stopped: 4,
  failed: 4,
};
