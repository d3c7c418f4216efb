/** A question: its prompt, the two responses side by side, and what can be answered. Nothing tells which policy wrote a response. */
import type { QuestionTexts } from '../../activities/people/questions.ts';
import type { Text } from '../../data/records.ts';
import { html, type Html } from '../../report/html.ts';
import type { Claim } from '../../workers/voting/voting.ts';
import { ANSWERS, SKIPS } from './answers.ts';
import { button, keyHint } from './controls.ts';
import { difference, type Part } from './difference.ts';
import { labelPath } from './path.ts';
import { comparedText, promptHtml, rawHtml, responseHtml } from './text.ts';
import type { View } from './view.ts';

interface Shown {
  run: string;
  claim: Claim;
  texts: QuestionTexts;
  view: View;
  /** Hidden fields of all forms. */
  csrf: Html;
  /** The form that takes the last answer back, if there is one. */
  undo: Html | undefined;
}

/** A question with its forms. */
export function questionHtml(shown: Shown): Html {
  const { claim, texts, view } = shown;
  const [first, second] = texts.responses;
  const [a, b] = claim.left === 0 ? [first, second] : [second, first];
  return html`<section id="question" data-question="${claim.question}" data-lease="${claim.lease}">
    ${claim.undo && html`<p class="note">You answered this question before, and have undone it.</p>`}
    <section aria-labelledby="prompt-title" class="prompt">
      <h2 id="prompt-title">Prompt</h2>
      ${promptHtml(texts.prompt, texts.tools, view === 'raw' ? 'raw' : 'formatted')}
    </section>
    ${views(shown)} ${responses(a, b, view)} ${answers(shown)}
  </section>`;
}

function responses(a: Text, b: Text, view: View): Html {
  if (view !== 'difference') {
    const format = view;
    return sides(responseHtml(a, format), responseHtml(b, format));
  }
  const parts = difference(comparedText(a), comparedText(b));
  if (parts) return sides(marked(parts[0]), marked(parts[1]));
  return html`<p class="note">The responses have too little in common to mark where they differ.</p>
    ${sides(responseHtml(a, 'raw'), responseHtml(b, 'raw'))}`;
}

const marked = (parts: Part[]): Html =>
  rawHtml(parts.map(({ text, differs }) => (differs ? html`<mark>${text}</mark>` : html`${text}`)));

const sides = (a: Html, b: Html): Html =>
  html`<div class="responses">
    <section aria-labelledby="a-title" class="response">
      <h2 id="a-title">Response A</h2>
      ${a}
    </section>
    <section aria-labelledby="b-title" class="response">
      <h2 id="b-title">Response B</h2>
      ${b}
    </section>
  </div>`;

/** Links to the other ways to show the texts. */
function views({ run, view }: Shown): Html {
  const link = (to: View, label: string, key: string) => {
    const isOn = view === to;
    const address = `${labelPath(run)}${isOn ? '' : `?view=${to}`}`;
    return html`<a class="view" href="${address}" aria-keyshortcuts="${key}" ${isOn && html`aria-current="true"`}
      >${label} ${keyHint([key])}</a
    >`;
  };
  return html`<p class="views">${link('difference', 'Differences', 'd')} ${link('raw', 'Raw text', 'r')}</p>`;
}

function answers({ run, claim, view, csrf, undo }: Shown): Html {
  const fields = html`${csrf}<input type="hidden" name="block" value="${claim.block}" />
    <input type="hidden" name="lease" value="${claim.lease}" />
    <input type="hidden" name="view" value="${view}" />`;
  return html`<div class="answers">
    <form method="post" action="${labelPath(run)}/vote" class="votes" aria-label="Your answer">
      ${fields}<input type="hidden" name="shown" value="${Date.now()}" />
      ${Object.entries(ANSWERS).map(([value, { label, keys }]) => button('answer', value, label, keys))}
    </form>
    <details id="skip">
      <summary aria-keyshortcuts="s">Skip ${keyHint(['s'])}</summary>
      <form method="post" action="${labelPath(run)}/skip" aria-label="Skip because">
        ${fields} ${Object.entries(SKIPS).map(([reason, label], i) => button('reason', reason, label, [String(i + 1)]))}
      </form>
    </details>
    ${undo}
  </div>`;
}
