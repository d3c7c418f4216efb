/** The page of released policies and their lineages. */
import { stringify } from 'yaml';
import { listReleases, type NamedRelease } from '../activities/release.ts';
import type { ReadableStore } from '../artifacts/store.ts';
import { html, type Html } from '../report/html.ts';
import { short, table } from '../report/layout.ts';
import { lineageOf, POLICIES_HEAD, policyRow } from '../report/policies.ts';
import { HEAD, roundRows } from '../report/rounds.ts';
import type { Page } from './page.ts';
import { runLink } from './runs.ts';

/** The page of all releases in the store, with their lineages. */
export async function policiesPage(store: ReadableStore): Promise<Page> {
  const releases = await listReleases(store);
  const names = new Map(releases.map(({ address, name, version }) => [address, `${name}@${version}`]));
  return {
    title: 'policies',
    changes: false,
    content: html`<h1>Policies</h1>
      ${
        releases.length === 0
          ? html`<p>No policies yet: a run that accepts a policy releases it as a version of the run's name.</p>`
          : html`${table('policies', POLICIES_HEAD, releases.map(policyRow))}
              <h2>Lineage</h2>
              ${releases.toReversed().map((named) => lineage(named, names))}`
      }`,
  };
}

function lineage(named: NamedRelease, names: Map<string, string>): Html {
  const { name, version, address, release } = named;
  const { run, config, changes, results } = lineageOf(named);
  const { policy, heldOut, prompts, previous } = release;
  const from = previous === undefined ? config.model : (names.get(previous) ?? 'a release whose name was removed');
  return html`<details id="${name}@${version}">
    <summary>${name}@${version} ${short(address)}</summary>
    <p>
      Policy ${short(policy)} of run ${runLink(run)}, which started from
      ${from}${previous !== undefined && html` ${short(previous)}`}. Trained on prompts
      ${prompts.map((one) => html`${short(one)} `)}, measured on ${short(heldOut)}.
    </p>
    ${table(`rounds-${name}-${version}`, HEAD, roundRows({ results }))}
    <pre>${stringify(config)}</pre>
    ${changes.map(
      ({ from: round, settings }) =>
        html`<p>From round ${round} on:</p>
          <pre>${stringify(settings)}</pre>`,
    )}
  </details> `;
}
