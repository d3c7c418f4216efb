/** The page with the next question of a person, or with why there is none. */
import { randomUUID } from 'node:crypto';
import { readGuidelines, readQuestion } from '../../activities/people/questions.ts';
import type { ReadableStore } from '../../artifacts/store.ts';
import { InputError } from '../../data/errors.ts';
import { html, type Html } from '../../report/html.ts';
import type { Claim, Voting } from '../../workers/voting/voting.ts';
import type { Page } from '../page.ts';
import { button } from './controls.ts';
import type { VotingDesk } from './desk.ts';
import { framed } from './frame.ts';
import { labelPath } from './path.ts';
import { hasAnswered, progressHtml } from './progress.ts';
import { questionHtml } from './question.ts';
import { recordedText } from './recorded.ts';
import { notAsking, nothingLeft, refused } from './states.ts';
import type { View } from './view.ts';

interface Visit {
  run: string;
  person: string;
  view: View;
  recorded?: string;
  /** The hidden field of forms. */
  csrf: Html;
}

/** Claims the next question of the person. A question that they hold already is shown again. */
export async function nextPage(desk: VotingDesk, store: ReadableStore, visit: Visit): Promise<Page> {
  const { run, person } = visit;
  const status = recordedText(visit.recorded);
  const voting = await desk.of(run);
  if (!voting) return framed({ ...notAsking(run), status });
  const held = await claimed(desk, voting, person);
  if (typeof held === 'string') return framed({ ...refused(run, held), status });
  const [progress, guidelines] = await Promise.all([desk.progress(voting), readGuidelines(store, voting.questions)]);
  const isFirst = !hasAnswered(progress, person);
  const top = progressHtml(voting, progress, person);
  const undo = isFirst ? undefined : undoHtml(visit);
  if (!held) {
    const { title, work } = nothingLeft(voting, progress, person);
    return framed({ title, status, work: html`${top}${work}${undo}` });
  }
  const texts = await readQuestion(store, voting.questions, held.question);
  return framed({
    title: 'Which response is better?',
    status,
    ...(guidelines !== undefined && { guidelines: { text: guidelines, isOpen: isFirst } }),
    work: html`${top}${questionHtml({ ...visit, claim: held, texts, undo })}`,
  });
}

/** @returns the sentence of a refusal: the voting is paused or has just closed */
async function claimed(desk: VotingDesk, voting: Voting, person: string): Promise<Claim | undefined | string> {
  try {
    return await desk.claim(voting, person);
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
}

/** The form that takes the last answer back. Its request has an id, so that sending it twice takes back one answer. */
const undoHtml = ({ run, view, csrf }: Visit): Html =>
  html`<form method="post" action="${labelPath(run)}/undo" class="undo">
    ${csrf}<input type="hidden" name="view" value="${view}" />
    ${button('request', randomUUID(), 'Undo', ['u', 'Backspace'])}
  </form>`;
