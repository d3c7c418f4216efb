/**
 * Requests to the Hugging Face hub: its address and token, checks of what it answers, and its errors. The usual environment variables
 * apply: HF_HOME or HF_HUB_CACHE (the cache, which the Python libraries share), HF_TOKEN (private and gated repositories), HF_ENDPOINT
 * (a mirror). SELM_HUB_CACHE_GB limits the size of the cache.
 */
import { HubApiError, type RepoId } from '@huggingface/hub';
import { HubFailed, InputError } from '../errors.ts';
import { readAddress, readSecret } from '../secret.ts';

/** Address and token for the hub. @throws InputError for an address with a password, and for an invalid token */
export const hubAccess = () => ({ hubUrl: readAddress('HF_ENDPOINT'), accessToken: readSecret('HF_TOKEN')?.reveal() });
export type HubAccess = ReturnType<typeof hubAccess>;

/**
 * Makes requests about a revision of a repository.
 * @throws InputError when the hub has no such repository or revision, or does not show it; HubFailed when it cannot be reached
 */
export async function askHub<T>(
  { type, name }: RepoId,
  revision: string,
  ask: (access: HubAccess) => Promise<T>,
): Promise<T> {
  const access = hubAccess();
  try {
    return await ask(access);
  } catch (error) {
    // Any other error is the hub's, the connection's or the cache's.
    if (error instanceof InputError) throw error;
    throw hubError(`${type} "${name}" (${revision})`, error as Error);
  }
}

/** The hub answers that there is no such repository, revision or file. */
export class NotOnHub extends InputError {}

/** The error for a request to the hub that failed. @param what was requested */
export function hubError(what: string, error: Error): InputError | HubFailed {
  if (error instanceof HubApiError && [401, 403, 404].includes(error.statusCode)) {
    return new (error.statusCode === 404 ? NotOnHub : InputError)(
      `The Hugging Face hub shows no ${what}; check the name, or set HF_TOKEN if it is private or gated.`,
    );
  }
  const reason = readSecret('HF_TOKEN')?.strip(error.message) ?? error.message;
  return new HubFailed(
    `Cannot get ${what} from the Hugging Face hub (${reason}); check the connection, or give a local path.`,
  );
}

/** Checks a commit, path or hash from the hub, which becomes a path in the cache. @throws InputError if it is outside the cache */
export function checkListed(isValid: boolean, listed: string): void {
  if (isValid) return;
  throw new InputError(
    `The Hugging Face hub lists "${listed}", which would be a path outside the cache: check HF_ENDPOINT.`,
  );
}

/** Checks the hash that the hub returns for a file, since the library uses it as a file name without a check. */
export const checkedFetch: typeof fetch = async (request, init) => {
  const response = await fetch(request, init);
  if (!response.ok || !/\/paths-info\//.test(String(request))) return response;
  for (const { oid, xetHash, lfs } of (await response.clone().json()) as Listed[]) {
    for (const hash of [oid, xetHash, lfs?.oid]) if (hash !== undefined) checkListed(/^[\w-][\w.-]*$/.test(hash), hash);
  }
  return response;
};

type Listed = { oid?: string; xetHash?: string; lfs?: { oid?: string } };
