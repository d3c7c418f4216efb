/** The session cookie. Its value is never part of a page. */
import type { Context } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';

const NAME = 'selm-session';

/** Cookies of pages that browsers reach by https (`secure`) cannot be set or read by any other host (`__Host-`). */
export const readSession = (c: Context, secure: boolean): string | undefined =>
  secure ? getCookie(c, NAME, 'host') : getCookie(c, NAME);

/**
 * SameSite=Lax, since people open links to these pages in their mail: with Strict they would not be signed in then. Forms have a token.
 * @param expires default: the end of the browser's session
 */
export const setSession = (c: Context, secure: boolean, value: string, expires?: Date): void =>
  setCookie(c, NAME, value, {
    path: '/',
    httpOnly: true,
    sameSite: 'Lax',
    ...(secure && { secure, prefix: 'host' }),
    ...(expires && { expires }),
  });

/** Removes the cookie. */
export const endSession = (c: Context, secure: boolean): void => {
  deleteCookie(c, NAME, { path: '/', ...(secure && { secure, prefix: 'host' }) });
};
