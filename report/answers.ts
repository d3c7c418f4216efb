/** Responses of the start policy and of the last policy, side by side with their scores. */
import { messageText } from '../data/conversation.ts';
import type { ComparisonRow } from '../evaluation/comparison.ts';
import type { RoundArtifacts } from './artifacts.ts';
import { html, type Html } from './html.ts';

/** Maximum number of responses to show: most improved, most worsened, with equal scores. */
const [GAINS, LOSSES, TIES] = [8, 6, 4];
const LONGEST = 1500;

/** The section with responses of the last round that has artifacts in the store. The number of responses is limited. */
export function answersSection(rounds: RoundArtifacts[]): Html {
  const last = rounds.at(-1);
  if (!last) return html``;
  const chosen = selectAnswers(last.answers);
  return html`<section>
    <h2>Responses before and after</h2>
    <p class="note">
      ${chosen.length} of the ${last.answers.length} held-out prompts, with the responses of the start policy and of
      round ${last.round}'s policy: the most improved, the most worsened, then some with equal scores.
    </p>
    ${chosen.map(side)}
  </section>`;
}

/** The change of the score; 0 if one of the two responses has no score. */
const gain = ({ score, opponentScore }: ComparisonRow) =>
  score === undefined || opponentScore === undefined ? 0 : score - opponentScore;

/** The most improved rows, then the most worsened, then some with equal scores. */
function selectAnswers(answers: ComparisonRow[]): ComparisonRow[] {
  const sorted = answers.toSorted((a, b) => gain(b) - gain(a));
  const [better, worse] = [sorted.filter((row) => gain(row) > 0), sorted.filter((row) => gain(row) < 0)];
  const same = sorted.filter((row) => gain(row) === 0);
  return [...better.slice(0, GAINS), ...worse.toReversed().slice(0, LOSSES), ...same.slice(0, TIES)];
}

function side(row: ComparisonRow): Html {
  const { id, prompt, answer, score, opponentAnswer = '', opponentScore } = row;
  const verdict = { '1': 'better', '-1': 'worse', '0': 'same' }[String(Math.sign(gain(row)))];
  const cell = (title: string, text: string, value?: number) =>
    html`<div>
      <h4>${title} <span class="score">${value?.toFixed(3) ?? 'no score'}</span></h4>
      <pre>${shorten(text)}</pre>
    </div>`;
  return html`<article class="${verdict}">
    <h3>${id}</h3>
    <pre class="prompt">${shorten(promptText(prompt))}</pre>
    <div class="sides">${cell('start', opponentAnswer, opponentScore)}${cell('after', answer, score)}</div>
  </article> `;
}

const promptText = (prompt: ComparisonRow['prompt']) =>
  typeof prompt === 'string' ? prompt : prompt.map((message) => `${message.role}: ${messageText(message)}`).join('\n');

const shorten = (text: string) => (text.length > LONGEST ? `${text.slice(0, LONGEST)} […]` : text || '(empty)');
