import { expect, test } from 'vitest';
import { LossCurve } from '../../activities/loss-curve.ts';

const curveOf = (steps: number, loss: (step: number) => number) => {
  const curve = new LossCurve();
  for (let step = 1; step <= steps; step++) curve.add(step, loss(step));
  return curve;
};

test('a short training has a point for each step', () => {
  expect(curveOf(3, (step) => 1 / step).points).toEqual([
    [1, 1],
    [2, 0.5],
    [3, 0.3333],
  ]);
});

test('a long one has means of equally many steps, up to the last step', () => {
  for (const steps of [64, 65, 1000, 4096, 100_000]) {
    const { points } = curveOf(steps, (step) => step);
    expect(points.length).toBeLessThanOrEqual(64);
    expect(points.length).toBeGreaterThan(31);
    expect(points.at(-1)![0]).toBe(steps);
    const [[width]] = points;
    for (const [i, [step, mean]] of points.entries()) {
      // The mean of consecutive steps is that of the first and the last of them.
      const before = i === 0 ? 0 : points[i - 1][0];
      expect(mean).toBeCloseTo((before + 1 + step) / 2, -Math.log10(steps) + 3.2);
      if (i < points.length - 1) expect(step - before).toBe(width);
    }
  }
});

test('an attempt that resumes keeps the part before its checkpoint', () => {
  const curve = new LossCurve(curveOf(10, (step) => step).points, 6);
  curve.add(7, 0.5);
  expect(curve.points.slice(-2)).toEqual([
    [6, 6],
    [7, 0.5],
  ]);
  expect(curve.points).toHaveLength(7);
});

test('an attempt that resumes a long one has means of as many steps as before', () => {
  const whole = curveOf(1000, (step) => step).points;
  const resumed = new LossCurve(curveOf(640, (step) => step).points, 640);
  for (let step = 641; step <= 1000; step++) resumed.add(step, step);
  expect(resumed.points.map(([step]) => step)).toEqual(whole.map(([step]) => step));
});

test('a step that is reported again counts once', () => {
  const curve = curveOf(4, (step) => step);
  curve.add(3, 100);
  curve.add(4, 100);
  expect(curve.points.map(([, loss]) => loss)).toEqual([1, 2, 3, 4]);
});
