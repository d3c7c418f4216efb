/** What a person reads about an error. */
import { isGrpcServiceError, ServiceError } from '@temporalio/client';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { ArtifactDamaged, StoreFailed } from '../artifacts/errors.ts';
import { InputError, oneLine } from '../data/errors.ts';
import { Undecodable } from '../workers/temporal/data-converter.ts';
import { RunUnanswered, TemporalFailed } from '../workers/temporal/errors.ts';

/**
 * The HTTP status and the sentence of an error. The message of an unknown error may contain internals: it is only logged.
 * @param where the path of the page, for the log
 */
export function explain(error: Error, where: string): [ContentfulStatusCode, string] {
  if (error instanceof Undecodable) return [503, error.message];
  if (error instanceof InputError) return [404, error.message];
  console.error(oneLine(`selm: ${where}: ${error.message}`));
  const isPlain = [RunUnanswered, TemporalFailed, ArtifactDamaged].some((kind) => error instanceof kind);
  if (isPlain) return [503, error.message];
  if (error instanceof StoreFailed) return [503, 'The artifact store is not available; try again in a moment.'];
  const isTemporal = error instanceof ServiceError || isGrpcServiceError(error);
  if (isTemporal) return [503, 'Temporal is not available; try again in a moment.'];
  return [500, 'This page failed to render; the log of selm ui says why.'];
}
