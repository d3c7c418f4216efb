/** Workflow ids of runs and of their rounds. */
const PREFIX = 'selm-';

/** The workflow id of a run. @param name the run's name */
export const runWorkflowId = (name: string) => `${PREFIX}${name}`;
/** The run's name. For a scheduled run: the name in its configuration, followed by the start time. */
export const runNameOf = (workflowId: string) => workflowId.slice(PREFIX.length);
/** The workflow id of a round. @param runId the workflow id of the run */
export const roundWorkflowId = (runId: string, round: number) => `${runId}/round-${round}`;
