/** The links that people open to sign in to the pages of `selm ui`. */
import { InvalidArgumentError } from 'commander';

/** Parses --url. */
export function publicUrl(given: string): URL {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url && /^https?:$/.test(url.protocol) && url.pathname === '/' && !url.search && !url.hash && !url.username)
    return url;
  throw new InvalidArgumentError('Give an address without a path, such as https://labels.example.com.');
}

/** The link that signs a person in. */
export const joinLink = (address: string, token: string): string => new URL(`/join?token=${token}`, address).href;
