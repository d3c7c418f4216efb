/** Decodes payloads that the client does not decode itself: those in histories, and the progress of activities. */
import type { Client } from '@temporalio/client';
import type { Payload } from '@temporalio/common';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';

/** Decodes a payload with the client's data converter. @returns undefined for no payload */
export async function decodePayload<T>(
  { options }: Pick<Client, 'options'>,
  payload: Payload | null | undefined,
): Promise<T | undefined> {
  if (!payload) return undefined;
  const [value] = await decodeArrayFromPayloads(options.loadedDataConverter, [payload]);
  return value as T;
}
