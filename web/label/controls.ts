/** Buttons and links with a key, and the list of keys. */
import { html, type Html } from '../../report/html.ts';
import { ANSWERS } from './answers.ts';

const NAMES: Record<string, string> = { ArrowLeft: '←', ArrowRight: '→', Backspace: '⌫' };

/** A key as people read it: "⇧←" for Shift+ArrowLeft. */
const keyName = (key: string) =>
  key
    .split('+')
    .map((part) => NAMES[part] ?? part.replace('Shift', '⇧'))
    .join('');

/** The first of the keys of a control. Screen readers get them from aria-keyshortcuts. */
export const keyHint = ([key]: string[]): Html => html`<kbd aria-hidden="true">${keyName(key)}</kbd>`;

/** A button of a form. */
export const button = (name: string, value: string, label: string, keys: string[]): Html =>
  html`<button name="${name}" value="${value}" aria-keyshortcuts="${keys.join(' ')}">
    ${label} ${keyHint(keys)}
  </button>`;

const OTHER_KEYS: [string, string[]][] = [
  ['Skip: then choose the reason by its number', ['s']],
  ['Undo your last answer', ['u', 'Backspace']],
  ['Mark the words that differ, or stop marking them', ['d']],
  ['Show the text as it is, or formatted', ['r']],
  ['Guidelines', ['g']],
  ['This list', ['?']],
  ['Close', ['Escape']],
];

/** The list of all keys, which the script opens. Without the script there are no keys. */
export const keysDialog = (): Html =>
  html`<dialog id="keys" aria-labelledby="keys-title">
    <h2 id="keys-title">Keys</h2>
    <dl>
      ${[...Object.values(ANSWERS).map(({ label, keys }): [string, string[]] => [label, keys]), ...OTHER_KEYS].map(
        ([label, keys]) =>
          html`<div>
            <dt>${keys.map((key) => html`<kbd>${keyName(key)}</kbd> `)}</dt>
            <dd>${label}</dd>
          </div>`,
      )}
    </dl>
    <p>
      <label><input type="checkbox" id="keys-on" checked /> Use these keys</label>
    </p>
    <form method="dialog"><button autofocus>Close</button></form>
  </dialog>`;
