/** Workflow ids of runs and of their rounds. */
const PREFIX = 'selm-';

/** @param name the run's */
export const runWorkflowId = (name: string) => `${PREFIX}${name}`;
/** The run's name. Of a scheduled run it is the name in its configuration, and the time of its start. */
export const runNameOf = (workflowId: string) => workflowId.slice(PREFIX.length);
/** @param runId the workflow id of the run */
export const roundWorkflowId = (runId: string, round: number) => `${runId}/round-${round}`;
