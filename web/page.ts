import type { Html } from '../report/html.ts';

/** What a path leads to. */
export interface Page {
  title: string;
  content: Html;
  /** Whether it may look different in a moment. */
  changes: boolean;
}
