/** The page on which an operator confirms a decision: what it changes, and its form. */
import type { Context } from 'hono';
import { stringify } from 'yaml';
import { changeableSettings } from '../../config/set.ts';
import type { RunConfig } from '../../config/run.ts';
import { consequencesOf, DECISION_WORDS } from '../../report/decisions.ts';
import { describeFailure } from '../../report/failure.ts';
import { html, type Html } from '../../report/html.ts';
import type { RunProgress } from '../../workers/runs/progress.ts';
import type { Decision } from '../../workflows/decision-log.ts';
import { refusalOf } from '../../workflows/decisions.ts';
import { assetUrl } from '../assets.ts';
import { csrfField } from '../csrf-field.ts';
import type { WebEnv } from '../identity.ts';
import type { Page } from '../page.ts';
import { decisionPath } from './path.ts';
import { EMPTY_FORM, retryFields, type FieldErrors, type RetryForm } from './settings-form.ts';

/** What a confirmation page shows. */
export interface Confirmation {
  decision: Decision;
  progress: RunProgress;
  /** The current settings, for a retry and for closing a voting. */
  config?: RunConfig;
  /** Why the decision was refused just now. */
  refusal?: string;
  /** The form as it was sent, with its errors. */
  form?: RetryForm;
  errors?: FieldErrors;
}

/** The page that says what a decision will do, with the form that carries it out. */
export function confirmationPage(c: Context<WebEnv>, confirmation: Confirmation): Page {
  const { decision, progress, refusal } = confirmation;
  const { status } = progress;
  const impossible = refusalOf(decision, status);
  const reason = refusal ?? (impossible && `Run "${status.name}" ${impossible}.`);
  const path = `/runs/${encodeURIComponent(status.name)}`;
  return {
    title: `${decision} ${status.name}`,
    changes: false,
    head: html`<link rel="stylesheet" href="${assetUrl('operate.css')}" />`,
    content: html`<h1>${titleOf(decision)}${decision === 'close voting' && ' of'} run ${status.name}</h1>
      ${reason !== undefined && html`<p class="warning" role="alert">${reason}</p>`}
      ${
        impossible === undefined
          ? form(c, path, confirmation)
          : html`<p><a class="button" href="${path}">Back to the run</a></p>`
      }`,
  };
}

function form(c: Context<WebEnv>, path: string, confirmation: Confirmation): Html {
  const { decision, progress, config, form: given = EMPTY_FORM, errors = new Map<number, string>() } = confirmation;
  const { status } = progress;
  const otherwise = config?.label.by === 'people' ? config.label.otherwise?.by : undefined;
  const { failure } = status;
  return html`${failure && html`<p class="warning">${describeFailure(status, failure)}</p>`}
    <p>${DECISION_WORDS[decision].about}</p>
    <ul id="consequences">
      ${consequencesOf(decision, { ...progress, otherwise }).map((sentence) => html`<li>${sentence}</li>`)}
    </ul>
    <form method="post" action="${decisionPath(status.name, decision)}">
      ${csrfField(c)} ${failure && html`<input type="hidden" name="about" value="${failure.since}" />`}
      ${decision === 'retry' && retryFields(given, errors, status.start && status.round)}
      <p class="decisions">
        <button type="submit">${titleOf(decision)}</button>
        <a class="button" href="${path}">Cancel</a>
      </p>
      <p class="note">The run records this decision with your name, ${c.get('identity').name}.</p>
    </form>
    ${
      decision === 'retry' &&
      config &&
      html`<details>
        <summary>Current settings that can change</summary>
        <pre>${stringify(changeableSettings(config))}</pre>
      </details>`
    }`;
}

const titleOf = (decision: Decision) => decision[0].toUpperCase() + decision.slice(1);
