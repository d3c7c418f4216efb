/** The hidden field with the token of a form (csrf.ts). */
import type { Context } from 'hono';
import { html, type Html } from '../report/html.ts';
import type { WebEnv } from './identity.ts';

export const CSRF_FIELD = '_csrf';

/** The hidden field that each form must contain. */
export const csrfField = (c: Context<WebEnv>): Html =>
  html`<input type="hidden" name="${CSRF_FIELD}" value="${c.get('csrf')}" />`;
