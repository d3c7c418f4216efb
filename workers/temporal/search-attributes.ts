/** Registers the search attributes of runs on a server, and finds missing ones. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isGrpcServiceError, ServiceError, type Client } from '@temporalio/client';
import { type SearchAttributePair, type SearchAttributeType } from '@temporalio/common';
import { attributesOfStart, SEARCH_ATTRIBUTES } from '../../workflows/search-attributes.ts';

/** Types as in Temporal's command line, with their numbers in temporal.api.enums.v1.IndexedValueType. */
const TYPES: Partial<Record<SearchAttributeType, { name: string; number: number }>> = {
  KEYWORD: { name: 'Keyword', number: 2 },
  INT: { name: 'Int', number: 3 },
  DOUBLE: { name: 'Double', number: 4 },
};
const typeName = (type: SearchAttributeType) => TYPES[type]!.name;
const typeNumber = (type: SearchAttributeType) => TYPES[type]!.number;

/** @example ['SelmRun=Keyword', …] for `temporal server start-dev --search-attribute` */
export const attributeFlags = (): string[] => SEARCH_ATTRIBUTES.map(({ name, type }) => `${name}=${typeName(type)}`);

/** The command that registers the search attributes in a namespace. */
export const registrationCommand = (namespace: string): string =>
  [
    `temporal operator search-attribute create --namespace ${namespace}`,
    ...SEARCH_ATTRIBUTES.map(({ name, type }) => `--name ${name} --type ${typeName(type)}`),
  ].join(' ');

/**
 * The names of the search attributes that the client's namespace lacks, or has with another type.
 * @returns all of them if the server cannot list its search attributes
 */
export async function missingAttributes({ connection, options: { namespace } }: Client): Promise<string[]> {
  const { customAttributes = {} } = await connection.operatorService
    .listSearchAttributes({ namespace })
    .catch(() => ({ customAttributes: {} as Record<string, number> }));
  return SEARCH_ATTRIBUTES.filter(({ name, type }) => customAttributes?.[name] !== typeNumber(type)).map(
    ({ name }) => name,
  );
}

/** The message for a server without the attributes: one sentence. */
export const explainMissing = (missing: string[], namespace: string): string =>
  `Temporal's namespace ${namespace} does not have the search attributes ${missing.join(', ')}: ` +
  `runs work, but its list of workflows cannot show or filter by them. To register them: ${registrationCommand(namespace)}`;

/** Registers missing search attributes. @throws Error if the server does not permit it */
export async function registerAttributes(client: Client): Promise<void> {
  const missing = await missingAttributes(client);
  if (missing.length === 0) return;
  const wanted = SEARCH_ATTRIBUTES.filter(({ name }) => missing.includes(name));
  await client.connection.operatorService.addSearchAttributes({
    namespace: client.options.namespace,
    searchAttributes: Object.fromEntries(wanted.map(({ name, type }) => [name, typeNumber(type)])),
  });
}

/**
 * Maximum time to retry a start that the server rejects although it lists the attributes. Its services read the namespace's attributes
 * again every few seconds.
 */
const NEW_ATTRIBUTES_SECONDS = 60;

/**
 * Starts something with the search attributes of a run, or without them if the server does not know them.
 * @param start called again after a second if the server rejects attributes that were just registered
 */
export async function withAttributes<T>(
  client: Client,
  name: string,
  start: (options: { typedSearchAttributes?: SearchAttributePair[] }) => Promise<T>,
): Promise<T> {
  if ((await missingAttributes(client)).length > 0) return start({});
  for (let seconds = 0; seconds < NEW_ATTRIBUTES_SECONDS; seconds++) {
    try {
      return await start({ typedSearchAttributes: attributesOfStart(name) });
    } catch (error) {
      if (!isRejected(error)) throw error;
    }
    await sleep(1000);
  }
  return start({});
}

function isRejected(error: unknown): boolean {
  const cause = error instanceof ServiceError ? error.cause : error;
  return isGrpcServiceError(cause) && /search attribute/i.test(cause.details);
}
