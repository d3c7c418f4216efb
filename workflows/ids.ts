/** Workflow ids of runs and of their rounds. */
const PREFIX = 'selm-';

export const runWorkflowId = (name: string) => `${PREFIX}${name}`;
/** The run's name. Of a scheduled run it is the name in its configuration, and the time of its start. */
export const runNameOf = (workflowId: string) => workflowId.slice(PREFIX.length);
export const roundWorkflowId = (runId: string, round: number) => `${runId}/round-${round}`;
