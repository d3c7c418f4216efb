/** Decisions of operators about runs: a page that says what a decision changes, and a form that carries it out. */
import type { Client } from '@temporalio/client';
import { Hono, type Context } from 'hono';
import { BadSetting } from '../../config/set.ts';
import { InputError } from '../../data/errors.ts';
import { decide, retryRun } from '../../workers/runs/decisions.ts';
import { lastVoting } from '../../workers/voting/last-voting.ts';
import { readProgress } from '../../workers/runs/progress.ts';
import { findRun, queryRun } from '../../workers/runs/runs.ts';
import { progressOf } from '../../workers/voting/voting-progress.ts';
import { configQuery } from '../../workflows/alignment.ts';
import type { Decision } from '../../workflows/decision-log.ts';
import { pauseUpdate, resumeUpdate, skipUpdate, stopUpdate, type DecisionRequest } from '../../workflows/decisions.ts';
import { closeVotingUpdate } from '../../workflows/people/decisions.ts';
import { personOf, type WebEnv } from '../identity.ts';
import { requireRole } from '../require-role.ts';
import { show } from '../respond.ts';
import { confirmationPage, type Confirmation } from './confirmation.ts';
import { DECISION_ROUTE, decisionAt } from './path.ts';
import { fieldOf, readFields, type RetryForm } from './settings-form.ts';

const ANSWER_SECONDS = 10;

const UPDATES = {
  skip: skipUpdate,
  stop: stopUpdate,
  pause: pauseUpdate,
  resume: resumeUpdate,
  'close voting': closeVotingUpdate,
};

/** @param filesAreHere whether the workers run on this machine: then the files that settings name must exist */
export function decisionPages(client: Client, filesAreHere: boolean): Hono<WebEnv> {
  const app = new Hono<WebEnv>();

  /** What the page shows, as the run is now. */
  async function look(name: string, decision: Decision): Promise<Confirmation> {
    return client.withDeadline(Date.now() + ANSWER_SECONDS * 1000, async () => {
      const handle = await findRun(client, name);
      const progress = await readProgress(client, handle);
      if (decision !== 'retry' && decision !== 'close voting') return { decision, progress };
      const config = await queryRun(handle, configQuery);
      if (decision === 'retry' || progress.voting) return { decision, progress, config };
      // The run has parked at the deadline: no round has the voting, but its blocks are there.
      const last = await lastVoting(client, name);
      const voting = last && (await progressOf(client, last));
      return { decision, progress: { ...progress, ...(voting && { voting }) }, config };
    });
  }

  /** The page again, with the reason why nothing was changed. */
  async function again(c: Context<WebEnv>, status: 409 | 422, name: string, decision: Decision, problem: object) {
    return show(c, confirmationPage(c, { ...(await look(name, decision)), ...problem }), status);
  }

  async function retry(c: Context<WebEnv>, name: string, form: RetryForm, request: DecisionRequest) {
    const { settings, errors } = readFields(form);
    if (errors.size > 0) return again(c, 422, name, 'retry', { form, errors });
    const round = form.round === '' ? undefined : Number(form.round);
    try {
      const further = { ...(round !== undefined && { round }), ...(settings && { settings }) };
      await retryRun(client, name, { ...request, ...further }, filesAreHere);
    } catch (error) {
      if (!(error instanceof BadSetting)) throw error;
      return again(c, 422, name, 'retry', { form, errors: new Map([[fieldOf(form, error), error.message]]) });
    }
    return undefined;
  }

  app.use(DECISION_ROUTE, requireRole('operator'));
  app.get(DECISION_ROUTE, async (c) => {
    const { name, decision } = decided(c);
    return show(c, confirmationPage(c, await look(name, decision)));
  });
  app.post(DECISION_ROUTE, async (c) => {
    const { name, decision } = decided(c);
    const fields = await c.req.parseBody({ all: true });
    const textsOf = (field: string) => [fields[field] ?? []].flat().map(String);
    const form = { round: textsOf('round')[0] ?? '', settings: textsOf('set') };
    const [about] = textsOf('about');
    const request = { by: personOf(c), ...(about !== undefined && { about }) };
    try {
      const refused =
        decision === 'retry'
          ? await retry(c, name, form, request)
          : void (await decide(client, name, UPDATES[decision], request));
      return refused ?? c.redirect(`/runs/${encodeURIComponent(name)}?decided=${encodeURIComponent(decision)}`, 303);
    } catch (error) {
      // The run has changed since the page was loaded, for instance because somebody else has decided.
      if (!(error instanceof InputError)) throw error;
      return again(c, 409, name, decision, { refusal: error.message, form });
    }
  });
  return app;
}

/** The run and the decision of an address. */
const decided = (c: Context<WebEnv>) => ({
  name: c.req.param('name')!,
  decision: decisionAt(c.req.param('decision')!),
});
