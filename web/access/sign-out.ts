/** Signing out: the button on every page ends the session of its browser. */
import { Hono, type Context } from 'hono';
import { html } from '../../report/html.ts';
import type { Identity, WebEnv } from '../identity.ts';
import { show } from '../respond.ts';
import { SIGN_OUT } from './path.ts';

/**
 * The page that a signed-out person sees. It is the answer to the form itself: another page might sign the browser in again.
 * @param options.end removes the session's cookies
 * @param options.others what people may do who have not signed in
 * @param options.next how a person signs in again: one sentence
 */
export function signOutPage({
  end,
  others,
  next,
}: {
  end: (c: Context) => void;
  others: Identity;
  next: string;
}): Hono<WebEnv> {
  return new Hono<WebEnv>().post(SIGN_OUT, (c) => {
    end(c);
    c.set('identity', others);
    c.set('csrf', undefined);
    const content = html`<h1>Signed out</h1>
      <p>You are signed out in this browser. ${next}</p>`;
    return show(c, { title: 'signed out', content, changes: false });
  });
}
