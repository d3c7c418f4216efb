/** The pages where people vote: the rounds that ask for votes, the next question of a round, and the forms with the answers. */
import { Hono, type Context } from 'hono';
import { readGuidelines } from '../../activities/people/questions.ts';
import type { ReadableStore } from '../../artifacts/store.ts';
import { InputError } from '../../data/errors.ts';
import { html } from '../../report/html.ts';
import { csrfField } from '../csrf-field.ts';
import { personOf, type WebEnv } from '../identity.ts';
import { show } from '../respond.ts';
import { NAME } from '../run.ts';
import { ANSWERS } from './answers.ts';
import type { VotingDesk } from './desk.ts';
import { readForm, skipForm, undoForm, voteForm } from './form.ts';
import { framed } from './frame.ts';
import { renderMarkdown } from './markdown.ts';
import { nextPage } from './next.ts';
import { openPage } from './open.ts';
import { labelPath } from './path.ts';
import { notAsking, rejected } from './states.ts';
import { unanswered } from './unanswered.ts';
import { viewOf, type View } from './view.ts';

/** The pages under /label, for people with the role labeler. */
export function labelPages(desk: VotingDesk, store: ReadableStore): Hono<WebEnv> {
  const app = new Hono<WebEnv>();
  app.onError(unanswered);

  app.get('/', async (c) => show(c, await openPage(desk, personOf(c))));

  app.use('/:run/*', async (c, next) => {
    const run = c.req.param('run');
    if (!NAME.test(run)) throw new InputError(`There is no run named "${run}".`);
    return next();
  });

  app.get('/:run', async (c) => {
    const { view, recorded } = c.req.query();
    const visit = { run: c.req.param('run'), person: personOf(c), csrf: csrfField(c) };
    return show(c, await nextPage(desk, store, { ...visit, view: viewOf(view), recorded }));
  });

  app.get('/:run/guidelines', async (c) => {
    const run = c.req.param('run');
    const voting = await desk.of(run);
    if (!voting) return show(c, framed(notAsking(run)));
    const text = await readGuidelines(store, voting.questions);
    const work = html`<div class="text" dir="auto">
        ${text === undefined ? html`<p>Round ${voting.round} has no guidelines.</p>` : renderMarkdown(text, 2)}
      </div>
      <p><a href="${labelPath(run)}">Questions</a></p>`;
    return show(c, framed({ title: `Guidelines of ${run}`, work }));
  });

  app.post('/:run/vote', (c) =>
    answer(c, async (run, fields) => {
      const { block, lease, view, answer: value, shown, seconds } = readForm(voteForm, fields);
      const { choice, strength } = ANSWERS[value];
      const taken = await desk.vote(run, block, {
        person: personOf(c),
        lease,
        choice,
        ...(strength && { strength }),
        seconds: seconds ?? Math.max(0, Date.now() - shown) / 1000,
      });
      return { view, recorded: taken === 'late' ? 'late' : value };
    }),
  );

  app.post('/:run/skip', (c) =>
    answer(c, async (run, fields) => {
      const { block, lease, view, reason } = readForm(skipForm, fields);
      await desk.skip(run, block, { person: personOf(c), lease, reason });
      return { view, recorded: 'skip' };
    }),
  );

  app.post('/:run/undo', (c) =>
    answer(c, async (run, fields) => {
      const { request, view } = readForm(undoForm, fields);
      const voting = await desk.of(run);
      if (!voting) throw new InputError(`Run ${run} has closed the round: your answers to it can no longer be undone.`);
      await desk.undo(voting, personOf(c), request);
      return { view, recorded: 'undo' };
    }),
  );

  return app;
}

/** Carries out a form and goes on to the next question. A refusal is a page with status 409: sending the form again does not help. */
async function answer(
  c: Context<WebEnv>,
  carryOut: (run: string, fields: unknown) => Promise<{ view: View; recorded: string }>,
): Promise<Response> {
  const run = c.req.param('run')!;
  try {
    const parameters = new URLSearchParams(await carryOut(run, await c.req.parseBody()));
    return c.redirect(`${labelPath(run)}?${parameters}`, 303);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return show(c, framed(rejected(run, error.message)), 409);
  }
}
