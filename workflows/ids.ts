/** Workflow ids: what a run is called on the server, and its rounds. */
const PREFIX = 'selm-';

export const runWorkflowId = (name: string) => `${PREFIX}${name}`;
/** A scheduled run's has the time of its start behind the name of its configuration. */
export const runNameOf = (workflowId: string) => workflowId.slice(PREFIX.length);
export const roundWorkflowId = (runId: string, round: number) => `${runId}/round-${round}`;
