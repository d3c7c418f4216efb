/** Reads the configuration of a run in progress from its history, which needs no worker. */
import type { Client, WorkflowHandle } from '@temporalio/client';
import { withSettings } from '../../config/changes.ts';
import type { RunConfig } from '../../config/run.ts';
import { retryUpdate, type RetryRequest } from '../../workflows/decisions.ts';
import type { Journal } from '../../workflows/journal.ts';
import { decodePayload } from '../temporal/payloads.ts';

/** @returns the configuration that the run started with, and the current one, with all settings that operators have changed */
export async function configsOf(
  client: Client,
  handle: WorkflowHandle,
): Promise<{ started: RunConfig; inForce: RunConfig }> {
  const { events } = await handle.fetchHistory();
  const [{ workflowExecutionStartedEventAttributes: attributes }] = events!;
  const [started, journal] = (await Promise.all(
    attributes!.input!.payloads!.map((payload) => decodePayload(client, payload)),
  )) as [RunConfig, Journal?];
  const before = (journal?.changes ?? []).map(({ settings }) => settings);
  const requests = events!.flatMap(({ workflowExecutionUpdateAcceptedEventAttributes: accepted }) => {
    const input = accepted?.acceptedRequest?.input;
    return input?.name === retryUpdate.name ? [input.args!.payloads![0]] : [];
  });
  const since = (await Promise.all(requests.map((payload) => decodePayload(client, payload)))) as RetryRequest[];
  const changes = [...before, ...since.flatMap(({ settings }) => (settings ? [settings] : []))];
  return { started, inForce: changes.reduce<RunConfig>(withSettings, started) };
}
