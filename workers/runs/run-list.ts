/** The list of a server's runs, each with its status or its result. */
import { WorkflowFailedError, type Client, type WorkflowExecutionInfo } from '@temporalio/client';
import { runStatusQuery, type alignment } from '../../workflows/alignment.ts';
import { runNameOf } from '../../workflows/ids.ts';
import { lastKnown } from '../../workflows/search-attributes.ts';
import type { RunStatus } from '../../workflows/status.ts';
import { rootCause } from './runs.ts';

export interface ListedRun {
  name: string;
  /** `failed`: it ended without a result. `unanswered`: no worker answered the query for its status. */
  state: RunStatus['state'] | 'failed' | 'unanswered';
  /** When this state began. For a run in progress that is not parked: when the run began. */
  since: Date;
  status?: RunStatus;
  /** Why the run failed: one sentence. */
  reason?: string;
  /** For an unanswered run: its state and round from its search attributes. */
  lastKnown?: string;
}

/** The last runs of a server. */
export interface ListedRuns {
  runs: ListedRun[];
  /** Whether the server has more runs than those listed. */
  more: boolean;
}

/** A run's state, and the decision that is to change it, for a list. */
export const stateText = ({ state, status }: ListedRun): string =>
  status?.requested && state !== 'paused' ? `${state}, ${status.requested} requested` : state;

/** A run's round and their number, for a list. Empty before the first round. */
export const roundText = ({ status }: ListedRun): string =>
  status?.round === undefined ? '' : `${status.round} of ${status.rounds}`;

/** Maximum number of runs in the list. */
const MOST = 100;
const ANSWER_SECONDS = 3;

/** Lists runs. Runs that have ended do not change, so their results are read once. */
export class RunList {
  private readonly client: Client;
  private ended = new Map<string, ListedRun>();

  constructor(client: Client) {
    this.client = client;
  }

  /** Runs that wait for a decision come first, then runs in progress, then ended runs. Each group is sorted latest first. */
  async read(): Promise<ListedRuns> {
    const { executions, more } = await this.lastExecutions();
    const runs = await Promise.all(executions.map((execution) => this.describe(execution)));
    this.ended = new Map();
    for (const [i, { info }] of executions.entries()) if (hasEnded(info)) this.ended.set(info.runId, runs[i]);
    runs.sort((a, b) => URGENCY[a.state] - URGENCY[b.state] || Number(b.since) - Number(a.since));
    return { runs, more };
  }

  /** Each run's last execution, and the start of its first one. A long run continues as new executions. */
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
    const before = this.ended.get(runId);
    if (before) return before;
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
      // For any failure (no worker, a deadline, a history that cannot be replayed) the list still shows the other runs.
      const known = lastKnown(info.typedSearchAttributes);
      return { name, state: 'unanswered', since: began, ...(known !== undefined && { lastKnown: known }) };
    }
  }
}

interface Execution {
  info: WorkflowExecutionInfo;
  began: Date;
  /** Whether all executions of the run have been read. Older ones belong to an earlier run of the same name. */
  isWhole: boolean;
}

/** A run that continued as a new execution has not ended, though the server may not list the new one yet. */
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
