import type { Html } from '../report/html.ts';

/** A web page. */
export interface Page {
  title: string;
  content: Html;
  /** Whether browsers reload the page periodically. */
  changes: boolean;
  /** Whether a script updates the page (live/): it reloads itself only in browsers without scripts. */
  live?: boolean;
  /** Links to the page's script and style sheet (assets.ts). */
  head?: Html;
}
