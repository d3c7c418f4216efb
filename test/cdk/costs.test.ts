/** Compares cost estimates with the documented limits and with manual calculations. */
import { expect, it } from 'vitest';
import { checkDeployConfig } from '../../config/load-deployment.ts';
import { idleCost } from '../../cdk/costs.ts';
import { workerHour } from '../../cdk/instances.ts';
import { paperRounds } from '../../cdk/round-cost.ts';
import { INSTANCE_HOURS, PRICES } from '../../config/prices.ts';
import { cloud, publicUi, resourcesOf, synthesize, VARIANTS } from './variants.ts';

const cost = (document: object) => idleCost(checkDeployConfig(document, 'test')).usd;
const inCloud = checkDeployConfig({ temporal: cloud }, 'test');

it('an idle day costs about 2 dollars with Temporal Cloud, by the prices of what the template holds', () => {
  const { usd, lines } = idleCost(inCloud);
  expect(usd).toBeLessThanOrEqual(2.1);
  // NAT 24 × 0.045 = 1.08, its address 24 × 0.005 = 0.12; Fargate 24 × (0.5 × 0.04048 + 1 × 0.004445) = 0.592.
  expect(lines.find(({ what }) => what === 'NAT gateway')!.usd).toBeCloseTo(1.08, 3);
  expect(lines.find(({ what }) => what.startsWith('public address'))!.usd).toBeCloseTo(0.12, 3);
  const worker = lines.filter(({ what }) => what.startsWith('control worker')).reduce((sum, line) => sum + line.usd, 0);
  expect(worker).toBeCloseTo(0.592, 3);
  expect(lines.reduce((sum, line) => sum + line.usd, 0)).toBeCloseTo(usd, 9);
  const stacks = synthesize({ temporal: cloud });
  expect(resourcesOf(stacks, 'AWS::EC2::NatGateway').length).toBe(1);
  expect(resourcesOf(stacks, 'AWS::KMS::Key').length).toBe(2);
  // There are no other resources with hourly costs.
  for (const type of ['AWS::EC2::VPCEndpoint', 'AWS::ElasticLoadBalancingV2::LoadBalancer', 'AWS::RDS::DBCluster']) {
    const hourly = resourcesOf(stacks, type).filter(({ Properties }) => Properties['VpcEndpointType'] !== 'Gateway');
    expect(hourly, type).toEqual([]);
  }
});

it.each(['cloud, managed-instances, 1 NAT', 'everything'])(
  'alarms cost by the metrics that they read: %s',
  (variant) => {
    const read = resourcesOf(synthesize(VARIANTS[variant]), 'AWS::CloudWatch::Alarm').map(
      ({ Properties: { Metrics = [{ MetricStat: {} }] } }) =>
        Metrics.filter((metric: object) => 'MetricStat' in metric).length as number,
    );
    // Each draining version has the alarms of its own workers, which the estimate leaves out.
    const { draining = [], ...current } = VARIANTS[variant] as { draining?: unknown[] };
    const { lines } = idleCost(checkDeployConfig(current, 'test'));
    const counted = lines.find(({ what }) => what.startsWith('alarms'))!.arithmetic;
    if (draining.length === 0) expect(counted).toMatch(`${read.reduce((a, b) => a + b)} ×`);
  },
);

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
  expect(workerHour(dear, 'single', 'g6.xlarge', 'spot')).toBeCloseTo(0.8048 * 0.42, 6);
});

it('a server of its own costs more, a stopped one less, endpoints more than a NAT gateway', () => {
  expect(cost({})).toBeGreaterThan(idleCost(inCloud).usd);
  expect(cost({ temporal: { kind: 'self-hosted', stopped: true } })).toBeLessThan(cost({}));
  expect(cost({ network: { natGateways: 0 } })).toBeGreaterThan(cost({}));
});

it('what there is in every zone costs by the zone', () => {
  const zones = ['us-east-1a', 'us-east-1b', 'us-east-1c'];
  const linked = { ...cloud, privateLinkService: 'com.amazonaws.vpce.us-east-1.vpce-svc-0123' };
  const documents: [object, string, number][] = [
    [{ network: { natGateways: 0, availabilityZones: zones }, temporal: linked }, 'PrivateLink', 24 * 3 * 0.01],
    [
      { network: { availabilityZones: zones }, temporal: cloud, ui: publicUi },
      'public addresses of the load balancer',
      24 * 3 * 0.005,
    ],
  ];
  for (const [document, line, usd] of documents)
    expect(idleCost(checkDeployConfig(document, 'test')).lines.find(({ what }) => what === line)!.usd).toBeCloseTo(
      usd,
      9,
    );
  const stacks = synthesize(documents[1][0]);
  const [balancer] = resourcesOf(stacks, 'AWS::ElasticLoadBalancingV2::LoadBalancer');
  expect(balancer.Properties['Subnets']).toHaveLength(3);
});

it.each(Object.keys(VARIANTS))('KMS keys cost by those that the templates create, at 1 USD a month: %s', (variant) => {
  const { lines } = idleCost(checkDeployConfig(VARIANTS[variant], 'test'));
  const usd = lines.filter(({ what }) => what.startsWith('keys ')).reduce((sum, line) => sum + line.usd, 0);
  // Others are the account's own for a service, such as aws/rds, which cost nothing (https://aws.amazon.com/kms/pricing/).
  expect(usd * 30.4).toBeCloseTo(resourcesOf(synthesize(VARIANTS[variant]), 'AWS::KMS::Key').length, 9);
});

const withBlock = (more: object) =>
  checkDeployConfig(
    {
      network: { availabilityZones: ['us-east-1a', 'us-east-1b'] },
      gpu: {
        pools: {
          node: { instanceType: 'p5.48xlarge', capacityBlock: 'cr-0123', availabilityZones: ['us-east-1a'], ...more },
        },
      },
    },
    'test',
  );

it('a capacity block is not spot: its hours have the on-demand price, or that of usdPerHour', () => {
  const [, onDemand] = paperRounds(withNode('p5.48xlarge'), 'on-demand');
  expect(paperRounds(withBlock({}))[1].usd).toBeCloseTo(onDemand.usd, 9);
  expect(paperRounds(withBlock({ usdPerHour: 30 }))[1].usd).toBeCloseTo((onDemand.usd * 30) / 55.04, 9);
});

const withCaches = (cacheGb: number) =>
  paperRounds(checkDeployConfig({ gpu: { pools: { single: { cacheGb } } } }, 'test'));

it('caches that need a larger disk need a larger instance, which costs more', () => {
  // 2 × 150 and 50 GB: a g6e.xlarge has 250, a g6e.2xlarge 450.
  expect([withCaches(80), withCaches(150)].map(([{ instanceType }]) => instanceType)).toEqual([
    'g6e.xlarge',
    'g6e.2xlarge',
  ]);
});

const nodes = ['g6e.48xlarge', 'p4d.24xlarge', 'p5.48xlarge'];
const withNode = (instanceType: string) => checkDeployConfig({ gpu: { pools: { node: { instanceType } } } }, 'test');

it("a round of the paper's size is its tokens by the speed of the pool's GPUs by the price of its instance", () => {
  const [single, node] = paperRounds(withNode('p5.48xlarge'));
  // The cheapest instance on which LoRA of an 8B model fits: half of 1.861 and 12 % of it for ECS.
  expect(single).toMatchObject({ pool: 'single', instanceType: 'g6e.xlarge', gpus: 1, trained: 'a LoRA adapter' });
  expect(node).toMatchObject({ pool: 'node', instanceType: 'p5.48xlarge', gpus: 8, trained: 'all weights' });
  const parameters = 8_030_261_248;
  const usdOf = ({ lines }: typeof node, step: string) => lines.find(({ what }) => what === step)!.usd;
  // Lambda's 3,281 tokens a second with 7.248 billion parameters, on each of 8 H100, at half of 55.04.
  const sampling = (20_378 * 330) / (8 * 3281 * (7.248e9 / parameters)) / 3600;
  expect(usdOf(node, 'sample')).toBeCloseTo(sampling * 27.52, 6);
  // 2 N operations forward, 4 N backward and 2 N again, at 33 % of 989 TFLOP/s; LoRA has 2 N backward, at 25 % of 362.
  const tokens = 20_378 * (190 + 3 * 330);
  const hours = (passes: number, perSecond: number) => (2 * parameters * passes * tokens) / perSecond / 3600;
  expect(usdOf(node, 'optimize')).toBeCloseTo(hours(4, 8 * 0.33 * 989e12) * 27.52, 6);
  expect(usdOf(single, 'optimize')).toBeCloseTo(hours(3, 0.25 * 362e12) * 1.861 * 0.62, 6);
  for (const round of [single, node]) {
    expect(round.lines.reduce((sum, line) => sum + line.usd, 0)).toBeCloseTo(round.usd, 9);
  }
  const onDemand = paperRounds(withNode('p5.48xlarge'), 'on-demand');
  expect(onDemand[1].usd).toBeCloseTo(2 * node.usd, 6);
});

it.each(nodes)('all weights of an 8B model fit on a %s, which has a price', (type) => {
  expect(paperRounds(withNode(type)).map(({ instanceType }) => instanceType)).toEqual(['g6e.xlarge', type]);
});

it('a pool on which the round does not fit has no cost, and a type without a known price is told', () => {
  const small = { accelerators: ['l4'], instanceType: 'g6.xlarge' };
  expect(paperRounds(checkDeployConfig({ gpu: { pools: { single: small } } }, 'test'))).toEqual([]);
  const unknown = { instanceType: 'x9.large', capacity: 'auto-scaling-group' };
  expect(() =>
    workerHour(checkDeployConfig({ gpu: { pools: { single: unknown } } }, 'test'), 'single', 'x9.large', 'spot'),
  ).toThrow('The price of x9.large is not known; give gpu.pools.single.usdPerHour.');
});
