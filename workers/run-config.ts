/** Reads the configuration of a run in progress from its history, which needs no worker. */
import type { WorkflowHandle } from '@temporalio/client';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { withSettings, type Settings } from '../config/changes.ts';
import type { RunConfig } from '../config/run.ts';
import { retryUpdate, type RetryRequest } from '../workflows/decisions.ts';
import type { Journal } from '../workflows/journal.ts';

/** With all settings that operators have changed since the run started. */
export async function configInForce(handle: WorkflowHandle): Promise<RunConfig> {
  const { events } = await handle.fetchHistory();
  const [{ workflowExecutionStartedEventAttributes: started }] = events!;
  const [config, journal] = started!.input!.payloads!.map((payload) => fromPayload<unknown>(payload)) as [
    RunConfig,
    Journal?,
  ];
  const before = (journal?.changes ?? []).map(({ settings }) => settings);
  const since = events!.flatMap(({ workflowExecutionUpdateAcceptedEventAttributes: accepted }): Settings[] => {
    const input = accepted?.acceptedRequest?.input;
    if (input?.name !== retryUpdate.name) return [];
    const { settings } = fromPayload<RetryRequest>(input.args!.payloads![0]);
    return settings ? [settings] : [];
  });
  return [...before, ...since].reduce<RunConfig>(withSettings, config);
}

const fromPayload = <T>(payload: Payload) => defaultPayloadConverter.fromPayload<T>(payload);
