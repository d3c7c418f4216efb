import type { Html } from '../report/html.ts';

/** The page of a path. */
export interface Page {
  title: string;
  content: Html;
  /** Whether the browser should reload it. */
  changes: boolean;
}
