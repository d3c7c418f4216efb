import type { Html } from '../report/html.ts';

/** A web page. */
export interface Page {
  title: string;
  content: Html;
  /** Whether browsers reload the page periodically. */
  changes: boolean;
}
