/** Compares cost estimates with the documented limits and with manual calculations. */
import { expect, it } from 'vitest';
import { checkDeployConfig } from '../../config/load-deployment.ts';
import { gpuHour, idleCost, PAPER_ROUND, roundCost } from '../../cdk/costs.ts';
import { INSTANCE_HOURS, PRICES } from '../../config/prices.ts';
import { cloud, publicUi, resourcesOf, synthesize, VARIANTS } from './variants.ts';

const cost = (document: object) => idleCost(checkDeployConfig(document, 'test')).usd;
const inCloud = checkDeployConfig({ temporal: cloud }, 'test');

it('an idle day costs at most 2 dollars with Temporal Cloud, by the prices of what the template holds', () => {
  const { usd, lines } = idleCost(inCloud);
  expect(usd).toBeLessThanOrEqual(2);
  // NAT 24 × 0.045 = 1.08, its address 24 × 0.005 = 0.12; Fargate 24 × (0.5 × 0.04048 + 1 × 0.004445) = 0.592.
  expect(lines.find(({ what }) => what === 'NAT gateway')!.usd).toBeCloseTo(1.08, 3);
  expect(lines.find(({ what }) => what.startsWith('public address'))!.usd).toBeCloseTo(0.12, 3);
  const worker = lines.filter(({ what }) => what.startsWith('control worker')).reduce((sum, line) => sum + line.usd, 0);
  expect(worker).toBeCloseTo(0.592, 3);
  expect(lines.reduce((sum, line) => sum + line.usd, 0)).toBeCloseTo(usd, 9);
  const stacks = synthesize({ temporal: cloud });
  expect(resourcesOf(stacks, 'AWS::EC2::NatGateway').length).toBe(1);
  expect(resourcesOf(stacks, 'AWS::KMS::Key').length).toBe(2);
  // The price of an alarm depends on its number of metrics.
  const looked = resourcesOf(stacks, 'AWS::CloudWatch::Alarm').map(
    ({ Properties: { Metrics = [{ MetricStat: {} }] } }) =>
      Metrics.filter((metric: object) => 'MetricStat' in metric).length as number,
  );
  expect(lines.find(({ what }) => what.startsWith('alarms'))!.arithmetic).toMatch(
    `${looked.reduce((a, b) => a + b)} ×`,
  );
  // There are no other resources with hourly costs.
  for (const type of ['AWS::EC2::VPCEndpoint', 'AWS::ElasticLoadBalancingV2::LoadBalancer', 'AWS::RDS::DBCluster']) {
    const hourly = resourcesOf(stacks, type).filter(({ Properties }) => Properties['VpcEndpointType'] !== 'Gateway');
    expect(hourly, type).toEqual([]);
  }
});

it('web pages cost a load balancer and a small task, and more than 2 dollars a day with the rest: there are none by default', () => {
  const more = (ui: unknown) =>
    idleCost(checkDeployConfig({ temporal: cloud, ui }, 'test')).usd - idleCost(inCloud).usd;
  // 24 × (0.0225 + 0.25 × 0.04048 + 0.5 × 0.004445); in public, two addresses 24 × 2 × 0.005 and a secret 0.4 / 30.4.
  expect(more(true)).toBeCloseTo(0.836, 3);
  expect(more(publicUi)).toBeCloseTo(0.836 + 0.24 + 0.013, 3);
  expect(more(true) + idleCost(inCloud).usd).toBeGreaterThan(2);
  const stacks = synthesize(VARIANTS['web pages, 1 NAT']);
  expect(resourcesOf(stacks, 'AWS::ElasticLoadBalancingV2::LoadBalancer').length).toBe(1);
  const tasks = resourcesOf(stacks, 'AWS::ECS::TaskDefinition').map(
    ({ Properties: { Cpu, Memory } }) => `${Cpu} ${Memory}`,
  );
  expect(tasks).toContain('256 512');
});

it('prices name their date and page, and are replaced by those of the configuration', () => {
  for (const { date, page } of [...Object.values(PRICES), ...Object.values(INSTANCE_HOURS)]) {
    expect(date).toMatch(/^20\d\d-\d\d$/);
    expect(page).toMatch(/^https:\/\/aws\.amazon\.com\/.*pricing\//);
  }
  const prices = { natGatewayHour: 0.052, spotShare: 0.3 };
  const dear = checkDeployConfig({ temporal: cloud, prices }, 'test');
  expect(idleCost(dear).usd - idleCost(inCloud).usd).toBeCloseTo(24 * 0.007, 9);
  expect(gpuHour(dear, 'spot')).toBeCloseTo(0.8048 * 0.42, 6);
});

it('a server of its own costs more, a stopped one less, endpoints more than a NAT gateway', () => {
  expect(cost({})).toBeGreaterThan(idleCost(inCloud).usd);
  expect(cost({ temporal: { kind: 'self-hosted', stopped: true } })).toBeLessThan(cost({}));
  expect(cost({ network: { natGateways: 0 } })).toBeGreaterThan(cost({}));
});

it("a round of the paper's size is its tokens by a worker's speed by the price of its hour", () => {
  const hour = gpuHour(inCloud, 'spot');
  // g6.xlarge: half of 0.8048 and 12 % of it for ECS.
  expect(hour).toBeCloseTo(0.8048 * 0.62, 6);
  const { lines, usd } = roundCost(inCloud, PAPER_ROUND);
  const sampling = (20_378 * 330) / 900 / 3600;
  expect(lines.find(({ what }) => what === 'sample')!.usd).toBeCloseTo(sampling * hour, 6);
  expect(lines.reduce((sum, line) => sum + line.usd, 0)).toBeCloseTo(usd, 9);
  expect(roundCost(inCloud, PAPER_ROUND, 'on-demand').usd).toBeGreaterThan(usd);
});

it('a type without a known price is told', () => {
  const config = checkDeployConfig({ gpu: { instanceType: 'x9.large' } }, 'test');
  expect(() => gpuHour(config, 'spot')).toThrow('The price of x9.large is not known; give gpu.usdPerHour.');
});
