/** `npm run docs`: writes the costs in deploy.md and in README.md, which are those that `selm deploy doctor` prints. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { parse } from 'yaml';
import { idleCost } from '../cdk/costs.ts';
import { paperRounds, type RoundCost } from '../cdk/round-cost.ts';
import type { DeployConfig } from '../config/deployment.ts';
import { checkDeployConfig } from '../config/load-deployment.ts';
import { PRICE_DATE, PRICE_REGION } from '../config/prices.ts';
import { GPU_SPEEDS, type Speed } from '../engine/gpu-speeds.ts';

const DEPLOY_PAGE = fileURLToPath(new URL('deploy.md', import.meta.url));
const README = fileURLToPath(new URL('../README.md', import.meta.url));

/** The configuration that the page gives as an example, without its schedules. */
function exampleOf(page: string): Record<string, unknown> {
  const [, example] = /```yaml\n(name: selm[^]*?)```/.exec(page)!;
  return parse(example) as Record<string, unknown>;
}

const configOf = (document: object): DeployConfig => checkDeployConfig({ ...document, schedules: [] }, 'the example');
const usd = (amount: number) => amount.toFixed(2);
const table = (head: string[], rows: string[][]) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

function idleDay(example: Record<string, unknown>): string {
  const config = configOf(example);
  const { lines, usd: total } = idleCost(config);
  const more = (change: object) => idleCost(configOf({ ...example, ...change })).usd - total;
  const network = (change: object) =>
    idleCost(configOf({ ...example, temporal: { kind: 'self-hosted' }, network: change })).usd;
  const oidc = {
    issuer: 'https://example.com',
    authorizationEndpoint: 'https://example.com/a',
    tokenEndpoint: 'https://example.com/t',
    userInfoEndpoint: 'https://example.com/u',
    clientId: 'selm',
    clientSecretArn: 'arn:aws:secretsmanager:us-east-1:111122223333:secret:oidc',
  };
  const ui = { hostname: 'selm.example.com', certificateArn: 'arn:aws:acm:us-east-1:111122223333:certificate/0', oidc };
  const selfHosted = { kind: 'self-hosted' };
  return [
    `A day without work of [the example](#configuration), at list prices of ${PRICE_REGION}, ${PRICE_DATE}:`,
    table(
      ['', 'Arithmetic', 'USD'],
      [
        ...lines.map(({ what, arithmetic, usd: part }) => [what, arithmetic, usd(part)]),
        ['**per day**', '', `**${usd(total)}**`],
      ],
    ),
    'Changes to this amount per day:',
    [
      `- A self-hosted Temporal server in place of Temporal Cloud adds ${usd(more({ temporal: selfHosted }))}. With \`temporal.stopped: true\``,
      `  its database pauses, and a day costs ${usd(idleCost(configOf({ ...example, temporal: { ...selfHosted, stopped: true } })).usd)}.`,
      `- Endpoints in place of the NAT gateway add ${usd(network({ natGateways: 0 }) - network({}))}.`,
      `- Web pages inside the network add ${usd(more({ ui: true }))}, on the internet ${usd(more({ ui }))}.`,
    ].join('\n'),
  ].join('\n\n');
}

/** The pools whose costs the page compares: LoRA on one GPU, and all weights on each kind of node. */
const NODES = ['g6e.48xlarge', 'p4d.24xlarge', 'p4de.24xlarge', 'p5.48xlarge'];

function rounds(example: Record<string, unknown>): string {
  const on = (capacity: 'spot' | 'on-demand', instanceType: string) =>
    paperRounds(configOf({ ...example, gpu: { pools: { node: { instanceType } } } }), capacity);
  const rows = NODES.flatMap((type, i) => {
    const [spot, onDemand] = [on('spot', type), on('on-demand', type)];
    const pools = i === 0 ? ['single', 'node'] : ['node'];
    return pools.map((pool) => {
      const of = (all: RoundCost[]) => all.find((round) => round.pool === pool)!;
      const { instanceType, gpu, gpus, trained, hours } = of(spot);
      return [
        pool,
        `${instanceType}: ${gpus} × ${gpu}`,
        trained,
        hours.toFixed(2),
        usd(of(spot).usd),
        usd(of(onDemand).usd),
      ];
    });
  });
  const details = paperRounds(configOf(example)).map(({ pool, instanceType, lines, ...round }) =>
    [
      `On the pool \`${pool}\` of the example (${instanceType}, ${round.trained}):`,
      table(
        ['', 'Arithmetic', 'USD'],
        [
          ...lines.map(({ what, arithmetic, usd: part }) => [what, arithmetic, usd(part)]),
          ['**per round**', '', `**${usd(round.usd)}**`],
        ],
      ),
    ].join('\n\n'),
  );
  return [
    table(['Pool', 'Worker', 'Trained', 'Hours of workers', 'USD, spot', 'USD, on-demand'], rows),
    ...details,
  ].join('\n\n');
}

const cell = ({ basis, source }: Speed, value: string) => `${value} (${basis}: ${source})`;

function speeds(): string {
  return table(
    ['GPU', 'Training, TFLOP/s', 'Sampling with a 7B model, tokens/s'],
    Object.entries(GPU_SPEEDS).map(([gpu, { training, sampling }]) => [
      gpu,
      cell(training, (training.value / 1e12).toFixed(0)),
      cell(sampling, sampling.value.toLocaleString('en')),
    ]),
  );
}

/** Replaces the text between the marks `<!-- NAME -->` and `<!-- end of NAME -->`. */
function between(text: string, name: string, content: string): string {
  const [start, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`There are no marks of ${name}.`);
  return `${text.slice(0, from + start.length)}\n\n${content}\n\n${text.slice(to)}`;
}

const formatted = async (text: string, file: string) =>
  format(text, { ...(await resolveConfig(file)), filepath: file });

/** deploy.md with the costs as they are now. */
export async function deployPage(): Promise<string> {
  const page = readFileSync(DEPLOY_PAGE, 'utf8');
  const example = exampleOf(page);
  const costs = between(page, 'idle day', idleDay(example));
  return formatted(between(between(costs, 'rounds', rounds(example)), 'speeds', speeds()), DEPLOY_PAGE);
}

/** A paragraph with lines of at most 130 characters. */
const wrapped = (text: string) => text.replaceAll(/(.{1,130})(?: |$)/g, '$1\n').trim();

/** README.md with the costs as they are now. */
export async function readme(): Promise<string> {
  const example = exampleOf(readFileSync(DEPLOY_PAGE, 'utf8'));
  const [single, node] = paperRounds(configOf(example));
  const claim =
    `A day without work costs ${usd(idleCost(configOf(example)).usd)} USD with Temporal Cloud. GPU hours for a round of the paper's size ` +
    `(Llama-3-8B, 20,378 prompts) cost ${usd(single.usd)} USD for a LoRA adapter on one ${single.gpu}, and ${usd(node.usd)} USD for all weights ` +
    `on ${node.gpus} ${node.gpu} (${node.instanceType}). These are estimates from list prices, from spot prices assumed to be half of them, ` +
    'and from published or assumed speeds.';
  return formatted(between(readFileSync(README, 'utf8'), 'deployment costs', wrapped(claim)), README);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(DEPLOY_PAGE, await deployPage());
  writeFileSync(README, await readme());
}
