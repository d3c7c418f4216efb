/** Workflow ids of runs and of their rounds. */
const PREFIX = 'selm-';

/** The workflow id of a run. @param name the run's name */
export const runWorkflowId = (name: string) => `${PREFIX}${name}`;
/** The run's name. For a scheduled run: the name in its configuration, followed by the start time. */
export const runNameOf = (workflowId: string) => workflowId.slice(PREFIX.length);
/** The workflow id of a round. @param runId the workflow id of the run */
export const roundWorkflowId = (runId: string, round: number) => `${runId}/round-${round}`;

const VOTES = '/votes-';
/**
 * The workflow id of a block of a round's questions.
 * @param questions the address of the questions
 * @param block counted from 1
 */
export const blockWorkflowId = (runId: string, questions: string, block: number) =>
  `${runId}${VOTES}${questions.slice(0, 12)}-${block}`;
/** The workflow id of the run whose block this is. */
export const runIdOfBlock = (blockId: string) => blockId.slice(0, blockId.lastIndexOf(VOTES));
/** The name of the run that a workflow belongs to: a run, one of its rounds, or a block of questions. */
export const runOfWorkflow = (workflowId: string) => runNameOf(workflowId).split('/')[0];
