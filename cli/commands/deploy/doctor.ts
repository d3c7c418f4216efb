import { Command } from 'commander';
import { idleCost, type Cost } from '../../../cdk/costs.ts';
import { paperRounds, type RoundCost } from '../../../cdk/round-cost.ts';
import type { Finding } from '../../../cdk/doctor/findings.ts';
import { PRICE_DATE, PRICE_REGION } from '../../../config/prices.ts';
import { describeSpeeds, GPU_SPEEDS, type GpuName } from '../../../engine/gpu-speeds.ts';
import { deployConfigOption, readDeployment } from './options.ts';
import { BAD_INPUT, FAILED } from '../../../data/exit-codes.ts';
import { jsonOption } from '../../step.ts';
import { terminalTable } from '../../table.ts';

/** `selm deploy doctor`: check what would prevent a deployment or its declared runs, and estimate costs. */
export function deployDoctorCommand(): Command {
  return new Command('doctor')
    .description(
      'Check the AWS account and the declared runs for a deployment, and estimate its costs. Changes nothing. ' +
        'Exit code 2: the workers cannot compute a run; 1: the account is not ready, or nothing in it could be checked.',
    )
    .addOption(deployConfigOption())
    .addOption(jsonOption())
    .action(async (_flags: object, command: Command) => {
      const { config, flags } = readDeployment<{ json?: boolean }>(command);
      const { examineAccount, uselessAccelerators } = await import('../../../cdk/doctor/account.ts');
      const { examineRuns } = await import('../../../cdk/doctor/runs.ts');
      const runs = await examineRuns(config);
      const account = await examineAccount(config);
      const findings = [...runs, ...uselessAccelerators(config), ...account];
      const costs = { idleDay: idleCost(config), rounds: paperRounds(config) };
      if (flags.json) console.log(JSON.stringify({ findings, costs }));
      else print(findings, costs);
      conclude(runs, account);
    });
}

const stops = ({ verdict }: Finding) => verdict === 'stops';

/** Sets the exit code, and says in one sentence why it is not 0. */
function conclude(runs: Finding[], account: Finding[]): void {
  if (account.every(({ verdict }) => verdict === 'not checked')) {
    process.exitCode = FAILED;
    console.error(`selm: nothing in the AWS account could be checked: ${account[0].detail}.`);
  }
  if (account.some(stops)) process.exitCode = FAILED;
  const unfit = runs.filter(stops);
  if (unfit.length === 0) return;
  process.exitCode = BAD_INPUT;
  for (const { check, detail } of unfit) console.error(`selm: ${check}: ${detail}`);
}

function print(findings: Finding[], { idleDay, rounds }: { idleDay: Cost; rounds: RoundCost[] }): void {
  console.log(
    terminalTable(
      findings.map(({ verdict, check, detail }) => [verdict, check, detail]),
      { head: ['', 'check', ''], colWidths: [null, null, DETAIL], wordWrap: true },
    ),
  );
  console.log(
    `\nA day without work, at list prices of ${PRICE_REGION}, ${PRICE_DATE} (config/prices.ts has their sources; ` +
      '"prices" in the configuration replaces them):',
  );
  console.log(costTable(idleDay));
  for (const { pool, instanceType, gpu, gpus, trained, ...cost } of rounds) {
    console.log(
      `\nGPU hours of a round of the paper's size on the pool ${pool}: Llama-3-8B, ${trained}, on ${gpus} × ${gpu} (${instanceType}):`,
    );
    console.log(costTable(cost));
  }
  const gpus = Object.keys(GPU_SPEEDS).filter((gpu) => rounds.some((round) => round.gpu === gpu)) as GpuName[];
  if (gpus.length > 0)
    console.log(`\nSpeeds, none of them measured with selm:\n${gpus.map(describeSpeeds).join('\n')}`);
}

/** Width of a finding in columns; longer ones wrap. */
const DETAIL = 90;

/** Formats costs in USD, with their total. */
const costTable = ({ lines, usd }: Cost) =>
  terminalTable(
    [
      ...lines.map(({ what, arithmetic, usd: part }) => [what, arithmetic, part.toFixed(2)]),
      ['total', '', usd.toFixed(2)],
    ],
    { head: ['', '', 'USD'] },
  );
