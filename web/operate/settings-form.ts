/** The fields of a retry: a round, and settings as `key=value`. */
import type { Settings } from '../../config/changes.ts';
import { BadSetting, readSetting } from '../../config/set.ts';
import { html, type Html } from '../../report/html.ts';

/** Fields for settings. More can be changed by a section as a whole: `optimize={...}`. */
const FIELDS = 6;

/** A retry as it was given. */
export interface RetryForm {
  round: string;
  /** A text for each field. */
  settings: string[];
}

/** What is wrong with a field: sentences, by the field's index. */
export type FieldErrors = Map<number, string>;

export const EMPTY_FORM: RetryForm = { round: '', settings: [] };

/** @returns the settings of the fields that are not empty, or what is wrong with them */
export function readFields({ settings }: RetryForm): { settings?: Settings; errors: FieldErrors } {
  const errors: FieldErrors = new Map();
  const read: Settings = {};
  for (const [i, text] of settings.entries()) {
    if (text.trim() === '') continue;
    try {
      Object.assign(read, readSetting(text.trim()));
    } catch (error) {
      if (!(error instanceof BadSetting)) throw error;
      errors.set(i, error.message);
    }
  }
  return { errors, ...(Object.keys(read).length > 0 && { settings: read }) };
}

/** The field that an error of the settings together is about: the first whose key it names. */
export function fieldOf({ settings }: RetryForm, { message }: BadSetting): number {
  const named = settings.findIndex((text) => text.includes('=') && message.includes(text.split('=')[0].trim()));
  return Math.max(0, named);
}

/** @param lastRound the last round that can be repeated; undefined before the first round */
export function retryFields(form: RetryForm, errors: FieldErrors, lastRound: number | undefined): Html {
  const fields = Array.from({ length: Math.max(FIELDS, form.settings.length) }, (_, i) => form.settings[i] ?? '');
  return html`${
      lastRound !== undefined &&
      html`<p>
        <label for="round">Repeat from round</label>
        <input id="round" name="round" type="number" min="1" max="${lastRound}" value="${form.round}" />
        <span class="note">Leave it empty to repeat the failed step only.</span>
      </p>`
    }
    <fieldset>
      <legend>New settings</legend>
      <p class="note" id="set-help">
        As for <code>selm retry --set</code>: <code>optimize.learningRate=1e-5</code>, or a section:
        <code>label={by: verifier}</code>. Empty fields change nothing.
      </p>
      ${fields.map((text, i) => settingField(i, text, errors.get(i)))}
    </fieldset>`;
}

function settingField(i: number, text: string, error: string | undefined): Html {
  const describedBy = error === undefined ? 'set-help' : `set-${i}-error set-help`;
  return html`<p>
    <label for="set-${i}">Setting ${i + 1}</label>
    <input
      id="set-${i}"
      name="set"
      value="${text}"
      autocomplete="off"
      autocapitalize="off"
      spellcheck="false"
      aria-describedby="${describedBy}"
      ${error !== undefined && html`aria-invalid="true"`}
    />
    ${error !== undefined && html`<span class="error" id="set-${i}-error">${error}</span>`}
  </p>`;
}
