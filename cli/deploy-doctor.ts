import Table from 'cli-table3';
import { Command, Option } from 'commander';
import { loadDeployConfig } from '../config/load-deployment.ts';
import { idleCost, PAPER_ROUND, roundCost, type Cost } from '../cdk/costs.ts';
import { PRICE_DATE, PRICE_REGION } from '../config/prices.ts';
import { requireDeployPackages } from './deploy-packages.ts';
import { FAILED } from './errors.ts';
import { jsonOption } from './step.ts';

/** The flag `--config` of the deployment commands. */
export const deployConfigOption = () =>
  new Option('--config <file>', 'YAML file of the deployment (docs/deployment-settings.md).');

/** `selm deploy doctor`: check what would prevent a deployment, and estimate its costs. */
export function deployDoctorCommand(): Command {
  return new Command('doctor')
    .description("Check the AWS account's quotas for a deployment, and estimate its costs. Changes nothing.")
    .addOption(deployConfigOption())
    .addOption(jsonOption())
    .action(async (_flags: object, command: Command) => {
      // The parent requires this flag as well, and parses it wherever it is given.
      const { config: file, json } = command.optsWithGlobals<{ config: string; json?: boolean }>();
      const config = loadDeployConfig(file);
      requireDeployPackages();
      const { examineAccount } = await import('../cdk/doctor.ts');
      const costs = { idleDay: idleCost(config), round: roundCost(config, PAPER_ROUND) };
      const findings = await examineAccount(config);
      if (findings.some(({ verdict }) => verdict === 'stops')) process.exitCode = FAILED;
      if (json) return console.log(JSON.stringify({ findings, costs }));
      console.log(
        tableOf(
          ['', 'check', ''],
          findings.map(({ verdict, check, detail }) => [verdict, check, detail]),
        ),
      );
      console.log(
        `\nA day without work, at list prices of ${PRICE_REGION}, ${PRICE_DATE} (config/prices.ts has their sources; ` +
          '"prices" in the configuration replaces them):',
      );
      console.log(costTable(costs.idleDay));
      console.log("\nGPU hours of a round of the paper's size:");
      console.log(costTable(costs.round));
    });
}

/** Formats costs in USD, with their total. */
const costTable = ({ lines, usd }: Cost) =>
  tableOf(
    ['', '', 'USD'],
    [
      ...lines.map(({ what, arithmetic, usd: part }) => [what, arithmetic, part.toFixed(2)]),
      ['total', '', usd.toFixed(2)],
    ],
  );

function tableOf(head: string[], rows: string[][]): string {
  const table = new Table({ head, style: { head: [], border: [], compact: true } });
  table.push(...rows);
  return table.toString();
}
